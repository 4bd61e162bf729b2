"""One host set up by hand, by the commands that an administrator would type: the judge's measure of a right end."""

from __future__ import annotations

import uuid
from pathlib import Path

from standin.esxi import FakeEsxi
from standin.esxi import label as labels
from standin.esxi.portgroups import new_portgroup
from standin.esxi.presets import disk
from standin.esxi.vswitches import new_switch
from target.judge import desired as desires
from target.judge import machine
from target.judge.hosts import GIB, Case

SWITCH = "esxcli network vswitch standard"
IP = "esxcli network ip"


def set_up(case: Case, directory: Path) -> tuple[desires.Desired, dict[str, str], machine.Machine, machine.Machine]:
    """What is asked for, which disk is which, the machine as found, and as it is to be."""
    disks = [disk(f"naa.{key}", size, kind, boot=key == "sda") for key, (size, _, kind) in case.disks.items()]
    fake = FakeEsxi.create(str(directory), nics=case.nics, disks=disks, world=case.world, booted=case.booted)
    for key in ("sdb", "sdc"):
        label = labels.Label(120 * GIB // 512, guid=str(uuid.uuid4()))
        size = (20 if key == "sdb" else 30) * GIB // 512
        label.add(labels.Partition(1, 2048, 2048 + size - 1, labels.VMFS))
        labels.write_label(str(Path(fake.devices) / f"naa.{key}"), label)
    with fake.edit() as host:
        host.running["vswitches"]["DMZ"] = new_switch("DMZ")
        host.running["portgroups"]["dmz"] = dict(new_portgroup("dmz", "DMZ", 7, 7), machines=["a machine"])
        host.store.save_configuration()
    before = machine.read(directory)
    for line in commands(case, fake):
        result = fake.run(line, stdin="0\n")
        assert result.status == 0, (line, result)
    placed = {key: f"naa.{key}" for key in case.disks if key != "sda"}
    return desires.read(case.config), placed, before, machine.read(directory)


def commands(case: Case, fake: FakeEsxi) -> list[list[str]]:
    """The commands for the one case that test_judge.py makes."""
    nics = {nic["mac"]: nic["name"] for nic in fake.hardware["nics"]}
    entries = {one["id"]: one for one in case.config["network"]["config"] if "id" in one}
    bond = entries["bond0"]
    members = [nics[entries[one]["mac_address"]] for one in bond["bond_interfaces"]]
    primary = entries[bond["params"].get("bond-primary", "bond0")]["mac_address"]
    first = nics[primary]
    rest = [one for one in members if one != first]
    vlans = [one for one in entries.values() if one["type"] == "vlan"]
    management = next(one for one in vlans if one["vlan_link"] == "bond0")
    others = [one for one in vlans if one is not management]
    second = next(one for one in entries.values() if "10.2.0." in str(one.get("subnets")))
    third = entries[others[0]["vlan_link"]]
    old = fake.running["vswitches"]["vSwitch0"]["uplinks"][0]
    lines = [f"{SWITCH} uplink add -v vSwitch0 -u {one}" for one in members if one != old]
    lines += [f"{SWITCH} uplink remove -v vSwitch0 -u {old}"] if old not in members else []
    lines += [
        f"{SWITCH} policy failover set -v vSwitch0 -a {first} -s {','.join(rest)} -l explicit",
        f"{SWITCH} set -v vSwitch0 -m 9000",
        f"{SWITCH} portgroup set -p Management@Network -v {management['vlan_id']}",
        f"{SWITCH} portgroup add -v vSwitch0 -p bond0",  # for virtual machines
        f"{IP} interface set -i vmk0 -m 9000",
        f"{IP} interface ipv6 set -i vmk0 -r false",
        f"{IP} interface ipv4 set -i vmk0 -t static -I 10.1.0.10 -N 255.255.255.0",
        f"{IP} interface ipv6 address add -i vmk0 -I 2001:db8:1::11/64",
        f"{IP} route ipv4 add -n default -g 10.1.0.1",
        f"{IP} route ipv6 add -n default -g 2001:db8:1::1",
        f"{SWITCH} add -v vSwitch1", f"{SWITCH} uplink add -v vSwitch1 -u {nics[second['mac_address']]}",
        f"{SWITCH} set -v vSwitch1 -m {second['mtu']}", f"{SWITCH} portgroup add -v vSwitch1 -p {second['name']}",
        f"{IP} interface add -i vmk1 -p {second['name']} -m {second['mtu']}",
        f"{IP} interface ipv4 set -i vmk1 -t static -I 10.2.0.10 -N 255.255.255.0",
        f"{IP} route ipv4 add -n 172.2.0.0/16 -g 10.2.0.254",
        f"{SWITCH} add -v vSwitch2", f"{SWITCH} uplink add -v vSwitch2 -u {nics[third['mac_address']]}",
    ]  # fmt: skip
    for number, one in enumerate(others, 2):
        lines += [
            f"{SWITCH} portgroup add -v vSwitch2 -p {one['name']}",
            f"{SWITCH} portgroup set -p {one['name']} -v {one['vlan_id']}",
            f"{IP} interface add -i vmk{number} -p {one['name']}",
            f"{IP} interface ipv4 set -i vmk{number} -t static -N 255.255.255.0 -I "
            + one["subnets"][0]["address"].partition("/")[0],
        ]
    lines += [f"{IP} dns server add -s 10.1.0.2", f"{IP} dns server add -s 8.8.8.8", f"{IP} dns search add -d maas"]
    directory = "/vmfs/devices/disks/"
    lines += [
        "esxcli system hostname set --fqdn=esx01.maas",
        f"vmkfstools -C vmfs6 -S data {directory}naa.sdb:1",
        f"vmkfstools -Z {directory}naa.sdc:1 {directory}naa.sdb:1",
        "/sbin/auto-backup.sh",
    ]
    return [[word.replace("@", " ") for word in line.split()] for line in lines]

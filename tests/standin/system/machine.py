"""The fake ESXi over real disks and NICs: its documents made from what Linux has, its root is the root."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from standin.esxi import label as labels
from standin.esxi.disks import make_nodes
from standin.esxi.fake import FakeEsxi
from standin.esxi.host import Host, RealHardware
from standin.esxi.presets import fresh_configuration
from standin.esxi.store import FILES, Store, write_json
from standin.esxi.volumes import make_directories
from standin.system import fat16, linux_disks, network, volumes
from standin.system.console import say, wait_for_ever

DIRECTORY = "/var/lib/standin"
RELEASE = Path("/usr/lib/standin/release.json")
# What unpack() found below /etc, by path: not a part of the saved configuration as long as it is unchanged.
FROM_MODULES = Path(DIRECTORY) / "from-modules.json"
_DIRECTORIES = (
    "/tmp", "/var/run", "/var/lock", "/vmfs/volumes", "/vmfs/devices/disks", "/etc/ssh/keys-root", "/scratch",
    "/etc/rc.local.d", "/etc/init.d", "/etc/vmware/firewall", "/etc/vmware/ssl", "/tardisks", "/var/log",
)  # fmt: skip


class RealMachine(RealHardware):
    """Disks and NICs below the fake (standin.esxi.host.RealHardware)."""

    def make_nodes(self, host: Host) -> None:
        """Nodes by ESXi's names; the kernel learns what labels say now."""
        linux_disks.make_nodes(host.hardware["disks"])

    def mount(self, host: Host) -> None:
        """Boot banks are real FAT volumes; they are mounted where ESXi has them."""
        volumes.mount_all(host)

    def lease(self, host: Host, vmk: dict[str, Any]) -> dict[str, Any] | None:
        """The real network's answer."""
        return network.lease(host, vmk)


def release() -> dict[str, Any]:
    """The release that this stand-in imitates: version, build, kernel, modules, …"""
    return dict(json.loads(RELEASE.read_text()))


def power_on(boot: str | None) -> FakeEsxi:
    """The machine, running, with a fresh configuration in memory. ``boot``: Linux's name of ESXi's boot disk."""
    Host.real = RealMachine()
    for directory in _DIRECTORIES:
        os.makedirs(directory, exist_ok=True)
    if not os.path.lexists("/dev/disks"):
        os.symlink("/vmfs/devices/disks", "/dev/disks")
    os.makedirs(DIRECTORY, exist_ok=True)
    if not os.path.lexists(f"{DIRECTORY}/root"):
        os.symlink("/", f"{DIRECTORY}/root")
    wait_for_disks()
    hardware = _hardware(boot)
    if not hardware["nics"]:
        say("No network adapters were detected. Either there are none, or ESXi has no driver for them.")
        wait_for_ever()
    running = fresh_configuration(hardware)
    power = {"on": True, "ending": "", "boots": 1, "first": False, "hostd": False, "hostd_refusals": 0}
    documents: dict[str, Any] = {
        "hardware": hardware, "world": {"networks": {}, "remote": {}, "cables": network.cables(hardware["nics"])},
        "running": running, "saved": running, "power": power, "faults": {"list": []},
    }  # fmt: skip
    for name in FILES:
        write_json(f"{DIRECTORY}/{name}.json", documents[name])
    fake = FakeEsxi(Store(DIRECTORY))
    with fake.edit() as host:
        find_banks(host)
        make_nodes(host)
        make_directories(host)
    return fake


def wait_for_disks() -> None:
    """Linux finds disks one after the other: until none has come for a second."""
    before, since = set(os.listdir(linux_disks.SYS)), time.monotonic()
    while time.monotonic() - since < 1.0:
        time.sleep(0.1)
        now = set(os.listdir(linux_disks.SYS))
        if now != before:
            before, since = now, time.monotonic()


def find_banks(host: Host) -> None:
    """The boot banks of every disk, for the documents of the fake."""
    seven = host.release >= [7, 0]
    banks = []
    for disk in host.hardware["disks"]:
        try:
            label = labels.read_primary(disk["path"])
        except labels.LabelError:
            continue
        for number in (5, 6):
            one = label.partitions.get(number)
            if one is None:
                continue
            with open(disk["path"], "rb") as stream:
                uuid = fat16.bank_uuid(stream, one.first * 512)
            if uuid is not None:
                banks.append({
                    "uuid": fat16.volume_name(uuid), "label": f"BOOTBANK{number - 4}" if seven else "",
                    "device": disk["name"], "partition": number, "bytes": (one.last - one.first + 1) * 512,
                })  # fmt: skip
        if disk["boot"]:
            system = [number for number in (1, 2, 5, 6, 7, 8, 9) if number in label.partitions]
            host.hardware["system_partitions"] = [n for n in system if not (seven and n == 8)]
    host.hardware["banks"] = banks


def _hardware(boot: str | None) -> dict[str, Any]:
    told = release()
    major = int(told["version"].split(".")[0])
    return {
        "release": told["version"], "build": told["build"], "update": told["version"].split(".")[2], "patch": "0",
        "nics": network.find_nics(), "disks": linux_disks.esxi_disks(linux_disks.find_disks(), boot),
        "banks": [], "system_partitions": [], "hostd_delay": 0,
        "boot_entries": [], "programs_missing": ["bootorder"] if major < 7 else [],
        "quirks": {"json_blanks": major >= 8, "json_strings": major < 7, "errors_on_stdout": True},
    }  # fmt: skip


def forget_volumes(fake: FakeEsxi, node: str) -> None:
    """Before a disk is partitioned anew: nothing of it stays mounted, and its banks are forgotten."""
    volumes.unmount_disk(node)
    with fake.edit() as host:
        name = next(disk["name"] for disk in host.hardware["disks"] if disk["node"] == node)
        host.hardware["banks"] = [bank for bank in host.hardware["banks"] if bank["device"] != name]

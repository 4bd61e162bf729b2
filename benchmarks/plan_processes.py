"""How many processes a host starts to reach MAAS's network and storage: ours, counted, beside today's template's.

Each esxcli start costs about a second on a host. Ours counts what is really run on a freshly installed host: the
inventory, the plan's commands, and a second inventory that verifies them. The template verifies nothing.

The template's figures were counted by hand in its two scripts that apply a configuration, netplan-esxi and
storage-esxi (canonical/packer-maas, vmware-esxi/maas, commit 73dd146ac56b5b53c93afdb1efe7d40ae64b3420), walking through
them with the same configurations on the same fresh host and taking every start of a process as successful. On ESXi 7
and later it would really end early, at the datastore on p8.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from esxforge.preview.assumed import assumed_inventory, stamped
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.disk_identities import DeviceDirectory
from esxforge_target.inventory.read import read, reread_network, reread_storage
from esxforge_target.plan.planner import make_plan
from esxforge_target.plan.steps import STORAGE
from esxforge_target.runtime.commands import Result, Runner
from esxforge_target.runtime.validation_errors import ValidationErrors

SAMPLES = Path(__file__).parents[1] / "tests" / "data" / "curtin"


@dataclass(frozen=True)
class Count:
    """Starts of esxcli, and of other programs."""

    esxcli: int
    others: int

    def __add__(self, other: Count) -> Count:
        return Count(self.esxcli + other.esxcli, self.others + other.others)


@dataclass(frozen=True)
class Row:
    """One configuration."""

    name: str
    inventory: Count
    commands: Count
    verification: Count
    template: Count


# Network and storage of each. Network: wiping (2 lists, vmk0, vSwitch0, DNS twice) 6, NIC list 1; then a vSwitch 2
# with MTU, 1 an uplink, 1 a team, a subnet 2 with its vmk, 1 a VLAN, 1 an address, 1 or 2 a gateway, 1 or 2 a route,
# 1 a DNS server or domain. Storage by esxcli: NVMe list 1, 1 for each, capacity, paths, unmounting, rescan; by others:
# scsidevs, uname, fixGpt, delete, dd for each further disk, sync, 1 a label, 3 a partition, 1 a file system or extent.
TEMPLATE = {
    "maas3.6.5-esxi67-vmfs6-bond-vlan-alias-ipv6": Count(40, 0) + Count(6, 22),
    "maas3.6.5-esxi8-vmfs7-bond-vlan-alias-ipv6": Count(40, 0) + Count(6, 19),
    "maas3.6.5-esxi8-vmfs7-dhcp-only": Count(31, 0) + Count(5, 6),
    "maas3.6.5-esxi8-vmfs7-simple-static": Count(19, 0) + Count(5, 6),
}


class FreshHost(Runner):
    """Answers an inventory's questions as a freshly installed host does, and counts them."""

    def __init__(self, desired: DesiredHost) -> None:
        self.count = Count(0, 0)
        devices: list[dict[str, object]] = [
            {"Device": disk.name, "IsBootDevice": disk.boot, "DevfsPath": disk.name}
            for disk in (desired.boot_disk, *desired.datastore_disks())
        ]
        self._answers: dict[str, object] = {
            "system version get": [{"Version": "8.0.3", "Build": "Releasebuild-24280767"}],
            "network vswitch standard list": [{"Name": "vSwitch0", "MTU": 1500, "Uplinks": ["vmnic0"]}],
            "network vswitch standard portgroup list": [{"Name": "Management Network", "VirtualSwitch": "vSwitch0"}],
            "network ip interface list": [{"Name": "vmk0", "Portgroup": "Management Network"}],
            "storage core device list": devices,
        }

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        if arguments[0] != "esxcli":
            self.count += Count(0, 1)
            return Result(0, "gpt\n1 1 1 99999999\n")
        self.count += Count(1, 0)
        words = [word for word in arguments[2:] if not word.startswith("-")]
        for command, answer in self._answers.items():
            if " ".join(words).startswith(command):
                return Result(0, json.dumps(answer))
        return Result(0, "[]")


class StampedDirectory(DeviceDirectory):
    """The directory of disks, which costs one process to read; here every disk has its stamp."""

    def __init__(self, desired: DesiredHost, host: FreshHost, empty: str) -> None:
        super().__init__(empty)
        self._stamps: dict[str, tuple[str, ...]] = {disk.name: (disk.disk_guid,) for disk in desired.datastore_disks()}
        self._host = host

    def stamps(self) -> dict[str, tuple[str, ...]]:
        self._host.count += Count(0, 1)
        return self._stamps


def measure() -> list[Row]:
    """A row for each configuration that ESXi can have."""
    rows = []
    for path in sorted(SAMPLES.glob("*.yaml")):
        try:
            desired = stamped(desired_host_from_config(yaml.safe_load(path.read_text(encoding="utf-8"))))
        except ValidationErrors:
            continue  # refused in the hook: no process at all
        plan = make_plan(desired, assumed_inventory(desired, "6.7.0" if "esxi67" in path.stem else "8.0.3"))
        stamps = [disk.disk_guid for disk in desired.datastore_disks()]
        with tempfile.TemporaryDirectory() as empty:
            host = FreshHost(desired)
            directory = StampedDirectory(desired, host, empty)
            found = read(host, directory, stamps)
            inventory, host.count = host.count, Count(0, 0)
            reread_network(host, found, [step.command for step in plan.steps])
            if any(step.phase == STORAGE for step in plan.steps):
                reread_storage(host, found)
        esxcli = len([step for step in plan.steps if step.command[0] == "esxcli"])
        commands = Count(esxcli, len(plan.steps) - esxcli)
        rows.append(Row(path.stem, inventory, commands, host.count, TEMPLATE[path.stem]))
    return rows


def report() -> str:
    """The rows as a table: esxcli + others."""
    columns = ("inventory", "commands", "verify", "all", "template")
    lines = [f"{'processes (esxcli + others)':46}" + "".join(f"{column:>12}" for column in columns)]
    for row in measure():
        counts = (row.inventory, row.commands, row.verification)
        cells = (*counts, counts[0] + counts[1] + counts[2], row.template)
        lines.append(f"{row.name:46}" + "".join(f"{f'{one.esxcli} + {one.others}':>12}" for one in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())

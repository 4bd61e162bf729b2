"""A plan with all that a person wants to see beside it: rows for tables and drawings, and the JSON document."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from esxforge.errors import FormatError
from esxforge.plan.assumed import assumed_inventory, assumptions, stamped
from esxforge.plan.curtin_yaml import load_config
from esxforge_target import inventory as inventories
from esxforge_target.documents import plain
from esxforge_target.inventory import Inventory
from esxforge_target.plan import Plan, layout_of, make_plan
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.kernels import KernelPlanner
from esxforge_target.plan.layout import Layout
from esxforge_target.plan.switches import SwitchPlanner
from esxforge_target.wanted import Refusals, WantedHost, wanted_from_config

DOCUMENT_VERSION = 1
_SHARED_BY_CLONES = (
    "golden image: the UUID of the OSDATA volume (of 6.x: of what its installer formats besides FAT) is the same on "
    "every host of one image; VMware does not support cloned boot disks (KB 84280), so no host may see another one's."
)


@dataclass(frozen=True)
class NetworkRow:
    """A port group with what is below and above it. ``nics`` are pairs of MAAS's name and vmnic, the first carries."""

    interface: str
    nics: tuple[tuple[str, str], ...]
    standby: tuple[str, ...]
    balancing: str
    vswitch: str
    vswitch_mtu: int
    port_group: str
    vlan_id: int
    vmk: str
    mtu: int
    addresses: tuple[str, ...]
    management: bool


@dataclass(frozen=True)
class PartRow:
    """A partition of a disk, in bytes; ``datastore`` is empty where it carries none of MAAS's."""

    number: int
    offset: int
    size: int
    kind: str
    datastore: str
    head: bool


@dataclass(frozen=True)
class DiskRow:
    """A disk of the host and its partitions."""

    name: str
    device: str
    model: str
    size: int
    boot: bool
    parts: tuple[PartRow, ...]


@dataclass(frozen=True)
class Report:
    """What ``esxforge plan`` shows. With refusals of the configuration itself there is no plan to show."""

    release: str
    assumed: bool
    refusals: tuple[str, ...]
    notices: tuple[str, ...]
    plan: Plan
    network: tuple[NetworkRow, ...]
    free_nics: tuple[tuple[str, str], ...]
    routes: tuple[tuple[str, str], ...]
    name_servers: tuple[str, ...]
    search_domains: tuple[str, ...]
    disks: tuple[DiskRow, ...]


def report_for(config: Path, inventory: Path | None, release: str, *, golden: bool = False) -> Report:
    """The report for a configuration file, and an inventory file or a fresh install of ``release``.

    ``golden`` adds what hosts of one golden image share. Raises FormatError for files that cannot be read. What ESXi
    cannot do is in the report's refusals.
    """
    found = None
    if inventory is not None:
        try:
            text = inventory.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise FormatError(
                f"{inventory} cannot be read: {reason}.",
                "Name an inventory: a host's /bootbank/esxforge.inv.",
            ) from None
        found = inventories.from_json(text)
    try:
        wanted = wanted_from_config(load_config(config))
    except Refusals as refusals:
        return _refused(tuple(refusals.reasons), found.release.version if found else release, found is None)
    wanted = stamped(wanted) if found is None else _stamps_from(wanted, found)
    report = make_report(wanted, found or assumed_inventory(wanted, release), assumed=found is None)
    return replace(report, notices=(*report.notices, _SHARED_BY_CLONES)) if golden else report


def make_report(wanted: WantedHost, inventory: Inventory, *, assumed: bool) -> Report:
    """The report for a wanted host and an inventory."""
    layout, plan = layout_of(wanted, inventory), make_plan(wanted, inventory)
    used = {uplink for switch in layout.switches for uplink in switch.uplinks}
    named = {one.mac: one.name for one in wanted.interfaces if one.kind == "physical"}
    return Report(
        release=inventory.release.version,
        assumed=assumed,
        refusals=plan.refusals,
        notices=(assumptions(wanted) if assumed else ()) + plan.notices,
        plan=plan,
        network=_network_rows(wanted, layout, inventory),
        free_nics=tuple((nic.name, named.get(nic.mac, "")) for nic in inventory.nics if nic.name not in used),
        routes=tuple((route.destination, route.gateway) for route in layout.routes),
        name_servers=wanted.name_servers,
        search_domains=wanted.search_domains,
        disks=_disk_rows(wanted, inventory),
    )


def document(report: Report) -> dict[str, Any]:
    """The report as one JSON document."""
    return {
        "version": DOCUMENT_VERSION,
        "release": report.release,
        "assumed": report.assumed,
        "refusals": list(report.refusals),
        "notices": list(report.notices),
        "network": [vars(row) | {"nics": [list(nic) for nic in row.nics]} for row in report.network],
        "free_nics": [list(nic) for nic in report.free_nics],
        "routes": [{"destination": to, "gateway": gateway} for to, gateway in report.routes],
        "name_servers": list(report.name_servers),
        "search_domains": list(report.search_domains),
        "disks": [vars(row) | {"parts": [vars(part) for part in row.parts]} for row in report.disks],
        "steps": [
            {
                "phase": step.phase,
                "command": list(step.command),
                "stdin": step.stdin,
                "changes": step.changes,
                "undo": [list(command) for command in step.undo],
                "expects": [plain(expectation) for expectation in step.expects],
                "may_fail": step.may_fail,
            }
            for step in report.plan.steps
        ],
    }


def _refused(reasons: tuple[str, ...], release: str, assumed: bool) -> Report:
    return Report(release, assumed, reasons, (), Plan((), (), reasons), (), (), (), (), (), ())


def _stamps_from(wanted: WantedHost, inventory: Inventory) -> WantedHost:
    """At a desk the stamps that the hook gave are not known: they are those in the inventory, disk by disk."""
    stamps = []
    taken: set[str] = set()
    for disk in wanted.datastore_disks():
        numbers = {partition.number for partition in wanted.vmfs_partitions(disk.id)}
        for device in inventory.devices:
            table = device.table
            if device.boot or table is None or not device.stamps or device.name in taken:
                continue
            if numbers <= {entry.number for entry in table.partitions} and _same_model(disk.model, device.model):
                stamps.append((disk.id, device.stamps[0]))
                taken.add(device.name)
                break
    return wanted.with_stamps(stamps)


def _same_model(linux: str, esxi: str) -> bool:
    return not linux or not esxi or linux.strip()[:16] == esxi.strip()[:16]


def _network_rows(wanted: WantedHost, layout: Layout, inventory: Inventory) -> tuple[NetworkRow, ...]:
    if not layout.kernels:
        return ()
    names = KernelPlanner(layout, inventory, Draft(), SwitchPlanner(layout, inventory, Draft())).names
    by_vmnic = {nic.name: nic.mac for nic in inventory.nics}
    by_mac = {one.mac: one.name for one in wanted.interfaces if one.kind == "physical"}
    switches = {switch.name: switch for switch in layout.switches}
    kernels = {kernel.group: kernel for kernel in layout.kernels}
    rows = []
    for group in layout.groups:
        switch, kernel = switches[group.switch], kernels.get(group.name)
        addresses: list[str] = []
        if kernel is not None:
            addresses += [] if kernel.address is None else [kernel.address.cidr if kernel.ipv4 == "static" else "DHCP"]
            addresses += [address.cidr for address in kernel.ipv6] + (["DHCPv6"] if kernel.dhcp6 else [])
        rows.append(
            NetworkRow(
                interface=kernel.interface if kernel is not None else group.name,
                nics=tuple((by_mac.get(by_vmnic[uplink], ""), uplink) for uplink in switch.uplinks),
                standby=switch.team.standby,
                balancing=switch.team.load_balancing,
                vswitch=switch.name,
                vswitch_mtu=switch.mtu,
                port_group=group.name,
                vlan_id=group.vlan_id,
                vmk=names.get(group.name, ""),
                mtu=kernel.mtu if kernel is not None else switch.mtu,
                addresses=tuple(addresses),
                management=kernel is not None and kernel.management,
            )
        )
    return tuple(rows)


_KINDS = {
    "C12A7328F81F11D2BA4B00A0C93EC93B": "EFI system",
    "EBD0A0A2B9E5443387C068B6B72699C7": "boot bank",
    "9D27538040AD11DBBF97000C2911D1B8": "core dump",
    "4EB2EA3978554790A79EFAE495E21F8D": "OSDATA",
    "AA31E02A400F11DB9590000C2911D1B8": "VMFS",
}


def _disk_rows(wanted: WantedHost, inventory: Inventory) -> tuple[DiskRow, ...]:
    rows = []
    for disk in (wanted.boot_disk, *wanted.datastore_disks()):
        found = [
            device
            for device in inventory.devices
            if (device.boot if disk.boot else bool(disk.stamp) and disk.stamp.lower() in device.stamps)
        ]
        device = found[0] if len(found) == 1 else None
        parts = []
        if device is not None and device.table is not None:
            for entry in sorted(device.table.partitions, key=lambda one: one.first):
                kind = _KINDS.get(entry.type_guid, "other")
                datastore, head = _datastore_at(wanted, disk.id, entry.number, kind, disk.boot)
                size = (entry.last - entry.first + 1) * device.table.sector_size
                parts.append(PartRow(entry.number, entry.first * device.table.sector_size, size, kind, datastore, head))
        rows.append(
            DiskRow(
                disk.name,
                device.name if device is not None else "",
                disk.model,
                device.size if device is not None else 0,
                disk.boot,
                tuple(parts),
            )
        )
    return tuple(rows)


def _datastore_at(wanted: WantedHost, disk: str, number: int, kind: str, boot: bool) -> tuple[str, bool]:
    if boot:
        datastore = wanted.boot_datastore()
        return (datastore.name, True) if datastore is not None and kind == "VMFS" else ("", False)
    for datastore in wanted.datastores:
        for index, partition_id in enumerate(datastore.partitions):
            partition = wanted.partition(partition_id)
            if (partition.disk, partition.number) == (disk, number):
                return datastore.name, index == 0
    return "", False

"""A plan with related facts for people: rows for tables and drawings, and the JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from esxforge.errors import FormatError
from esxforge.local.reading import read_file
from esxforge.preview.assumed import assumed_inventory, assumptions, stamped
from esxforge.preview.curtin_yaml import load_config
from esxforge_target.contract.desired_host import DesiredHost, Disk
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.document import read_document
from esxforge_target.inventory.model import Device, Inventory
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.layout import Layout, layout_of
from esxforge_target.plan.planner import make_plan
from esxforge_target.plan.steps import Plan
from esxforge_target.plan.switches import VSwitchPlanner
from esxforge_target.plan.vmks import VmkPlanner
from esxforge_target.runtime.documents import plain
from esxforge_target.runtime.validation_errors import ValidationErrors

DOCUMENT_VERSION = 1
# A host with 100 disks and 1,000 port groups has less than 1 MiB.
_LARGEST_INVENTORY = 16 << 20
# Allowed difference of a partition of the hook from MAAS's size: it begins and ends at whole MiB, clear of the tables.
_ROUNDED = 8 << 20
_SHARED_BY_CLONES = (
    "golden image: the UUID of the OSDATA volume (of 6.x: of what its installer formats besides FAT) is the same on "
    "every host of one image; VMware does not support cloned boot disks (KB 84280), so no host may see another one's."
)


@dataclass(frozen=True)
class NetworkRow:
    """A port group with what is below and above it. ``nics`` are pairs of MAAS's name and vmnic; the first carries."""

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
class NicRow:
    """A NIC: ESXi's name, MAAS's (empty: not in MAAS), and its MAC in lower case (empty: not known).

    ``link_speed`` is in Mbit/s, ``link_connected`` says whether there is a link; None if that is not known.
    """

    vmnic: str
    name: str
    mac: str
    link_speed: int | None = None
    link_connected: bool | None = None


@dataclass(frozen=True)
class PartRow:
    """A partition of a disk, in bytes; ``datastore`` is empty if it carries none of MAAS's."""

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
class Preview:
    """The output of ``esxforge plan``. With errors of the configuration itself there is no plan to show.

    ``machine`` is its name in MAAS; empty if only a configuration is known.
    """

    release: str
    assumed: bool
    errors: tuple[str, ...]
    notices: tuple[str, ...]
    plan: Plan
    network: tuple[NetworkRow, ...]
    free_nics: tuple[tuple[str, str], ...]
    routes: tuple[tuple[str, str], ...]
    name_servers: tuple[str, ...]
    search_domains: tuple[str, ...]
    disks: tuple[DiskRow, ...]
    nics: tuple[NicRow, ...] = ()
    machine: str = ""


def report_for(config: Path, inventory: Path | None, release: str, *, golden: bool = False) -> Preview:
    """Return the report for a configuration file, and an inventory file or a fresh install of ``release``.

    ``golden`` adds what hosts of one golden image share. Raises InputError and FormatError for files that cannot be
    read. Desired settings that ESXi does not support are in the report's errors.
    """
    found, guids = load_inventory(inventory) if inventory is not None else (None, {})
    return report_of_config(load_config(config), found, release, golden=golden, guids=guids)


def load_inventory(path: Path) -> tuple[Inventory, dict[str, str]]:
    """Return a host's inventory, and the GPT disk GUIDs by MAAS's disk ids that are saved with it.

    Raises InputError for a file that cannot be read, FormatError for one that is not an inventory.
    """
    try:
        text = read_file(path, largest=_LARGEST_INVENTORY, pipes=True).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path} is not text: byte {error.start} is not UTF-8.",
            "Name an inventory: a host's /bootbank/esxforge.inv.",
            str(path),
        ) from None
    return read_document(text)


def report_of_config(
    config: Any,
    found: Inventory | None,
    release: str,
    *,
    golden: bool = False,
    boot_mac: str = "",
    guids: Mapping[str, str] | None = None,
) -> Preview:
    """Return the report for a configuration already read. ``boot_mac`` is the NIC that boots from MAAS, if known.

    ``guids`` are the GPT disk GUIDs by MAAS's disk ids, if the inventory came with them.
    """
    try:
        desired = desired_host_from_config(config, boot_mac)
    except ValidationErrors as errors:
        return _refused(tuple(errors.reasons), found.release.version if found else release, found is None)
    guessed: tuple[str, ...] = ()
    if found is None:
        desired = stamped(desired)
    elif guids and any(guids.get(disk.id) for disk in desired.datastore_disks()):
        desired = desired.with_disk_guids(sorted(guids.items()))
    else:
        desired, guessed = _guessed_disks(desired, found)
    report = make_report(desired, found or assumed_inventory(desired, release), assumed=found is None)
    report = replace(report, notices=(*guessed, *report.notices))
    return replace(report, notices=(*report.notices, _SHARED_BY_CLONES)) if golden else report


def make_report(desired: DesiredHost, inventory: Inventory, *, assumed: bool) -> Preview:
    """Return the report for a desired host and an inventory."""
    layout, plan = layout_of(desired, inventory), make_plan(desired, inventory)
    used = {uplink for desired_vswitch in layout.vswitches for uplink in desired_vswitch.uplinks}
    named = {one.mac: one.name for one in desired.interfaces if one.kind == "physical"}
    return Preview(
        release=inventory.release.version,
        assumed=assumed,
        errors=plan.errors,
        notices=(assumptions(desired) if assumed else ()) + plan.notices,
        plan=plan,
        network=_network_rows(desired, layout, inventory),
        free_nics=tuple((nic.name, named.get(nic.mac, "")) for nic in inventory.nics if nic.name not in used),
        routes=tuple((route.destination, route.gateway) for route in layout.routes),
        name_servers=desired.name_servers,
        search_domains=desired.search_domains,
        disks=_disk_rows(desired, inventory),
        nics=tuple(
            NicRow(nic.name, named.get(nic.mac, ""), nic.mac, link_connected=None if assumed else nic.link_up)
            for nic in inventory.nics
        ),
    )


def document(report: Preview) -> dict[str, Any]:
    """Return the report as one JSON document."""
    return {
        "version": DOCUMENT_VERSION,
        "release": report.release,
        "assumed": report.assumed,
        "errors": list(report.errors),
        "notices": list(report.notices),
        "network": [vars(row) | {"nics": [list(nic) for nic in row.nics]} for row in report.network],
        "free_nics": [list(nic) for nic in report.free_nics],
        "nics": [vars(nic) for nic in report.nics],
        "routes": [{"destination": to, "gateway": gateway} for to, gateway in report.routes],
        "name_servers": list(report.name_servers),
        "search_domains": list(report.search_domains),
        "disks": [
            vars(row) | {"size": row.size or None, "parts": [vars(part) for part in row.parts]} for row in report.disks
        ],
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


def _refused(reasons: tuple[str, ...], release: str, assumed: bool) -> Preview:
    return Preview(release, assumed, reasons, (), Plan((), (), reasons), (), (), (), (), (), ())


def _guessed_disks(desired: DesiredHost, inventory: Inventory) -> tuple[DesiredHost, tuple[str, ...]]:
    """Return the desired host with disk GUIDs for an inventory that does not say which of MAAS's disks is which.

    Sizes of partitions decide, as the hook made them, then models. A remaining choice is reported.
    """
    guids = []
    guesses = []
    taken: set[str] = set()
    for disk in desired.datastore_disks():
        others = [one for one in inventory.devices if one.name not in taken and _has_partitions(desired, disk, one)]
        sized = [one for one in others if _has_partitions(desired, disk, one, sizes=True)] or others
        found = [one for one in sized if _same_model(disk.model, one)] or sized
        if not found:
            continue
        if len(found) > 1:
            guesses.append(f"{disk.name} is taken for {found[0].name}, and could be any of {_listed(found[1:])}")
        guids.append((disk.id, found[0].disk_guids[0]))
        taken.add(found[0].name)
    notices = tuple(
        f"The inventory does not say which disk is which: {guess}. The host itself knows." for guess in guesses
    )
    return desired.with_disk_guids(guids), notices


def _listed(devices: list[Device]) -> str:
    return ", ".join(device.name for device in devices)


def _has_partitions(desired: DesiredHost, disk: Disk, device: Device, *, sizes: bool = False) -> bool:
    """Return whether a device has the VMFS partitions of MAAS's disk, with ``sizes`` as large as MAAS says."""
    table = device.table
    if device.boot or table is None or not device.disk_guids:
        return False
    for partition in desired.vmfs_partitions(disk.id):
        entry = table.partition(partition.number)
        if entry is None:
            return False
        size = (entry.last - entry.first + 1) * table.sector_size
        if sizes and partition.size is not None and abs(size - partition.size) > _ROUNDED:
            return False
    return True


def _same_model(model: str, device: Device) -> bool:
    """Return whether Linux' name of a model is ESXi's: SCSI cuts it to 16 characters, and may prefix the vendor."""
    linux = _letters(model)
    if not linux:
        return True
    names = [_letters(device.model), _letters(device.vendor + device.model)]
    return any(name and (name.startswith(linux) or linux.startswith(name)) for name in names)


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _network_rows(desired: DesiredHost, layout: Layout, inventory: Inventory) -> tuple[NetworkRow, ...]:
    if not layout.vmks:
        return ()
    names = VmkPlanner(layout, inventory, Draft(), VSwitchPlanner(layout, inventory, Draft())).names
    by_vmnic = {nic.name: nic.mac for nic in inventory.nics}
    by_mac = {one.mac: one.name for one in desired.interfaces if one.kind == "physical"}
    vswitches = {desired_vswitch.name: desired_vswitch for desired_vswitch in layout.vswitches}
    vmks = {desired_vmk.port_group: desired_vmk for desired_vmk in layout.vmks}
    rows = []
    for port_group in layout.port_groups:
        desired_vswitch, desired_vmk = vswitches[port_group.vswitch], vmks.get(port_group.name)
        addresses: list[str] = []
        if desired_vmk is not None:
            addresses += (
                []
                if desired_vmk.address is None
                else [desired_vmk.address.cidr if desired_vmk.ipv4 == "static" else "DHCP"]
            )
            addresses += [address.cidr for address in desired_vmk.ipv6] + (["DHCPv6"] if desired_vmk.dhcp6 else [])
        rows.append(
            NetworkRow(
                interface=desired_vmk.interface if desired_vmk is not None else port_group.name,
                nics=tuple((by_mac.get(by_vmnic[uplink], ""), uplink) for uplink in desired_vswitch.uplinks),
                standby=desired_vswitch.team.standby,
                balancing=desired_vswitch.team.load_balancing,
                vswitch=desired_vswitch.name,
                vswitch_mtu=desired_vswitch.mtu,
                port_group=port_group.name,
                vlan_id=port_group.vlan_id,
                vmk=names.get(port_group.name, ""),
                mtu=desired_vmk.mtu if desired_vmk is not None else desired_vswitch.mtu,
                addresses=tuple(addresses),
                management=desired_vmk is not None and desired_vmk.management,
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


def _disk_rows(desired: DesiredHost, inventory: Inventory) -> tuple[DiskRow, ...]:
    rows = []
    for disk in (desired.boot_disk, *desired.datastore_disks()):
        found = [
            device
            for device in inventory.devices
            if (device.boot if disk.boot else bool(disk.disk_guid) and disk.disk_guid.lower() in device.disk_guids)
        ]
        device = found[0] if len(found) == 1 else None
        parts = []
        if device is not None and device.table is not None:
            for entry in sorted(device.table.partitions, key=lambda one: one.first):
                kind = _KINDS.get(entry.type_guid, "other")
                datastore, head = _datastore_at(desired, disk.id, entry.number, kind, disk.boot)
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


def _datastore_at(desired: DesiredHost, disk: str, number: int, kind: str, boot: bool) -> tuple[str, bool]:
    if boot:
        datastore = desired.boot_datastore()
        return (datastore.name, True) if datastore is not None and kind == "VMFS" else ("", False)
    for datastore in desired.datastores:
        for index, partition_id in enumerate(datastore.partitions):
            partition = desired.partition(partition_id)
            if (partition.disk, partition.number) == (disk, number):
                return datastore.name, index == 0
    return "", False

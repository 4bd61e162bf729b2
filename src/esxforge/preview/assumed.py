"""The assumed inventory of a fresh install, as far as a configuration determines it: for planning without a host.

Settings of the kickstart (NIC, VLAN, first address and gateway of management) are assumed done; names of disks are
unknown before ESXi runs, so they are in angle brackets. Sizes on the boot disk follow VMware's layouts (partedUtil
tables of 6.0, 7.0 and 8.0 hosts, tests/data/esxi/partedUtil-getptbl.txt).
"""

from __future__ import annotations

import uuid

from esxforge_target.contract.desired_host import NIC, STATIC, DesiredHost, Disk
from esxforge_target.contract.management import management_of, nics_of
from esxforge_target.inventory.model import (
    Device,
    Extent,
    FileSystem,
    InstalledRelease,
    Inventory,
    PartitionEntry,
    PartitionTable,
    PhysicalNic,
    PortGroup,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)
from esxforge_target.inventory.network import MANAGEMENT_PORT_GROUP
from esxforge_target.plan.commands import EVERYTHING
from esxforge_target.plan.storage import VMFS_TYPE

SECTOR = 512
MEBIBYTE = 1 << 20
LAST_SECTORS = 34
ESP = "C12A7328F81F11D2BA4B00A0C93EC93B"
BASIC = "EBD0A0A2B9E5443387C068B6B72699C7"
DIAGNOSTIC = "9D27538040AD11DBBF97000C2911D1B8"
VMFS_L = "4EB2EA3978554790A79EFAE495E21F8D"
# Number, first and last sector, type of what the installers of the two generations put before the datastore.
LAYOUT_6 = (
    (1, 64, 8191, ESP),
    (5, 8224, 520191, BASIC),
    (6, 520224, 1032191, BASIC),
    (7, 1032224, 1257471, DIAGNOSTIC),
    (8, 1257504, 1843199, BASIC),
    (9, 1843200, 7086079, DIAGNOSTIC),
    (2, 7086080, 15472639, BASIC),
)
LAYOUT_7 = ((1, 64, 204863, ESP), (5, 208896, 8595455, BASIC), (6, 8597504, 16984063, BASIC))
OSDATA_START = 16986112
OSDATA_END_DEFAULT = 268435455
# systemMediaSize=min, which the hook sets if a datastore would not fit otherwise.
OSDATA_END_MIN = 64454655
ROOM_FOR_DEFAULT = 142 * 1000**3


def stamped(desired: DesiredHost) -> DesiredHost:
    """Return the desired host with a stamp on each disk that needs one, as the hook would give it; deterministic."""
    missing = [disk for disk in desired.datastore_disks() if not disk.disk_guid]
    return desired.with_disk_guids([(disk.id, str(uuid.uuid5(uuid.NAMESPACE_OID, disk.id))) for disk in missing])


def assumed_inventory(desired: DesiredHost, version: str = "8.0.3") -> Inventory:
    """Return a fresh install of ``version`` on the hardware that ``desired`` names (after ``stamped``)."""
    nics = {one.name: number for number, one in enumerate(one for one in desired.interfaces if one.kind == NIC)}
    management = management_of(desired)
    assert management is not None, "a desired host has a management interface"  # noqa: S101
    nic = nics_of(desired, management.interface)[0]
    vmnic = f"vmnic{nics[nic.name]}"
    address = management.address
    static = address.kind == STATIC and address.version == 4
    boot, extents, file_systems = _boot_device(desired, version)
    return Inventory(
        InstalledRelease(version, ""),
        tuple(
            PhysicalNic(f"vmnic{number}", desired.interface(name).mac, "", True, 1500) for name, number in nics.items()
        ),
        (VSwitch("vSwitch0", 1500, (vmnic,), Team("portid", (vmnic,), ())),),
        (PortGroup(MANAGEMENT_PORT_GROUP, "vSwitch0", management.interface.vlan_id),),
        (
            Vmk(
                "vmk0",
                nic.mac,
                MANAGEMENT_PORT_GROUP,
                ipv4="static" if static else "dhcp",
                address=address.address if static else "",
                prefix_length=address.prefix_length if static else 0,
                dhcp_dns=not static,
                router_advertisements=True,
                tags=("Management",),
            ),
        ),
        _routes(address.gateway if static else ""),
        devices=(boot, *(_data_device(desired, disk) for disk in desired.datastore_disks())),
        extents=extents,
        file_systems=file_systems,
        boot_bank_device=boot.name,
    )


def assumptions(desired: DesiredHost) -> tuple[str, ...]:
    """Return the assumptions, in sentences."""
    disks = ", ".join(f"<{disk.name}>" for disk in (desired.boot_disk, *desired.datastore_disks()))
    sizes = "Sizes on the boot disk are estimates."
    if not any(one.disk == desired.boot_disk.id for one in desired.partitions):
        sizes = "MAAS's layout does not say how large the boot disk is, so what ESXi makes on it is not shown."
    return (
        (
            "No inventory is given: a fresh install is assumed, with the NICs in MAAS's order as vmnic0, vmnic1 and so "
            "on, and with vmk0 as the kickstart sets it up."
        ),
        f"ESXi's disk names are not known yet: placeholders are used for {disks}. {sizes}",
    )


def _routes(gateway: str) -> tuple[RouteEntry, ...]:
    if gateway:
        return (RouteEntry(EVERYTHING[4], gateway, "vmk0", "MANUAL"),)
    # A lease may bring a gateway; which one is not known, and nothing in the plan depends on it.
    return ()


def _size(desired: DesiredHost, disk: Disk) -> int:
    """Return at least what its partitions take, in whole MiB."""
    parts = [one for one in desired.partitions if one.disk == disk.id]
    total = sum(one.size or 0 for one in parts) + 8 * MEBIBYTE
    return max(-(-total // MEBIBYTE) * MEBIBYTE, 8 * MEBIBYTE)


def _data_device(desired: DesiredHost, disk: Disk) -> Device:
    size = _size(desired, disk)
    entries = []
    first = MEBIBYTE // SECTOR
    for partition in desired.vmfs_partitions(disk.id):
        sectors = max((partition.size or size) // MEBIBYTE, 1) * (MEBIBYTE // SECTOR)
        last = min(first + sectors - 1, size // SECTOR - LAST_SECTORS)
        entries.append(PartitionEntry(partition.number, first, last, VMFS_TYPE))
        first = -(-(last + 1) * SECTOR // MEBIBYTE) * (MEBIBYTE // SECTOR)
    table = PartitionTable("gpt", size // SECTOR, SECTOR, size // SECTOR - LAST_SECTORS, tuple(entries))
    return Device(
        f"<{disk.name}>",
        f"/vmfs/devices/disks/<{disk.name}>",
        size,
        model=disk.model,
        disk_guids=(disk.disk_guid.lower(),),
        table=table,
    )


def _boot_device(desired: DesiredHost, version: str) -> tuple[Device, tuple[Extent, ...], tuple[FileSystem, ...]]:
    disk = desired.boot_disk
    name = f"<{disk.name}>"
    if not any(one.disk == disk.id for one in desired.partitions):
        # MAAS's blank layout gives no size of the disk, so the size of ESXi's partitions on it is unknown.
        return Device(name, f"/vmfs/devices/disks/{name}", 0, model=disk.model, boot=True), (), ()
    size = max(_size(desired, disk), 8 << 30)
    sectors = size // SECTOR
    last = sectors - LAST_SECTORS
    if int(version.split(".", maxsplit=1)[0]) < 7:
        entries = [PartitionEntry(*one) for one in LAYOUT_6]
        number, first = 3, 15472640
    else:
        entries = [PartitionEntry(*one) for one in LAYOUT_7]
        end = OSDATA_END_DEFAULT if size >= ROOM_FOR_DEFAULT else OSDATA_END_MIN
        wants_room = desired.boot_datastore() is not None
        end = end if size >= ROOM_FOR_DEFAULT or (wants_room and end + (4 << 30) // SECTOR < last) else last
        if last > OSDATA_START:
            entries.append(PartitionEntry(7, OSDATA_START, min(end, last), VMFS_L))
        number, first = 8, -(-(min(end, last) + 1) // 2048) * 2048
    extents: tuple[Extent, ...] = ()
    file_systems: tuple[FileSystem, ...] = ()
    if last - first > (4 << 30) // SECTOR:
        entries.append(PartitionEntry(number, first, last, VMFS_TYPE))
        volume = "assumed-datastore1"
        room = (last - first + 1) * SECTOR
        extents = (Extent("datastore1", volume, 0, name, number),)
        file_systems = (FileSystem("datastore1", volume, f"/vmfs/volumes/{volume}", "VMFS-6", True, room, room),)
    device = Device(
        name,
        f"/vmfs/devices/disks/{name}",
        size,
        model=disk.model,
        boot=True,
        table=PartitionTable("gpt", sectors, SECTOR, last, tuple(entries)),
    )
    return device, extents, file_systems

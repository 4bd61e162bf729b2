"""Read a host's storage: disks with their stamps, partitions of relevant disks, datastores, file systems."""

from typing import Dict, Iterable, Optional, Set, Tuple

from esxforge_target.esxi.banks import query
from esxforge_target.esxi.esxcli import Esxcli
from esxforge_target.inventory.disk_identities import DEVICES
from esxforge_target.inventory.model import Device, Extent, FileSystem, PartitionEntry, PartitionTable
from esxforge_target.runtime.commands import Runner
from esxforge_target.runtime.numbers import is_whole

MEBIBYTE = 1 << 20
_LABELS = ("gpt", "msdos", "unknown")


def read_devices(
    runner: Runner,
    esxcli: Esxcli,
    stamps: Dict[str, Tuple[str, ...]],
    desired_stamps: Iterable[str],
    boot_bank_device: str = "",
) -> Tuple[Device, ...]:
    """Return the disks. Partition tables are read for the boot disk (that of the running bank, if ESXi names none) and
    for disks that carry one of ``desired_stamps``.
    """
    sought = {stamp.lower() for stamp in desired_stamps}
    devices = []
    names = set()  # type: Set[str]
    for record in esxcli.records("storage core device list"):
        if record.optional("devicetype") not in ("", "Direct-Access"):
            continue
        name = record.optional("device", "name") or record.name("devfspath").rpartition("/")[2]
        if name in names:
            raise record.unreadable("devfspath", "names {} twice".format(name))
        names.add(name)
        device = Device(
            name,
            record.optional("devfspath") or "{}/{}".format(DEVICES, name),
            record.number("size") * MEBIBYTE,
            record.optional("vendor"),
            record.optional("model"),
            record.truth("isbootdevice"),
            record.optional("islocal").lower() == "true",
            record.optional("isssd").lower() == "true",
            stamps.get(name, ()),
        )
        if device.boot or name == boot_bank_device or sought.intersection(device.disk_guids):
            device = device.replace(table=read_table(runner, device, device.boot or name == boot_bank_device))
        devices.append(device)
    return tuple(devices)


def read_table(runner: Runner, device: Device, boot: bool) -> Optional[PartitionTable]:
    """Return the partition table of a disk, None if partedUtil reads none.

    Its usable end is queried for the ``boot`` disk alone: partitions of other disks are never made or grown on ESXi.
    """
    listing = runner.run(["partedUtil", "getptbl", device.path])
    if listing.status != 0:
        return None
    usable = runner.run(["partedUtil", "getUsableSectors", device.path]) if boot else None
    return parse_table(listing.stdout, usable.stdout if usable and usable.status == 0 else "", device.size)


def parse_table(listing: str, usable: str, size: int) -> Optional[PartitionTable]:
    """Parse the output of ``partedUtil getptbl`` and ``getUsableSectors``; ``size`` of the disk in bytes.

    Shape (tests/data/esxi/partedUtil-getptbl.txt): the label, then cylinders, heads, sectors a track and all sectors,
    then a line for each partition: number, first, last, type GUID, type name, attribute. None if a line of numbers
    is none of these: a partition that is overlooked would count as free room.
    """
    lines = [line.split() for line in listing.splitlines() if line.strip()]
    lines = [line for line in lines if is_whole(line[0]) or line[0] in _LABELS]
    if len(lines) < 2 or len(lines[0]) != 1 or len(lines[1]) != 4 or not is_whole(lines[1][3]):
        return None
    sectors = int(lines[1][3])
    if not all(len(line) >= 4 and all(is_whole(word) for word in line[:3]) for line in lines[2:]):
        return None
    partitions = [PartitionEntry(int(line[0]), int(line[1]), int(line[2]), line[3].upper()) for line in lines[2:]]
    sector_size = 4096 if sectors and size // sectors >= 2048 else 512
    words = usable.split()
    entries = -(-16384 // sector_size)
    last = int(words[1]) if len(words) == 2 and is_whole(words[1]) else sectors - 2 - entries
    return PartitionTable(lines[0][0], sectors, sector_size, last, tuple(partitions))


def read_extents(esxcli: Esxcli) -> Tuple[Extent, ...]:
    """Return the extents of all VMFS datastores."""
    return tuple(
        Extent(
            record.text("volumename"),
            record.name("vmfsuuid"),
            record.number("extentnumber"),
            record.name("devicename"),
            record.number("partition"),
        )
        for record in esxcli.records("storage vmfs extent list")
    )


def read_file_systems(esxcli: Esxcli) -> Tuple[FileSystem, ...]:
    """Return all file systems that the host knows."""
    return tuple(
        FileSystem(
            record.text("volumename"),
            record.text("uuid"),
            record.optional("mountpoint"),
            record.optional("type"),
            record.optional("mounted").lower() == "true",
            record.number("size"),
            record.number("free") if record.optional("free") else 0,
        )
        for record in esxcli.records("storage filesystem list")
    )


def read_boot_bank_device(runner: Runner) -> str:
    """Return the disk of the running boot bank; empty if ``vmkfstools -P`` does not give it."""
    spanned = query(runner, "/bootbank")
    return spanned.partitions[0][0] if spanned is not None else ""

"""GPT labels on the files that are the disks, for partedUtil and the installer's tables.

Written for the fake alone, apart from the product's own code for GPT, so that neither hides the other's mistakes; the
tests hold it against sgdisk. Layout: UEFI 2.10, chapter 5.
"""

import struct
import uuid
import zlib
from typing import Any, Dict, List, Optional, Tuple

ENTRIES = 128
ENTRY_BYTES = 128
HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
ENTRY = struct.Struct("<16s16sQQQ72s")

TYPE_NAMES = {
    "C12A7328F81F11D2BA4B00A0C93EC93B": "systemPartition",
    "EBD0A0A2B9E5443387C068B6B72699C7": "linuxNative",
    "9D27538040AD11DBBF97000C2911D1B8": "vmkDiagnostic",
    "4EB2EA3978554790A79EFAE495E21F8D": "vmfsl",
    "AA31E02A400F11DB9590000C2911D1B8": "vmfs",
}
VMFS = "AA31E02A400F11DB9590000C2911D1B8"
VMFSL = "4EB2EA3978554790A79EFAE495E21F8D"


class LabelError(Exception):
    """There is no label, or a broken one; ``backup_only`` says that its copy at the end is not where it should be."""

    def __init__(self, message: str, backup: bool = False) -> None:
        super().__init__(message)
        self.backup = backup


class Partition:
    """One partition; sectors, both included. ``type`` is the GUID as partedUtil prints it."""

    def __init__(self, number: int, first: int, last: int, kind: str, attribute: int = 0, name: str = "") -> None:
        self.number = number
        self.first = first
        self.last = last
        self.type = kind.replace("-", "").upper()
        self.attribute = attribute
        self.name = name
        self.guid = str(uuid.uuid4())


class Label:
    """A GPT: the disk's GUID and its partitions by number."""

    def __init__(self, sectors: int, sector_size: int = 512, guid: Optional[str] = None) -> None:
        self.sectors = sectors
        self.sector_size = sector_size
        self.guid = guid or str(uuid.uuid4())
        self.partitions: Dict[int, Partition] = {}

    @property
    def usable(self) -> Tuple[int, int]:
        """The first and the last sector that partitions may use."""
        table = -(-ENTRIES * ENTRY_BYTES // self.sector_size)
        return 2 + table, self.sectors - 2 - table

    def in_order(self) -> List[Partition]:
        """By their place on the disk, as partedUtil lists them."""
        return sorted(self.partitions.values(), key=lambda one: one.first)

    def add(self, partition: Partition) -> None:
        self.partitions[partition.number] = partition


def size_of(path: str) -> int:
    with open(path, "rb") as stream:
        return stream.seek(0, 2)


def read_label(path: str, sector_size: int = 512) -> Label:
    """The label of a disk. Raises LabelError."""
    sectors = size_of(path) // sector_size
    with open(path, "rb") as stream:
        stream.seek(sector_size)
        data = stream.read(sector_size)
        header = _header(data)
        if header is None:
            raise LabelError("no GPT")
        stream.seek(header[10] * sector_size)
        entries = stream.read(header[11] * header[12])
        if zlib.crc32(entries) & 0xFFFFFFFF != header[13]:
            raise LabelError("the primary GPT's entries are damaged")
        stream.seek((sectors - 1) * sector_size)
        copy = _header(stream.read(sector_size))
    if header[6] != sectors - 1 or copy is None:
        raise LabelError("the backup GPT is not at the end of the disk", backup=True)
    return _label(header, entries, sectors, sector_size)


def repair(path: str, sector_size: int = 512) -> Label:
    """The primary label, put back whole at both ends (partedUtil fixGpt). Raises LabelError if there is none."""
    label = read_primary(path, sector_size)
    write_label(path, label)
    return label


def read_primary(path: str, sector_size: int = 512) -> Label:
    """The label at the start of a disk, wherever its copy may be. Raises LabelError if there is none."""
    sectors = size_of(path) // sector_size
    with open(path, "rb") as stream:
        stream.seek(sector_size)
        header = _header(stream.read(sector_size))
        if header is None:
            raise LabelError("no GPT")
        stream.seek(header[10] * sector_size)
        entries = stream.read(header[11] * header[12])
    return _label(header, entries, sectors, sector_size)


def _header(data: bytes) -> Optional[Tuple[Any, ...]]:
    if len(data) < HEADER.size or data[:8] != b"EFI PART":
        return None
    values = HEADER.unpack_from(data)
    size = values[2]
    if not HEADER.size <= size <= len(data):
        return None
    blank = data[:16] + bytes(4) + data[20:size]
    return values if zlib.crc32(blank) & 0xFFFFFFFF == values[3] else None


def _label(header: Tuple[Any, ...], entries: bytes, sectors: int, sector_size: int) -> Label:
    guid: bytes = header[9]
    label = Label(sectors, sector_size, str(uuid.UUID(bytes_le=guid)))
    for number in range(header[11]):
        kind, unique, first, last, attributes, name = ENTRY.unpack_from(entries, number * header[12])
        if kind != bytes(16):
            partition = Partition(number + 1, first, last, uuid.UUID(bytes_le=kind).hex, attributes)
            partition.guid = str(uuid.UUID(bytes_le=unique))
            partition.name = name.decode("utf-16-le").split("\0")[0]
            label.add(partition)
    return label


def write_label(path: str, label: Label) -> None:
    """Protective MBR, both headers, both tables."""
    entries = bytearray(ENTRIES * ENTRY_BYTES)
    for one in label.partitions.values():
        name = one.name.encode("utf-16-le").ljust(72, b"\0")
        identity = uuid.UUID(one.type).bytes_le, uuid.UUID(one.guid).bytes_le
        ENTRY.pack_into(entries, (one.number - 1) * ENTRY_BYTES, *identity, one.first, one.last, one.attribute, name)
    size, last = label.sector_size, label.sectors - 1
    table = len(entries) // size + (1 if len(entries) % size else 0)
    with open(path, "r+b") as stream:
        stream.seek(446)
        stream.write(struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, min(last, 0xFFFFFFFF)))
        stream.write(bytes(48) + b"\x55\xaa")
        for here, other, at in ((1, last, 2), (last, 1, last - table)):
            stream.seek(at * size)
            stream.write(bytes(entries))
            stream.seek(here * size)
            stream.write(_packed(label, bytes(entries), here, other, at).ljust(size, b"\0"))


def _packed(label: Label, entries: bytes, here: int, other: int, table: int) -> bytes:
    first, last = label.usable
    guid = uuid.UUID(label.guid).bytes_le
    crc = zlib.crc32(entries) & 0xFFFFFFFF
    fields = (here, other, first, last, guid, table, ENTRIES, ENTRY_BYTES, crc)
    bare = HEADER.pack(b"EFI PART", 0x10000, HEADER.size, 0, 0, *fields)
    return HEADER.pack(b"EFI PART", 0x10000, HEADER.size, zlib.crc32(bare) & 0xFFFFFFFF, 0, *fields)


def erase(path: str, sector_size: int = 512) -> None:
    """Take every trace of a label away."""
    sectors = size_of(path) // sector_size
    with open(path, "r+b") as stream:
        for at in (0, (sectors - 34) * sector_size):
            stream.seek(at)
            stream.write(bytes(34 * sector_size))

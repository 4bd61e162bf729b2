"""Parsing GUID partition tables: one copy, a header and its entries, from bytes. Facts: see ``gpt``."""

import uuid
import zlib

from esxforge_target.formats.gpt import (
    ENTRY,
    ENTRY_BYTES,
    HEADER,
    MOST_ENTRIES,
    NO_GUID,
    REVISION,
    SIGNATURE,
    GptPartition,
    Table,
)
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value


class Header(Value):
    """A header as it is on a disk, its own CRC already found right."""

    __slots__ = (
        "which",
        "my_lba",
        "alternate_lba",
        "first_usable_lba",
        "last_usable_lba",
        "disk_guid",
        "entries_lba",
        "entry_count",
        "entries_crc",
        "header_crc",
    )

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        which: str,
        my_lba: int,
        alternate_lba: int,
        first_usable_lba: int,
        last_usable_lba: int,
        disk_guid: uuid.UUID,
        entries_lba: int,
        entry_count: int,
        entries_crc: int,
        header_crc: int,
    ) -> None:
        self.which = which
        self.my_lba = my_lba
        self.alternate_lba = alternate_lba
        self.first_usable_lba = first_usable_lba
        self.last_usable_lba = last_usable_lba
        self.disk_guid = disk_guid
        self.entries_lba = entries_lba
        self.entry_count = entry_count
        self.entries_crc = entries_crc
        self.header_crc = header_crc

    def entries_bytes(self) -> int:
        """Length of the entries on the disk in bytes, without padding."""
        return int(self.entry_count) * ENTRY_BYTES


def parse_header(sector: bytes, lba: int, which: str) -> Header:
    """Read the header in ``sector``, which is at ``lba``; ``which`` ("primary", "backup") is for messages.

    Raises FormatError that says which header, which LBA and what was found there.
    """

    def wrong(what: str) -> FormatError:
        return FormatError(
            "The {} GPT header at LBA {} is invalid: {}.".format(which, lba, what),
            "Is this a complete GPT disk, and is its sector size right?",
        )

    if len(sector) < HEADER.size:
        raise wrong("only {} bytes are there".format(len(sector)))
    (signature, revision, size, header_crc, _, my_lba, alternate, first, last, guid, entries_lba, count, entry, crc) = (
        HEADER.unpack_from(sector)
    )
    if signature != SIGNATURE:
        raise wrong("it does not begin with “EFI PART”")
    if revision >> 16 != 1:
        raise wrong("its revision is {:#x}, known is {:#x}".format(revision, REVISION))
    if not HEADER.size <= size <= len(sector):
        raise wrong("it says that it is {} bytes long".format(size))
    counted = zlib.crc32(sector[:16] + b"\0\0\0\0" + sector[20:size]) & 0xFFFFFFFF
    if counted != header_crc:
        raise wrong("its CRC-32 is {:08x}, it says {:08x}".format(counted, header_crc))
    if my_lba != lba:
        raise wrong("it says that it is at LBA {}".format(my_lba))
    if entry != ENTRY_BYTES:
        raise wrong("its entries are {} bytes each, only {} are known".format(entry, ENTRY_BYTES))
    if not 1 <= count <= MOST_ENTRIES:
        raise wrong("it has {} entries, at most {} make sense".format(count, MOST_ENTRIES))
    if alternate == lba:
        raise wrong("it says that the other header is at LBA {} too".format(alternate))
    return Header(which, my_lba, alternate, first, last, uuid.UUID(bytes_le=guid), entries_lba, count, crc, header_crc)


def parse_table(header: Header, entries: bytes, sector_size: int) -> Table:
    """The table of a header and its entries. Raises FormatError for a wrong CRC, bounds and overlaps."""
    entries = entries[: header.entries_bytes()]
    counted = zlib.crc32(entries) & 0xFFFFFFFF
    if len(entries) < header.entries_bytes() or counted != header.entries_crc:
        raise FormatError(
            "The {} GPT entries at LBA {} are no good: CRC-32 is {:08x}, their header (LBA {}) says {:08x}.".format(
                header.which, header.entries_lba, counted, header.my_lba, header.entries_crc
            )
        )
    total_sectors = max(header.my_lba, header.alternate_lba) + 1
    partitions = []
    for index in range(header.entry_count):
        raw = entries[index * ENTRY_BYTES : (index + 1) * ENTRY_BYTES]
        if raw[:16] != NO_GUID:
            partitions.append((index + 1, _parse_partition(raw)))
    try:
        return Table(
            header.disk_guid,
            sector_size,
            total_sectors,
            header.first_usable_lba,
            header.last_usable_lba,
            partitions,
            header.entry_count,
        )
    except FormatError as error:
        raise FormatError("In the {} GPT at LBA {}: {}".format(header.which, header.my_lba, error.message), error.hint)


def _parse_partition(raw: bytes) -> GptPartition:
    type_guid, guid, first, last, attributes, name = ENTRY.unpack(raw)
    text = name.decode("utf-16-le", "surrogatepass").split("\0", 1)[0]
    return GptPartition(uuid.UUID(bytes_le=type_guid), uuid.UUID(bytes_le=guid), first, last, text, attributes)

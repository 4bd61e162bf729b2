"""The slots of FAT directories: entries from bytes, and bytes for entries. Facts: see ``fat_names``."""

import datetime
import struct
from typing import List, Tuple

from esxforge_target.formats.fat_names import (
    LONG_NAME,
    SLOT_BYTES,
    LongNameReader,
    long_slots,
    packed_short,
    unpacked_short,
)
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

VOLUME_LABEL = 0x08
DIRECTORY = 0x10
ARCHIVE = 0x20

FREE = 0xE5
END = 0x00
# 2 MiB: what FAT allows in a directory.
MOST_SLOTS = 65536

# name, attributes, case, creation tenths, creation time and date, access date, high cluster, write time and date, low
# cluster, size
_SLOT = struct.Struct("<11sBBBHHHHHHHI")


class DirectoryEntry(Value):
    """A file or directory. ``size`` in bytes; ``cluster`` is 0 for an empty file.

    ``first_slot`` is the slot in its directory at which its long name (or it itself) begins, ``slot`` its own.
    """

    __slots__ = ("name", "short_name", "attributes", "cluster", "size", "first_slot", "slot")

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self, name: str, short_name: str, attributes: int, cluster: int, size: int, first_slot: int, slot: int
    ) -> None:
        self.name = name
        self.short_name = short_name
        self.attributes = attributes
        self.cluster = cluster
        self.size = size
        self.first_slot = first_slot
        self.slot = slot

    @property
    def is_directory(self) -> bool:
        """True for a directory."""
        return bool(self.attributes & DIRECTORY)


def parse_entries(data: bytes) -> "List[DirectoryEntry]":
    """The files and directories in a directory's bytes, without ".", ".." and volume labels.

    Raises FormatError for names that no path can say, as a damaged directory has them.
    """
    entries = []  # type: List[DirectoryEntry]
    reader = LongNameReader()
    for slot in range(len(data) // SLOT_BYTES):
        raw = data[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES]
        if raw[0] == END:
            break
        if raw[0] == FREE:
            reader.forget()
        elif raw[11] & 0x3F == LONG_NAME:
            reader.add(raw)
        elif raw[11] & VOLUME_LABEL or raw[:2] in (b". ", b".."):
            reader.forget()
        else:
            entries.append(_parse_slot(raw, slot, reader))
    return entries


def _parse_slot(raw: bytes, slot: int, reader: LongNameReader) -> DirectoryEntry:
    short, attributes, case, _, _, _, _, high, _, _, low, size = _SLOT.unpack(raw)
    long_count = reader.count()
    long_name = reader.name_for(short)
    short_name = unpacked_short(short)
    name = long_name or unpacked_short(short, case)
    if not short_name or "/" in name or "\0" in name:
        raise FormatError("The FAT volume is damaged: a directory has an entry named {!r}.".format(name))
    first_slot = slot - long_count if long_name else slot
    return DirectoryEntry(name, short_name, attributes, high << 16 | low, size, first_slot, slot)


def dos_time(when: datetime.datetime) -> "Tuple[int, int]":
    """(date, time) as FAT has them: 1980 to 2107, in steps of two seconds, in no time zone.

    Raises FormatError for other years.
    """
    if not 1980 <= when.year <= 2107:
        raise FormatError("FAT cannot hold the year {}: 1980 to 2107 it can.".format(when.year))
    return (when.year - 1980) << 9 | when.month << 5 | when.day, when.hour << 11 | when.minute << 5 | when.second // 2


def packed_slot(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
    short: bytes, attributes: int, cluster: int, size: int, date: int, time: int
) -> bytes:
    """One slot of 32 bytes; ``short`` is 11 bytes."""
    high, low = cluster >> 16, cluster & 0xFFFF
    return _SLOT.pack(short, attributes, 0, 0, time, date, date, high, time, date, low, size)


def dot_slots(cluster: int, parent: int, date: int, time: int) -> bytes:
    """The "." and ".." that begin a directory; ``parent`` is 0 when that is the root, on FAT32 too."""
    own = packed_slot(b".".ljust(11), DIRECTORY, cluster, 0, date, time)
    return own + packed_slot(b"..".ljust(11), DIRECTORY, parent, 0, date, time)


def named_slots(name: str, short_name: str, rest: bytes) -> bytes:
    """All slots of an entry: those of the long name where one is needed, then ``rest``, its own slot."""
    if name == short_name:
        return rest
    return long_slots(name, packed_short(short_name)) + rest

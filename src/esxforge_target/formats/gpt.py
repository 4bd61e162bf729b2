"""GUID partition tables: parse, serialise, and change without side effects.

Facts: UEFI Specification 2.10, chapter 5 (protective MBR 5.2.3, header 5.3.2, entries 5.3.3); GUIDs stand mixed-endian
on the disk (appendix A). Partition types of VMware: its partedUtil, and what its installers leave on disks.
"""

import struct
import uuid
import zlib
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

EFI_SYSTEM = uuid.UUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
BASIC_DATA = uuid.UUID("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
VMFS = uuid.UUID("AA31E02A-400F-11DB-9590-000C2911D1B8")
VMFS_L = uuid.UUID("4EB2EA39-7855-4790-A79E-FAE495E21F8D")
VMK_DIAGNOSTIC = uuid.UUID("9D275380-40AD-11DB-BF97-000C2911D1B8")

SECTOR_SIZES = (512, 4096)
ENTRY_BYTES = 128
NAME_UNITS = 36
# More than anything writes; a header that says so is damaged, and reading on would only waste memory.
MOST_ENTRIES = 1024

SIGNATURE = b"EFI PART"
REVISION = 0x00010000
# signature, revision, header size, header CRC, reserved, my LBA, alternate LBA, first usable, last usable, disk GUID,
# entries LBA, number of entries, size of an entry, CRC of the entries
HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
ENTRY = struct.Struct("<16s16sQQQ72s")
NO_GUID = b"\0" * 16


class GptPartition(Value):
    """One partition. LBAs count sectors of the disk and both ends are included; ``attributes`` is a 64-bit number."""

    __slots__ = ("type_guid", "guid", "first_lba", "last_lba", "name", "attributes")

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        type_guid: uuid.UUID,
        guid: uuid.UUID,
        first_lba: int,
        last_lba: int,
        name: str = "",
        attributes: int = 0,
    ) -> None:
        self.type_guid = type_guid
        self.guid = guid
        self.first_lba = first_lba
        self.last_lba = last_lba
        self.name = name
        self.attributes = attributes

    @property
    def sectors(self) -> int:
        """Length in sectors."""
        return self.last_lba - self.first_lba + 1


class Table(Value):
    """A whole partition table. ``partitions`` is a tuple of (number, GptPartition), sorted; numbers may have gaps.

    Raises FormatError when made with partitions that overlap, lie outside the usable sectors or have no entry.
    """

    __slots__ = (
        "disk_guid",
        "sector_size",
        "total_sectors",
        "first_usable_lba",
        "last_usable_lba",
        "partitions",
        "entry_count",
    )

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        disk_guid: uuid.UUID,
        sector_size: int,
        total_sectors: int,
        first_usable_lba: int,
        last_usable_lba: int,
        partitions: "Iterable[Tuple[int, GptPartition]]" = (),
        entry_count: int = 128,
    ) -> None:
        self.disk_guid = disk_guid
        self.sector_size = sector_size
        self.total_sectors = total_sectors
        self.first_usable_lba = first_usable_lba
        self.last_usable_lba = last_usable_lba
        self.partitions = tuple(sorted(partitions, key=_number_of))
        self.entry_count = entry_count
        _check_table(self)

    @classmethod
    def empty(cls, disk_guid: uuid.UUID, sector_size: int, total_sectors: int) -> "Table":
        """A table without partitions, for a disk of ``total_sectors`` sectors of ``sector_size`` bytes."""
        reserved = 1 + entry_sectors(128, sector_size)
        return cls(disk_guid, sector_size, total_sectors, 1 + reserved, total_sectors - 1 - reserved)

    # -- looking ------------------------------------------------------------------------------------------------

    def by_number(self) -> "Dict[int, GptPartition]":
        """The partitions by their number, which counts from 1."""
        return dict(self.partitions)

    def partition(self, number: int) -> GptPartition:
        """Return the partition with this number. Raises FormatError if there is none."""
        for found, partition in self.partitions:
            if found == number:
                return partition
        numbers = ", ".join(str(found) for found, _ in self.partitions) or "none"
        raise FormatError("The disk has no partition {} (it has: {}).".format(number, numbers))

    def byte_range(self, number: int) -> "Tuple[int, int]":
        """(offset on the disk, length) of a partition in bytes."""
        partition = self.partition(number)
        return partition.first_lba * self.sector_size, partition.sectors * self.sector_size

    @property
    def backup_offset(self) -> int:
        """The byte on the disk at which ``backup_bytes`` belongs."""
        return (self.total_sectors - 1 - entry_sectors(self.entry_count, self.sector_size)) * self.sector_size

    # -- changing: each gives a new table -----------------------------------------------------------------------

    def with_partition(self, number: int, partition: GptPartition) -> "Table":
        """The table with one partition added, or another one in its place."""
        others = [(found, other) for found, other in self.partitions if found != number]
        return self.replace(partitions=others + [(number, partition)])

    def without_partition(self, number: int) -> "Table":
        """Return the table without a partition. Raises FormatError if there is none of this number."""
        self.partition(number)
        return self.replace(partitions=[pair for pair in self.partitions if pair[0] != number])

    def grown_to(self, total_sectors: int) -> "Table":
        """The table for a disk of another size: the backup goes to its real end.

        Raises FormatError when a partition would no longer fit.
        """
        last_usable = total_sectors - 2 - entry_sectors(self.entry_count, self.sector_size)
        return self.replace(total_sectors=total_sectors, last_usable_lba=last_usable)

    def with_new_guids(self, new_guid: "Callable[[], uuid.UUID]") -> "Table":
        """The same layout with a new GUID for the disk, then for each partition in the order of numbers."""
        disk_guid = new_guid()
        renewed = [(number, partition.replace(guid=new_guid())) for number, partition in self.partitions]
        return self.replace(disk_guid=disk_guid, partitions=renewed)

    # -- writing ------------------------------------------------------------------------------------------------

    def primary_bytes(self, old_mbr: bytes = b"") -> bytes:
        """Protective MBR, primary header and entries: what belongs at byte 0; ``old_mbr`` as in ``protective_mbr``."""
        entries = self._entries()
        mbr = protective_mbr(self.total_sectors, self.sector_size, old_mbr)
        return mbr + self._header(entries, 1, self.total_sectors - 1, 2) + entries

    def backup_bytes(self) -> bytes:
        """Entries and backup header: what belongs at byte ``backup_offset``, the last sectors of the disk."""
        entries = self._entries()
        return entries + self._header(entries, self.total_sectors - 1, 1, self.backup_offset // self.sector_size)

    def _entries(self) -> bytes:
        size = entry_sectors(self.entry_count, self.sector_size) * self.sector_size
        entries = bytearray(size)
        for number, partition in self.partitions:
            ENTRY.pack_into(
                entries,
                (number - 1) * ENTRY_BYTES,
                partition.type_guid.bytes_le,
                partition.guid.bytes_le,
                partition.first_lba,
                partition.last_lba,
                partition.attributes,
                _encoded_name(partition.name),
            )
        return bytes(entries)

    def _header(self, entries: bytes, my_lba: int, alternate_lba: int, entries_lba: int) -> bytes:
        crc = zlib.crc32(entries[: self.entry_count * ENTRY_BYTES]) & 0xFFFFFFFF

        def packed(header_crc: int) -> bytes:
            return HEADER.pack(
                SIGNATURE,
                REVISION,
                HEADER.size,
                header_crc,
                0,
                my_lba,
                alternate_lba,
                self.first_usable_lba,
                self.last_usable_lba,
                self.disk_guid.bytes_le,
                entries_lba,
                self.entry_count,
                ENTRY_BYTES,
                crc,
            )

        return packed(zlib.crc32(packed(0)) & 0xFFFFFFFF).ljust(self.sector_size, b"\0")


def protective_mbr(total_sectors: int, sector_size: int, old: bytes = b"") -> bytes:
    """The first sector: one MBR partition of type EE over the whole disk, so that old tools leave it alone.

    ``old`` is the sector as it is now: when it is a protective MBR already, its boot code, disk signature and flags
    stay, as a BIOS may start from them, and only the size is mended.
    """
    covered = struct.pack("<I", min(total_sectors - 1, 0xFFFFFFFF))
    if len(old) >= 512 and old[510:512] == b"\x55\xaa":
        for entry in range(446, 510, 16):
            if old[entry + 4] == 0xEE:
                return old[: entry + 12] + covered + old[entry + 16 : sector_size]
    sector = bytearray(sector_size)
    # status, first CHS (0/0/2), type, last CHS (past what CHS can say), first LBA; UEFI 2.10, table 5.4
    sector[446:462] = b"\x00\x00\x02\x00\xee\xff\xff\xff" + struct.pack("<I", 1) + covered
    sector[510:512] = b"\x55\xaa"
    return bytes(sector)


def _encoded_name(name: str) -> bytes:
    return name.encode("utf-16-le", "surrogatepass").ljust(2 * NAME_UNITS, b"\0")


def entry_sectors(entry_count: int, sector_size: int) -> int:
    return -(-entry_count * ENTRY_BYTES // sector_size)


def _number_of(pair: "Tuple[int, GptPartition]") -> int:
    return pair[0]


def _check_table(table: Table) -> None:
    if table.sector_size not in SECTOR_SIZES:
        raise FormatError("A sector size of {} bytes is not supported: 512 and 4096 are.".format(table.sector_size))
    if not 1 <= table.entry_count <= MOST_ENTRIES:
        raise FormatError(
            "{} partition entries were asked for: 1 to {} make sense.".format(table.entry_count, MOST_ENTRIES)
        )
    sectors = entry_sectors(table.entry_count, table.sector_size)
    first, last = table.first_usable_lba, table.last_usable_lba
    if not (2 + sectors <= first <= last <= table.total_sectors - 2 - sectors and table.total_sectors < 1 << 63):
        raise FormatError(
            "LBA {} to {} cannot be the usable ones of a disk of {} sectors whose table takes {} at each end.".format(
                first, last, table.total_sectors, 1 + sectors
            )
        )
    numbers = set()
    for number, partition in table.partitions:
        if not 1 <= number <= table.entry_count or number in numbers:
            raise FormatError("Partition number {} is given twice or has no entry.".format(number))
        numbers.add(number)
        _check_partition(table, number, partition)
    in_order = sorted(table.partitions, key=lambda pair: pair[1].first_lba)  # type: List[Tuple[int, GptPartition]]
    for (one, before), (other, after) in zip(in_order, in_order[1:]):
        if after.first_lba <= before.last_lba:
            raise FormatError(
                "Partitions {} (LBA {} to {}) and {} (LBA {} to {}) overlap.".format(
                    one, before.first_lba, before.last_lba, other, after.first_lba, after.last_lba
                )
            )


def _check_partition(table: Table, number: int, partition: GptPartition) -> None:
    if not table.first_usable_lba <= partition.first_lba <= partition.last_lba <= table.last_usable_lba:
        raise FormatError(
            "Partition {} goes from LBA {} to {}: the usable ones are {} to {}.".format(
                number, partition.first_lba, partition.last_lba, table.first_usable_lba, table.last_usable_lba
            )
        )
    if partition.type_guid.bytes_le == NO_GUID:
        raise FormatError("Partition {} has no type.".format(number))
    if not 0 <= partition.attributes < 1 << 64:
        raise FormatError("The attributes of partition {} are no 64-bit number.".format(number))
    if "\0" in partition.name or len(_encoded_name(partition.name)) > 2 * NAME_UNITS:
        raise FormatError(
            "The name of partition {} does not fit: at most {} UTF-16 units, none of them zero.".format(
                number, NAME_UNITS
            )
        )

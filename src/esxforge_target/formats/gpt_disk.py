"""GUID partition tables on disks: read with the backup at hand, written so that a power cut leaves one copy intact."""

import uuid
from typing import List, Optional, Tuple

from esxforge_target.formats.boot_code import renewed_sector
from esxforge_target.formats.gpt import SECTOR_SIZES, Table
from esxforge_target.formats.gpt_parse import Header, parse_header, parse_table
from esxforge_target.runtime.blocks import Blocks, DiskError
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value


class Reading(Value):
    """A table as read: ``source`` is "primary" or "backup", ``problems`` a tuple of sentences (empty: all is well)."""

    __slots__ = ("table", "source", "problems")

    def __init__(self, table: Table, source: str, problems: "Tuple[str, ...]" = ()) -> None:
        self.table = table
        self.source = source
        self.problems = problems


class DiskIdentity(Value):
    """Identity of a disk: the disk GUID, with the header's CRC-32 and the sector size it was found at."""

    __slots__ = ("disk_guid", "header_crc", "sector_size")

    def __init__(self, disk_guid: uuid.UUID, header_crc: int, sector_size: int) -> None:
        self.disk_guid = disk_guid
        self.header_crc = header_crc
        self.sector_size = sector_size


def disk_identities(first_bytes: bytes) -> "Tuple[DiskIdentity, ...]":
    """Return the stamps in the first bytes (8 KiB are enough) of a disk: none, one, or one for each sector size.

    Looks at the primary header alone, at byte 512 and at byte 4096, and accepts it if its own CRC is right: the rest of
    the table may be damaged and the disk is still the one that was stamped. Never raises.
    """
    found = []
    for sector_size in SECTOR_SIZES:
        try:
            header = parse_header(first_bytes[sector_size : 2 * sector_size], 1, "primary")
        except FormatError:
            continue
        found.append(DiskIdentity(header.disk_guid, header.header_crc, sector_size))
    return tuple(found)


def sector_size_of(blocks: Blocks) -> int:
    """Return the sector size of the GPT on a disk or image; that of ``blocks`` if there is none.

    An image file does not know for which sector size it was made, so the table has to say.
    """
    for sector_size in (blocks.sector_size,) + SECTOR_SIZES:
        if blocks.size >= 2 * sector_size and blocks.read_at(sector_size, 8) == b"EFI PART":
            return sector_size
    for sector_size in SECTOR_SIZES:
        if blocks.size >= sector_size and blocks.read_at(blocks.size - sector_size, 8) == b"EFI PART":
            return sector_size
    return blocks.sector_size


def read_table(blocks: Blocks, sector_size: "Optional[int]" = None) -> Reading:
    """Read the table of a disk; the backup is used if the primary is damaged, and ``problems`` says so.

    A backup that is not at the end of the disk (an image copied to a larger disk) is a problem that
    ``Table.grown_to`` followed by ``write_table`` repairs. Raises FormatError if neither copy can be used.
    """
    size = sector_size or sector_size_of(blocks)
    total = blocks.size // size
    try:
        primary = _read_copy(blocks, size, 1, "primary")
    except (FormatError, DiskError) as error:
        return _from_backup(blocks, size, total, error.message)
    problems = []  # type: List[str]
    end = primary.total_sectors - 1
    if primary.total_sectors > total:
        raise FormatError(
            "The GPT is for a disk of {} sectors of {} bytes, but there are only {}.".format(end + 1, size, total),
            "The disk is too small for this image, or the image was cut short.",
        )
    if end != total - 1:
        problems.append("The backup GPT is at LBA {}, the disk ends at LBA {}.".format(end, total - 1))
    try:
        backup = _read_copy(blocks, size, end, "backup")
        if backup != primary:
            problems.append("The backup GPT at LBA {} differs from the primary.".format(end))
    except (FormatError, DiskError) as error:
        problems.append(error.message)
    return Reading(primary, "primary", tuple(problems))


def _from_backup(blocks: Blocks, size: int, total: int, why: str) -> Reading:
    places = [total - 1] + _alternate_of_primary(blocks, size)
    reasons = [why]
    for lba in places:
        if not 1 < lba < total:
            continue
        try:
            return Reading(_read_copy(blocks, size, lba, "backup"), "backup", (why + " The backup is used.",))
        except (FormatError, DiskError) as error:
            reasons.append(error.message)
    raise FormatError(
        "No usable GUID partition table with sectors of {} bytes: {}".format(size, " ".join(reasons)),
        "Check that this is the right disk or image, that it is complete, and its sector size.",
    )


def _alternate_of_primary(blocks: Blocks, size: int) -> "List[int]":
    """Return where an intact primary header says the backup is: needed on a disk larger than its image."""
    try:
        return [parse_header(_sector(blocks, size, 1), 1, "primary").alternate_lba]
    except (FormatError, DiskError):
        return []


def _sector(blocks: Blocks, size: int, lba: int) -> bytes:
    return blocks.read_at(lba * size, size)


def _read_copy(blocks: Blocks, size: int, lba: int, which: str) -> Table:
    header = parse_header(_sector(blocks, size, lba), lba, which)
    _check_entries_place(header, blocks.size // size)
    return parse_table(header, blocks.read_at(header.entries_lba * size, header.entries_bytes()), size)


def _check_entries_place(header: Header, total: int) -> None:
    if not 2 <= header.entries_lba < total:
        raise FormatError(
            "The {} GPT header at LBA {} puts its entries at LBA {}, but the disk has LBA 0 to {}.".format(
                header.which, header.my_lba, header.entries_lba, total - 1
            )
        )


def write_table(blocks: Blocks, table: Table) -> None:
    """Write both copies, one after the other with a flush between, so that after a power cut one of them is intact.

    The backup goes first, unless the primary is damaged now: then the backup is all there is, and is kept until the
    primary is intact. The boot code of a protective MBR stays; if it names a partition by its GUID, the new one goes
    there with the new entries, before the header that makes them count. Raises FormatError if the table is for a
    disk of another size: see ``Table.grown_to``.
    """
    total = blocks.size // table.sector_size
    if total != table.total_sectors:
        raise FormatError(
            "The table is for a disk of {} sectors, this one has {}.".format(table.total_sectors, total),
            "Bring it to the size of the disk first.",
        )
    first = first_sector(blocks, table)
    try:
        _read_copy(blocks, table.sector_size, 1, "primary")
    except (FormatError, DiskError):
        _write_primary(blocks, table, first)
        _write_backup(blocks, table)
    else:
        _write_backup(blocks, table)
        _write_primary(blocks, table, first)


def first_sector(blocks: Blocks, table: Table) -> bytes:
    """Return the first sector as ``write_table`` will leave it, from its present content and the table before."""
    try:
        before = read_table(blocks, table.sector_size).table  # type: Optional[Table]
    except (FormatError, DiskError):
        before = None
    sector = table.primary_bytes(_sector(blocks, table.sector_size, 0))[: table.sector_size]
    return renewed_sector(sector, before, table)


def _write_backup(blocks: Blocks, table: Table) -> None:
    blocks.write_at(table.backup_offset, table.backup_bytes())
    blocks.flush()


def _write_primary(blocks: Blocks, table: Table, first: bytes) -> None:
    size = table.sector_size
    primary = table.primary_bytes(first)
    # The header last: until it is written, the CRC of the entries does not match and the backup is used.
    blocks.write_at(2 * size, primary[2 * size :])
    blocks.write_at(0, first)
    blocks.flush()
    blocks.write_at(size, primary[size : 2 * size])
    blocks.flush()

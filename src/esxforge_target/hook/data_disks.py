"""Disks that carry datastores: their partitions, laid out so that ESXi only has to make the file systems."""

import uuid
from typing import Callable, List, Tuple

from esxforge_target.contract.desired_host import Partition as DesiredPartition
from esxforge_target.formats.gpt import VMFS, GptPartition, Table
from esxforge_target.formats.gpt_disk import first_sector, read_table, write_table
from esxforge_target.runtime.blocks import Blocks, DiskError
from esxforge_target.runtime.errors import ForgeError

MEBIBYTE = 1 << 20
# Where VMFS keeps its headers: old contents here would bring an old datastore back.
WIPED_AT_START = 16 * MEBIBYTE
WIPED_AT_END = MEBIBYTE
# MAAS knows a disk's size from commissioning and aligns otherwise; the last partition may shrink by this much.
_MAY_BE_MISSING = 64 * MEBIBYTE


def vmfs_table(
    label: str,
    desired: "Tuple[DesiredPartition, ...]",
    sector_size: int,
    size: int,
    new_guid: "Callable[[], uuid.UUID]",
) -> Table:
    """Return the table for a disk of ``size`` bytes: VMFS partitions with MAAS's numbers and sizes, from whole MiB.

    A partition without a size takes what is left; only the last may. Raises ForgeError if they do not fit.
    """
    table = Table.empty(new_guid(), sector_size, size // sector_size)
    end = (table.last_usable_lba + 1) * sector_size
    start = MEBIBYTE
    for index, one in enumerate(desired):
        start = max(start, _aligned(one.offset or 0))
        last = index == len(desired) - 1
        if one.size is None and not last:
            raise ForgeError(
                "storage {}: it has no size, and another partition follows it.".format(one.id),
                "Give it a size in MAAS.",
            )
        length = end - start if one.size is None else one.size
        missing = start + length - end
        if last and 0 < missing <= _MAY_BE_MISSING:
            length -= missing
        elif missing > 0:
            raise ForgeError(
                "storage {}: {} bytes from byte {} do not fit on {} with {} bytes.".format(
                    one.id, length, start, label, size
                ),
                "Commission the machine again, or make the partition smaller in MAAS.",
            )
        length -= length % sector_size
        if length < WIPED_AT_START + WIPED_AT_END:
            raise ForgeError(
                "storage {}: {} bytes are too few for VMFS.".format(one.id, length),
                "Make the partition larger in MAAS.",
            )
        first = start // sector_size
        partition = GptPartition(VMFS, new_guid(), first, first + length // sector_size - 1)
        table = table.with_partition(one.number, partition)
        start = _aligned(start + length)
    return table


def write_data_disk(disk: Blocks, table: Table) -> None:
    """Clear the places where VMFS keeps its headers, then write the table: the disk has its stamp at the very end."""
    for number, _ in table.partitions:
        offset, length = table.byte_range(number)
        _zero(disk, offset, WIPED_AT_START)
        _zero(disk, offset + length - WIPED_AT_END, WIPED_AT_END)
    disk.flush()
    stamp(disk, table)


def stamp(disk: Blocks, table: Table) -> None:
    """Write a table and read it back from the disk. Raises DiskError if the disk keeps another than was written."""
    first = first_sector(disk, table)
    write_table(disk, table)
    found = read_table(disk, table.sector_size)
    if found.problems or found.table != table or disk.read_at(0, table.sector_size) != first:
        raise DiskError(
            "The partition table reads back different from what was written.", "The disk is failing: replace it."
        )


def renewed_boot_table(disk: Blocks, sector_size: int) -> Table:
    """Return the image's table for the boot disk's real size, with fresh GUIDs of the disk (its stamp) and partitions.

    So no two hosts of one image share any, even if ESXi's installer has yet to write its own table.
    """
    return read_table(disk, sector_size).table.grown_to(disk.size // sector_size).with_new_guids(uuid.uuid4)


def _zero(disk: Blocks, offset: int, length: int) -> None:
    for at in range(offset, offset + length, MEBIBYTE):
        disk.write_at(at, bytes(min(MEBIBYTE, offset + length - at)))


def _aligned(offset: int) -> int:
    return -(-offset // MEBIBYTE) * MEBIBYTE


def partition_lines(table: Table) -> "List[str]":
    """Return the contents of the table, for people."""
    return [
        "partition {}: VMFS, {} bytes from byte {}".format(
            number, table.byte_range(number)[1], table.byte_range(number)[0]
        )
        for number, _ in table.partitions
    ]

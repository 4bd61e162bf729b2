"""How a legacy BIOS gets from a GPT disk's first sector to a partition: the two kinds of boot code that syslinux has.

syslinux 3.86 (its doc/gpt.txt) looks for the partition whose unique GUID stands in bytes 424 to 439 of the sector;
syslinux 4 and later for one with the attribute "legacy BIOS bootable" (UEFI 2.10, table 5.6, bit 2). So a GUID that is
renewed in the table has to be renewed in the sector, too.
"""

from typing import Optional

from esxforge_target.formats.gpt import Table

GUID_OFFSET = 424
_GUID_END = GUID_OFFSET + 16
LEGACY_BIOS_BOOTABLE = 1 << 2
_SIGNATURE_OFFSET = 510


def has_boot_code(sector: bytes) -> bool:
    """Is there anything before the place of the GUID, with the signature that a BIOS asks for?"""
    return any(sector[:GUID_OFFSET]) and sector[_SIGNATURE_OFFSET : _SIGNATURE_OFFSET + 2] == b"\x55\xaa"


def named_partition(sector: bytes, table: Table) -> "Optional[int]":
    """The number of the partition whose GUID stands in the first sector; None for no partition of the table."""
    guid = sector[GUID_OFFSET:_GUID_END]
    for number, partition in table.partitions:
        if partition.guid.bytes_le == guid:
            return number
    return None


def renewed_sector(sector: bytes, before: "Optional[Table]", after: Table) -> bytes:
    """The first sector for the table ``after``: a partition's GUID of ``before`` in it becomes its new one.

    Where there was no table, where those bytes name no partition, or one that is gone, they stay.
    """
    number = named_partition(sector, before) if before is not None else None
    partition = after.by_number().get(number) if number is not None else None
    if partition is None:
        return sector
    return sector[:GUID_OFFSET] + partition.guid.bytes_le + sector[_GUID_END:]

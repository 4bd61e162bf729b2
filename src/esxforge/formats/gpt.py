"""GUID partition tables, as the target side has them."""

from esxforge_target.formats.gpt import (
    BASIC_DATA,
    EFI_SYSTEM,
    VMFS,
    VMFS_L,
    VMK_DIAGNOSTIC,
    Partition,
    Table,
    protective_mbr,
)
from esxforge_target.formats.gpt_disk import Reading, Stamp, read_table, sector_size_of, stamps_in, write_table

__all__ = [
    "BASIC_DATA",
    "EFI_SYSTEM",
    "VMFS",
    "VMFS_L",
    "VMK_DIAGNOSTIC",
    "Partition",
    "Reading",
    "Stamp",
    "Table",
    "protective_mbr",
    "read_table",
    "sector_size_of",
    "stamps_in",
    "write_table",
]

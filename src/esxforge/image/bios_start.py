"""Would a legacy BIOS start an installed disk? Only if every link of the chain is there; else the reason why not.

The chain: boot code in the first sector, the partition that it looks for, syslinux's boot sector on it, and syslinux's
own file with VMware's two loaders beside it. The kinds of boot code: ``esxforge_target.formats.boot_code``; syslinux
writes its name into the boot sector (libinstaller). Which kind VMware's installer writes is not known; both are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from esxforge.errors import FormatError
from esxforge_target.formats.boot_code import LEGACY_BIOS_BOOTABLE, has_boot_code, named_partition
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import Table
from esxforge_target.runtime.blocks import Blocks, Window

BY_GUID, BY_ATTRIBUTE = "guid", "attribute"
# Boot code of the attribute kind is looked for on this partition only: it is where ESXi's installers put the loader.
_ESXI_BOOT_PARTITION = 1
_LOADER_NAME = b"SYSLINUX"
_LOADER_NAME_OFFSET = 3
_LOADER_FILES = ("ldlinux.sys", "safeboot.c32", "mboot.c32")


@dataclass(frozen=True, slots=True)
class BiosStart:
    """``boot_code``: how it finds ``partition``, BY_GUID or BY_ATTRIBUTE; empty and 0 where it finds none.

    ``reason``: why a BIOS starts the disk, or the first thing that it lacks.
    """

    starts: bool
    reason: str
    boot_code: str = ""
    partition: int = 0

    def document(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "starts": self.starts,
            "reason": self.reason,
            "boot_code": self.boot_code,
            "partition": self.partition,
        }


def bios_start(disk: Blocks, table: Table, sector: bytes) -> BiosStart:
    """Look at a disk with this table and first sector. Raises :class:`DiskError` where it cannot be read."""
    if not has_boot_code(sector):
        return BiosStart(False, "there is no boot code in the first sector")
    named = named_partition(sector, table)
    boot = table.by_number().get(_ESXI_BOOT_PARTITION)
    if named is not None:
        kind, number = BY_GUID, named
    elif boot is not None and boot.attributes & LEGACY_BIOS_BOOTABLE:
        kind, number = BY_ATTRIBUTE, _ESXI_BOOT_PARTITION
    else:
        return BiosStart(
            False,
            "the boot code in the first sector names no partition by its GUID, and partition 1 has not the attribute "
            "“legacy BIOS bootable”",
        )
    offset, length = table.byte_range(number)
    lacks = _what_lacks(Window(disk, offset, length))
    if lacks:
        return BiosStart(False, f"partition {number}, to which the boot code leads, {lacks}", kind, number)
    way = "its GUID" if kind == BY_GUID else "its attribute"
    reason = f"the boot code finds partition {number} by {way}, with {', '.join(_LOADER_FILES)} on it"
    return BiosStart(True, reason, kind, number)


def _what_lacks(partition: Blocks) -> str:
    if partition.read_at(_LOADER_NAME_OFFSET, len(_LOADER_NAME)) != _LOADER_NAME:
        return "has not syslinux's boot sector"
    try:
        volume = FatVolume(partition)
        entries = {name: volume.find(name) for name in _LOADER_FILES}
    except FormatError:
        return "holds no FAT volume"
    missing = [name for name, entry in entries.items() if entry is None or entry.is_directory or not entry.size]
    return f"lacks {', '.join(missing)}" if missing else ""

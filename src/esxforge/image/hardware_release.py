"""For which ESXi release's hardware an image is made, as the image itself says."""

from __future__ import annotations

from pathlib import Path

from esxforge.errors import FormatError, ImageError
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import Table
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.formats.manifest import LARGEST_MANIFEST_BYTES, MANIFEST_PATH, Manifest
from esxforge_target.runtime.blocks import DiskError, FileBlocks, Window

_UNKNOWN = "8.0"


def hardware_release(raw: Path, desired: str | None) -> str:
    """``desired``, or else the release that the raw image's manifest names; 8.0 where it has none.

    Raises :class:`ImageError` for an image of a disk that QEMU has none of: with sectors of 4096 bytes.
    """
    try:
        with FileBlocks(str(raw)) as blocks:
            table = read_table(blocks).table
            if table.sector_size != 512:
                raise ImageError(
                    f"{raw} is for disks with sectors of {table.sector_size} bytes; the virtual machine's has 512.",
                    "Build one without --sector-size 4096 to start it here.",
                )
            return desired or _told(blocks, table) or _UNKNOWN
    except (DiskError, FormatError):  # no GPT: no image of ours
        return desired or _UNKNOWN


def _told(blocks: FileBlocks, table: Table) -> str | None:
    releases = (_on_volume(Window(blocks, *table.byte_range(number))) for number, _ in table.partitions)
    return next((release for release in releases if release), None)


def _on_volume(window: Window) -> str | None:
    try:
        volume = FatVolume(window)
        if volume.find(MANIFEST_PATH) is None:
            return None
        return str(Manifest.parse(volume.read_file(MANIFEST_PATH, LARGEST_MANIFEST_BYTES)).release)
    except (DiskError, FormatError):  # VMFS, or a damaged volume
        return None

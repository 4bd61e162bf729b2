"""The first look at a file: whether it is a complete ISO 9660 volume, and what else it could be.

Facts: ECMA-119 (ISO 9660) 6.2 and 8: volume descriptors of 2048 bytes from sector 16 on, each with its type in byte 0
and ``CD001`` in bytes 1 to 5; the primary one carries the volume identifier in bytes 40 to 71, the volume's size in
blocks in bytes 80 to 83 (little-endian) and the block size in bytes 128 and 129.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from esxforge.errors import MediaError
from esxforge_target.runtime.visible import one_line

SECTOR = 2048
_FIRST_DESCRIPTOR = 16
_MAX_DESCRIPTORS = 32
_DOWNLOAD_AGAIN = "Download or copy the ISO again and compare its checksum with the one on the download page."
_NAME_AN_ISO = "Name VMware's installer ISO, for example VMware-VMvisor-Installer-8.0U3e-24674464.x86_64.iso."

# First bytes of files that are not ISOs, and what to say about them.
_STARTS = (
    (b"PK\x03\x04", "It is a ZIP archive, perhaps ESXi's offline bundle (depot).", _NAME_AN_ISO),
    (b"\x1f\x8b", "It is a gzip file, perhaps an image that esxforge made.", "Look at it with esxforge inspect."),
    (b"\xfd7zXZ\x00", "It is an xz file.", "Unpack it first with xz -d."),
    (b"7z\xbc\xaf\x27\x1c", "It is a 7z archive.", "Unpack it first."),
    (b"<!DOCTYPE", "It is a web page: the download page was saved instead of the ISO.", _DOWNLOAD_AGAIN),
    (b"<html", "It is a web page: the download page was saved instead of the ISO.", _DOWNLOAD_AGAIN),
    (b"KDMV", "It is a VMDK, a virtual disk.", _NAME_AN_ISO),
    (b"QFI\xfb", "It is a qcow2 file, a virtual disk.", _NAME_AN_ISO),
)


@dataclass(frozen=True, slots=True)
class IsoVolume:
    """Fields of the primary volume descriptor. ``size`` is the volume's size in bytes, ``file_size`` the file's."""

    volume_id: str
    size: int
    file_size: int


def read_volume(stream: BinaryIO, path: Path) -> IsoVolume:
    """Read the primary volume descriptor and check that the file holds the entire volume.

    Raises :class:`MediaError`: empty, not an ISO, or truncated.
    """
    file_size = stream.seek(0, 2)
    if file_size == 0:
        raise MediaError(f"{path} is empty.", _DOWNLOAD_AGAIN)
    stream.seek(_FIRST_DESCRIPTOR * SECTOR)
    descriptors = stream.read(_MAX_DESCRIPTORS * SECTOR)
    primary = None
    for offset in range(0, len(descriptors), SECTOR):
        descriptor = descriptors[offset : offset + SECTOR]
        if descriptor[1:6] != b"CD001" or descriptor[0] == 255:
            break
        if descriptor[0] == 1 and len(descriptor) == SECTOR:
            primary = descriptor
            break
    if primary is None:
        raise _no_iso(stream, path, file_size)
    (block_size,) = struct.unpack_from("<H", primary, 128)
    if block_size != SECTOR:
        raise MediaError(
            f"{path} has blocks of {block_size} bytes; ESXi's installer ISO has blocks of {SECTOR}.", _DOWNLOAD_AGAIN
        )
    (blocks,) = struct.unpack_from("<I", primary, 80)
    size = blocks * SECTOR
    if file_size < size:
        missing = size - file_size
        raise MediaError(
            f"{path} is truncated: the volume has {size} bytes, the file only {file_size}"
            f" ({missing / 2**20:.1f} MiB are missing).",
            _DOWNLOAD_AGAIN,
        )
    return IsoVolume(printable(primary[40:72]), size, file_size)


def printable(field: bytes) -> str:
    """Return text of a fixed-size field: padding cut off, and nothing that a terminal would act on."""
    return one_line(field.rstrip(b" \x00").decode("ascii", "replace"))


def _no_iso(stream: BinaryIO, path: Path, file_size: int) -> MediaError:
    stream.seek(0)
    start = stream.read(1024)
    for magic, what, hint in _STARTS:
        if start[: len(magic)].lower() == magic.lower():
            return MediaError(f"{path} is not an ISO. {what}", hint)
    if start[512:520] == b"EFI PART":
        return MediaError(
            f"{path} is not an ISO. It is a disk image with a GPT, perhaps one that esxforge made.",
            "Look at it with esxforge inspect; to build, name the installer ISO.",
        )
    if file_size < (_FIRST_DESCRIPTOR + 2) * SECTOR:
        return MediaError(f"{path} is not an ISO, or truncated: it has only {file_size} bytes.", _DOWNLOAD_AGAIN)
    return MediaError(f"{path} is not an ISO: it has no ISO 9660 volume descriptor.", _NAME_AN_ISO)

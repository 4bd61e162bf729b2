"""EFIBOOT.IMG of a stand-in ISO: a small FAT12 image with one file, ``EFI/BOOT/BOOTX64.EFI``, for UEFI's El Torito.

Facts: Microsoft FAT specification (fatgen103), 3 (boot sector), 4 (FAT12 entries), 6 (directory entries).
"""

from __future__ import annotations

import struct

_SECTOR = 512
_RESERVED = 1
_FATS = 2
_ROOT_ENTRIES = 64
_ROOT_SECTORS = _ROOT_ENTRIES * 32 // _SECTOR
_LARGEST_FAT12 = 4084
_DATE = (2020 - 1980) << 9 | 1 << 5 | 1


def efiboot_image(program: bytes) -> bytes:
    """The image, just large enough. Raises ValueError for a program above about 2 MB."""
    clusters = 2 + max(1, -(-len(program) // _SECTOR))  # one each for EFI and BOOT, the rest for the program
    if clusters > _LARGEST_FAT12:
        raise ValueError(f"{len(program)} bytes are too many for a FAT12 image with clusters of {_SECTOR} bytes")
    fat_sectors = -(-((clusters + 2) * 3 // 2 + 1) // _SECTOR)
    sectors = _RESERVED + _FATS * fat_sectors + _ROOT_SECTORS + clusters
    # Cluster 2 is the directory EFI, 3 is BOOT, the program follows.
    chain = [0xFF8, 0xFFF, 0xFFF, 0xFFF, *range(5, clusters + 2), 0xFFF]
    fat = _fat12(chain).ljust(fat_sectors * _SECTOR, b"\0")
    root = _entry(b"EFI        ", 0x10, 2, 0)
    efi = _entry(b".          ", 0x10, 2, 0) + _entry(b"..         ", 0x10, 0, 0) + _entry(b"BOOT       ", 0x10, 3, 0)
    boot = (
        _entry(b".          ", 0x10, 3, 0)
        + _entry(b"..         ", 0x10, 2, 0)
        + _entry(b"BOOTX64 EFI", 0x20, 4, len(program))
    )
    parts = [
        _boot_sector(sectors, fat_sectors),
        fat * _FATS,
        root.ljust(_ROOT_SECTORS * _SECTOR, b"\0"),
        efi.ljust(_SECTOR, b"\0"),
        boot.ljust(_SECTOR, b"\0"),
        program.ljust((clusters - 2) * _SECTOR, b"\0"),
    ]
    return b"".join(parts)


def _boot_sector(sectors: int, fat_sectors: int) -> bytes:
    fields = struct.pack(
        "<3s8sHBHBHHBHHHIIBBBI11s8s",
        b"\xeb\x3c\x90",
        b"ESXFORGE",
        *(_SECTOR, 1, _RESERVED, _FATS, _ROOT_ENTRIES, sectors, 0xF8, fat_sectors),
        *(32, 64, 0, 0),  # geometry that nobody uses; hidden sectors; sectors beyond 65535
        *(0x80, 0, 0x29, 0x45535846),
        b"NO NAME    ",  # none: a name here would need an entry in the root directory too
        b"FAT12   ",
    )
    return fields.ljust(_SECTOR - 2, b"\0") + b"\x55\xaa"


def _fat12(chain: list[int]) -> bytes:
    packed = bytearray()
    for low, high in zip(chain[::2], [*chain[1::2], 0], strict=False):
        packed += (low | high << 12).to_bytes(3, "little")
    return bytes(packed)


def _entry(name: bytes, attributes: int, cluster: int, size: int) -> bytes:
    return struct.pack("<11sBBBHHHHHHHI", name, attributes, 0, 0, 0, _DATE, _DATE, 0, 0, _DATE, cluster, size)

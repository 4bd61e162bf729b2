"""An empty FAT16 volume as ESXi's installer makes boot banks: written sparsely, on whatever can be opened and sought.

Facts: Microsoft FAT specification (fatgen103); four reserved sectors and the marker ``VMWARE FAT16    `` with a 16 byte
UUID in the second of them (vmware/esx-boot, safeboot/vmfat.c, and samples). Linux mounts it and fsck.fat judges it.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

SECTOR = 512
RESERVED = 4
ROOT_ENTRIES = 512
MARKER = b"VMWARE FAT16    "
_ROOT_SECTORS = ROOT_ENTRIES * 32 // SECTOR
_MOST_CLUSTERS, _FEWEST_CLUSTERS = 65524, 4085


def format_volume(disk: BinaryIO, start: int, sectors: int, *, serial: int, label: str, uuid: bytes | None) -> None:
    """An empty volume on ``sectors`` sectors from byte ``start`` on. ``uuid``: a bank's; None: no bank, no marker."""
    per_cluster = _cluster_size(sectors)
    clusters, fat_sectors = _layout(sectors, per_cluster)
    if not _FEWEST_CLUSTERS <= clusters <= _MOST_CLUSTERS:
        raise ValueError(f"{sectors} sectors make no FAT16 volume")
    boot = struct.pack(
        "<3s8sHBHBHHBHHHIIBBBI11s8s",
        b"\xeb\x3c\x90",
        b"MSDOS5.0",
        *(SECTOR, per_cluster, RESERVED, 2, ROOT_ENTRIES, sectors if sectors < 0x10000 else 0, 0xF8, fat_sectors),
        *(63, 255, start // SECTOR, 0 if sectors < 0x10000 else sectors),
        *(0x80, 0, 0x29, serial),
        label.encode().ljust(11) if label else b"NO NAME    ",
        b"FAT16   ",
    )
    head = bytearray((RESERVED + 2 * fat_sectors + _ROOT_SECTORS) * SECTOR)
    head[: len(boot)] = boot
    head[SECTOR - 2 : SECTOR] = b"\x55\xaa"
    if uuid is not None:
        head[SECTOR : SECTOR + 32] = MARKER + uuid
    for copy in range(2):
        at = (RESERVED + copy * fat_sectors) * SECTOR
        head[at : at + 4] = b"\xf8\xff\xff\xff"
    if label:
        root = (RESERVED + 2 * fat_sectors) * SECTOR
        head[root : root + 12] = label.encode().ljust(11) + b"\x08"
    disk.seek(start)
    disk.write(bytes(head))


def bank_uuid(volume: BinaryIO, start: int = 0) -> bytes | None:
    """The UUID of the bank that starts at byte ``start``; None if no bank is there."""
    volume.seek(start + SECTOR)
    sector = volume.read(SECTOR)
    return sector[16:32] if sector[:16] == MARKER else None


def volume_name(uuid: bytes) -> str:
    """A bank's name below /vmfs/volumes."""
    text = uuid.hex()
    return "-".join((text[:8], text[8:16], text[16:20], text[20:32]))


def _cluster_size(sectors: int) -> int:
    size = 1
    while size < 128 and _layout(sectors, size)[0] > _MOST_CLUSTERS:
        size *= 2
    return size


def _layout(sectors: int, per_cluster: int) -> tuple[int, int]:
    """Clusters, and sectors of one FAT."""
    room = sectors - RESERVED - _ROOT_SECTORS
    fat_sectors = -(-(room + 2 * per_cluster) * 2 // (per_cluster * SECTOR + 4))
    return (room - 2 * fat_sectors) // per_cluster, fat_sectors

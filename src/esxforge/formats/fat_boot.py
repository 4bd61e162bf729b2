"""The sectors before the data of a new FAT volume: boot sector, FSInfo, VMware's marker, the FATs.

Facts: Microsoft, "FAT32 File System Specification" 1.03; VMware's marker: vmware/esx-boot, safeboot.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence

from esxforge_target.formats.fat_geometry import BPB, BPB32, VMWARE_MARKER, Geometry

MEDIA = 0xF8
INFO_SECTOR = 1
BACKUP_SECTOR = 6
_MESSAGE = b"This disk starts with UEFI only.\r\n\0"


def boot_sector(geometry: Geometry, label: bytes, volume_id: int, hidden_sectors: int) -> bytes:
    """One sector: the geometry, and code that says on a BIOS why nothing starts. ``label`` is 11 bytes."""
    wide = geometry.fat_bits == 32
    small = geometry.total_sectors < 0x10000 and not wide
    bpb = BPB.pack(
        geometry.sector_size,
        geometry.cluster_sectors,
        geometry.reserved_sectors,
        geometry.fat_count,
        geometry.root_entries,
        geometry.total_sectors if small else 0,
        MEDIA,
        0 if wide else geometry.fat_sectors,
        63,
        255,
        hidden_sectors,
        0 if small else geometry.total_sectors,
    )
    if wide:
        bpb += BPB32.pack(geometry.fat_sectors, 0, 0, geometry.root_cluster, INFO_SECTOR, BACKUP_SECTOR) + bytes(12)
    kind = f"FAT{geometry.fat_bits}".encode().ljust(8)
    # drive number, reserved, extended signature
    bpb += struct.pack("<BBBI", 0x80, 0, 0x29, volume_id) + label + kind
    code_offset = 11 + len(bpb)
    head = bytes([0xEB, code_offset - 2, 0x90]) + b"ESXFORGE" + bpb
    sector = head + _say_message(code_offset)
    return (sector.ljust(510, b"\0") + b"\x55\xaa").ljust(geometry.sector_size, b"\0")


def _say_message(offset: int) -> bytes:
    """Machine code for a BIOS, to stand ``offset`` bytes into the sector: print a line, then halt for good."""
    code = bytes.fromhex(
        "31c0 8ed8 fc"  # ds = 0, forwards
        "be 0000"  # si = the message, set below
        "ac 84c0 7409"  # next character; zero ends
        "b40e bb0700 cd10 ebf2"  # teletype output, and again
        "f4 ebfd"  # halt
    )
    message = 0x7C00 + offset + len(code)
    return code[:6] + struct.pack("<H", message) + code[8:] + _MESSAGE


def info_sector(free_clusters: int, next_free: int, sector_size: int) -> bytes:
    """FAT32's FSInfo: how many clusters are free and where to look for the next."""
    sector = struct.pack("<4s480s4sII12s4s", b"RRaA", b"", b"rrAa", free_clusters, next_free, b"", b"\0\0\x55\xaa")
    return sector.ljust(sector_size, b"\0")


def reserved_bytes(geometry: Geometry, boot: bytes, info: bytes, vmware_uuid: bytes) -> bytes:
    """All reserved sectors: boot sector, FSInfo and their backups on FAT32, VMware's marker (second sector) else."""
    size = geometry.sector_size
    area = bytearray(geometry.reserved_sectors * size)
    area[: len(boot)] = boot
    if geometry.fat_bits == 32:
        area[INFO_SECTOR * size : (INFO_SECTOR + 1) * size] = info
        area[BACKUP_SECTOR * size : (BACKUP_SECTOR + 1) * size] = boot
        area[(BACKUP_SECTOR + INFO_SECTOR) * size : (BACKUP_SECTOR + INFO_SECTOR + 1) * size] = info
    if vmware_uuid:
        area[size : size + 32] = VMWARE_MARKER + vmware_uuid
    return bytes(area)


def fat_bytes(fat_bits: int, chain_ends: Sequence[int], used: int) -> bytes:
    """The used beginning of a FAT: clusters 2 to ``used`` - 1 are chains in a row, ``chain_ends`` their last ones."""
    entries = array("I", range(1, used + 1))  # each cluster's next is the one after it
    end_mark = (1 << min(fat_bits, 28)) - 1
    # DirectoryEntry 0 holds the media byte; entry 1 says: unmounted cleanly, no read errors (FAT12 has no such flags).
    entries[0] = end_mark & ~0xFF | MEDIA
    entries[1] = end_mark
    for last in chain_ends:
        entries[last] = end_mark
    if fat_bits == 12:
        return _packed_12(entries)
    out = array("H", entries) if fat_bits == 16 else entries
    if sys.byteorder == "big":
        out.byteswap()
    return out.tobytes()


def _packed_12(entries: array[int]) -> bytes:
    packed = bytearray()
    for index in range(0, len(entries) - 1, 2):
        packed += (entries[index] | entries[index + 1] << 12).to_bytes(3, "little")
    if len(entries) % 2:
        packed += entries[-1].to_bytes(2, "little")
    return bytes(packed)

"""Readers of partition tables and FAT volumes."""

from __future__ import annotations

import random as randoms
import struct
import zlib
from datetime import datetime, timezone
from functools import cache, partial
from random import Random
from uuid import UUID

from esxforge.formats.fat_layout import layout
from esxforge.formats.segments import Bytes, ImageFile, Zeros
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import BASIC_DATA, EFI_SYSTEM, GptPartition, Table
from esxforge_target.formats.gpt_disk import disk_identities, read_table, sector_size_of, write_table
from esxforge_target.runtime.blocks import MemoryBlocks
from fuzz.mutate import mutate_bytes, mutate_in_place
from fuzz.target import Target, read_all

_BPB = struct.Struct("<HBHBHHBHHHII")
# Where the boot sector's fields are, and how long each is.
_FIELDS = ((11, 2), (13, 1), (14, 2), (16, 1), (17, 2), (19, 2), (21, 1), (22, 2), (32, 4), (36, 4), (38, 1), (40, 2),
           (42, 2), (44, 4), (48, 2), (50, 2), (66, 1), (510, 2))  # fmt: skip
_VALUES = (0, 1, 2, 3, 4, 8, 0x29, 64, 0x80, 128, 255, 512, 1024, 4084, 4085, 4096, 65524, 65525, 0xFFFF, 0xFFFFFFFF)
_CHAIN_VALUES = (0, 1, 2, 3, 0x0FFFFFF7, 0x0FFFFFF8, 0x0FFFFFFF)


@cache
def _fat_seeds() -> list[bytes]:
    noise = randoms.Random(5)  # noqa: S311
    names = {"EFI/BOOT/BOOTX64.EFI": 9_000, "BOOT.CFG": 500, "a long name that needs slots.text": 9, "EMPTY.V00": 0}
    files = [ImageFile(path, Bytes(noise.randbytes(length))) for path, length in names.items()]
    seeds = []
    for bits, size, sector, fats, uuid in (
        (12, 128 << 10, 512, 2, bytes(range(16))), (12, 512 << 10, 4096, 1, b""), (16, 2200 << 10, 512, 2, b"")
    ):  # fmt: skip
        made = layout(files, volume_bytes=size, fat_bits=bits, cluster_size=sector, sector_size=sector, fat_count=fats,
                      vmware_uuid=uuid)  # fmt: skip
        seeds.append(b"".join(part.data if isinstance(part, Bytes) else bytes(part.length) for part in made.segments
                              if isinstance(part, Bytes | Zeros)))  # fmt: skip
    return [*seeds, _fragmented(seeds[0]), _wide(0), _wide(0x81), _full(seeds[0]), seeds[0][:512], b"", bytes(300)]


def _fragmented(data: bytes) -> bytes:
    """Files and a directory in several pieces."""
    editor = FatEditor(MemoryBlocks(data))
    for number in range(20):
        editor.write_file(f"EFI/BOOT/a longer name, number {number}.txt", b"x" * 700)
    for number in range(0, 20, 2):
        editor.remove(f"EFI/BOOT/a longer name, number {number}.txt")
    editor.write_file("PIECES.BIN", b"y" * (editor.free_bytes() - 4096))
    return bytes(editor.blocks.data)  # type: ignore[attr-defined]


def _full(data: bytes) -> bytes:
    editor = FatEditor(MemoryBlocks(data))
    editor.write_file("FULL.BIN", b"y" * editor.free_bytes())
    return bytes(editor.blocks.data)  # type: ignore[attr-defined]


def _wide(flags: int) -> bytes:
    """FAT32 on fewer clusters than others make it of: what counts for readers is where the FAT's length stands."""
    sectors, fat_sectors = 400, 4
    boot = bytearray(512)
    _BPB.pack_into(boot, 11, 512, 1, 32, 2, 0, 0, 0xF8, 0, 63, 255, 0, sectors)
    struct.pack_into("<IHHIHH", boot, 36, fat_sectors, flags, 0, 2, 1, 6)
    boot[66], boot[67:71], boot[510:] = 0x29, b"abcd", b"\x55\xaa"
    info = b"RRaA".ljust(484, b"\0") + b"rrAa" + b"\xff" * 8 + bytes(14) + b"\x55\xaa"
    disk = bytearray(sectors * 512)
    disk[:1024], disk[6 * 512 : 7 * 512] = bytes(boot) + info, boot
    for copy in (32, 32 + fat_sectors):
        struct.pack_into("<III", disk, copy * 512, 0x0FFFFFF8, 0x0FFFFFFF, 0x0FFFFFFF)
    editor = FatEditor(MemoryBlocks(bytes(disk)))
    editor.make_directory("EFI")
    editor.make_directory("EFI/BOOT")
    for number in range(8):
        editor.write_file(f"EFI/BOOT/a longer name, number {number}.txt", b"x" * 700)
    editor.write_file("BOOT.CFG", b"kernel=x\n")
    return bytes(editor.blocks.data)  # type: ignore[attr-defined]


def _fat(data: bytes) -> None:
    disk = MemoryBlocks(data[: len(data) // 512 * 512])
    volume = FatVolume(disk)
    editor = FatEditor(disk)
    read_all(
        partial(volume.find, "/"),
        volume.serial,
        volume.vmware_uuid,
        partial(_walked, volume),
        partial(volume.find, "EFI/BOOT/BOOTX64.EFI"),
        partial(volume.find, "BOOT.CFG/X"),
        partial(volume.find, "NONE/X"),
        partial(volume.list_directory, "EFI/BOOT"),
        partial(volume.directory, "BOOT.CFG"),
        partial(volume.extents, "EFI"),
        partial(editor.write_file, "NEW.CFG", b"x" * 2000),
        partial(editor.write_file, "EFI/BOOT/a new long name.text", b"x" * 700),
        partial(editor.write_file, "BOOT.CFG", b""),
        partial(editor.write_file, "OLD.CFG", b"", when=datetime(1979, 1, 1, tzinfo=timezone.utc)),
        partial(editor.remove, "BOOT.CFG", wipe=True),
        partial(editor.remove, "EFI/BOOT"),
        volume.free_bytes,
    )


def _walked(volume: FatVolume) -> None:
    for path, entry in volume.walk():
        if not entry.is_directory:
            volume.extents(path)
            volume.read_file(path, 1 << 13)


def mutate_fat(random: Random, data: bytes) -> bytes:
    """A field of the boot sector, entries of the FATs, slots of directories; content rarely."""
    kind = random.random()
    changed = bytearray(data)
    if kind < 0.2 or len(data) < 1024:
        reach = random.choice((64, 512, 8192, 65536))
        return mutate_in_place(random, data[:reach]) + data[reach:]
    if kind < 0.25:
        return mutate_bytes(random, data)
    if kind < 0.4:
        at, width = random.choice(_FIELDS)
        number = random.choice((*_VALUES, len(data) // 512, len(data) // 512 - 1)) & ((1 << 8 * width) - 1)
        changed[at : at + width] = number.to_bytes(width, "little")
        return bytes(changed)
    sector, cluster, reserved, fats, roots, _, _, fat16, _, _, _, _ = _BPB.unpack_from(data, 11)
    length = sector * (fat16 or int.from_bytes(data[36:40], "little"))
    start = sector * reserved
    root = start + fats * length
    clusters = max(1, (len(data) - root - 32 * roots) // max(1, sector * cluster))
    for _ in range(random.choice((1, 1, 2, 4))):
        if kind < 0.7:
            bits = 32 if not fat16 else 12 if clusters < 4085 else 16
            number = random.randrange(2, min(clusters + 2, random.choice((8, 40, 250))) + 1)
            value = random.choice((*_CHAIN_VALUES, number, number + 1, random.randrange(clusters + 3)))
            for copy in range(random.choice((1, min(fats, 2) or 1))):
                _link(changed, start + copy * length, bits, number, value)
        else:
            _change_slot(random, changed, min(root, len(data) // 2), 32 * roots + 60 * sector * cluster)
    return bytes(changed[: len(data)])


def _link(changed: bytearray, start: int, bits: int, number: int, value: int) -> None:
    """Put ``value`` into the FAT at ``start``, as the entry of cluster ``number``."""
    at = start + number * bits // 8
    width = 4 if bits == 32 else 2
    value &= (1 << bits) - 1
    if at + width > len(changed):
        return
    if bits == 12:
        before = int.from_bytes(changed[at : at + 2], "little")
        value = before & 0x0F | value << 4 if number % 2 else before & 0xF000 | value
    changed[at : at + width] = value.to_bytes(width, "little")


def _change_slot(random: Random, changed: bytearray, start: int, reach: int) -> None:
    """A field of a directory's slot, one in use if there is any among some."""
    slots = max(1, min(reach, len(changed) - start) // 32)
    for _ in range(8):
        at = start + 32 * random.randrange(random.choice((min(slots, 16), slots)))
        if any(changed[at : at + 11]):
            break
    if at + 32 > len(changed):
        return
    match random.randrange(6):
        case 0:
            changed[at] = random.choice((0, 0xE5, 0x2E, 0x05, 0x41, 0x20, 0x2F))
        case 1:
            changed[at + 11] = random.choice((0x00, 0x08, 0x0F, 0x10, 0x20, 0x3F))
        case 2:
            changed[at + 26 : at + 28] = random.choice((0, 1, 2, 3, 4, 5, 9, 0xFFF8, 0xFFFF)).to_bytes(2, "little")
        case 3:
            changed[at + 28 : at + 32] = random.choice((0, 1, 511, 512, 513, 100_000, 2**32 - 1)).to_bytes(4, "little")
        case 4:
            other = start + 32 * random.randrange(min(slots, 16))
            changed[at : at + 32] = changed[other : other + 32].ljust(32, b"\0")
        case _:
            changed[at + random.randrange(32)] = random.randrange(256)


@cache
def _gpt_seeds() -> list[bytes]:
    seeds = []
    for size, sectors in ((512, 160), (4096, 40)):
        table = Table.empty(UUID(int=5), size, sectors)
        first = table.first_usable_lba
        table = table.with_partition(1, GptPartition(EFI_SYSTEM, UUID(int=6), first, first + 9, "ESP"))
        table = table.with_partition(5, GptPartition(BASIC_DATA, UUID(int=7), first + 10, first + 11, "x", 4))
        disk = bytearray(sectors * size)
        primary, backup = table.primary_bytes(), table.backup_bytes()
        disk[: len(primary)] = primary
        disk[:440] = b"code".ljust(424, b"\1") + UUID(int=6).bytes_le
        disk[table.backup_offset : table.backup_offset + len(backup)] = backup
        alone = bytes(size) * 2 + bytes(disk[2 * size :])
        seeds += [bytes(disk), bytes(disk) + bytes(8 * size), alone, bytes(disk[: -8 * size]), bytes(disk[: size + 50]),
                  alone + bytes(8 * size), bytes(disk[: table.backup_offset]) + bytes(len(backup))]  # fmt: skip
    return seeds


def _gpt(data: bytes) -> None:
    disk = MemoryBlocks(data)
    disk_identities(data[:8192])
    size = sector_size_of(disk)
    reading = read_table(disk, size)
    for number, _ in reading.table.partitions:
        reading.table.byte_range(number)
    reading.table.primary_bytes(b"")
    # As long as the disk is not larger than its table; then the same table, and one with fewer partitions.
    write_table(disk, reading.table)
    write_table(MemoryBlocks(data), Table.empty(UUID(int=8), size, len(data) // size))


def mutate_gpt(random: Random, data: bytes) -> bytes:
    """Fields of headers and entries; mostly with the checksums made right again, so that what follows is reached."""
    if random.random() < 0.05:
        return mutate_bytes(random, data)
    size = 4096 if data[4096:4104] == b"EFI PART" else 512
    changed = bytearray(data)
    last = len(data) - size
    for header in random.sample((size, last), random.choice((1, 2))):
        entries = 2 * size if header == size else last - 16384
        if entries < 0 or header + 92 > len(data):
            continue
        place = random.choice((header, header, entries, 0))
        length = 92 if place == header else 256 if place else 512
        reach = bytes(changed[place : place + length])
        if place == header and random.random() < 0.6:
            at, width = random.choice(((16, 4), (24, 8), (32, 8), (40, 8), (48, 8), (72, 8), (80, 4), (84, 4)))
            own = int.from_bytes(reach[24:32], "little")
            number = random.choice((0, 1, 2, 127, 128, 129, own, own + 1, len(data) // size - 1, 2**63, 2**64 - 1))
            reach = reach[:at] + (number & ((1 << 8 * width) - 1)).to_bytes(width, "little") + reach[at + width :]
            changed[place : place + length] = reach
        else:
            changed[place : place + length] = mutate_in_place(random, reach)
        if random.random() < 0.8:
            crc = zlib.crc32(changed[entries : entries + 16384])
            changed[header + 88 : header + 92] = crc.to_bytes(4, "little")
            changed[header + 16 : header + 20] = bytes(4)
            crc = zlib.crc32(changed[header : header + 92])
            changed[header + 16 : header + 20] = crc.to_bytes(4, "little")
    return bytes(changed)


_T = "esxforge_target/formats/"
TARGETS = (
    Target("fat", _fat, _fat_seeds, mutate_fat,
           (_T + "fat_volume.py", _T + "fat_geometry.py", _T + "fat_directory.py", _T + "fat_table.py")),
    Target("gpt", _gpt, _gpt_seeds, mutate_gpt, (_T + "gpt_parse.py", _T + "gpt_disk.py")),
)  # fmt: skip

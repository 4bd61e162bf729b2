"""Readers of disks, archives and media."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random as randoms
import shutil
import tarfile
import tempfile
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from uuid import UUID

from esxforge.events import ignore
from esxforge.formats.fat_layout import layout
from esxforge.formats.segments import Bytes, ImageFile, Zeros
from esxforge.image.raw_stream import RawStream
from esxforge.image.verify import _golden_records
from esxforge.media.installer import open_installer
from esxforge.standin_iso.iso import Variant, make_standin_iso
from esxforge_target.cloud_data.limits import gunzip
from esxforge_target.formats import tar_module
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import EFI_SYSTEM, GptPartition, Table
from esxforge_target.formats.gpt_disk import disk_identities, read_table, sector_size_of
from esxforge_target.formats.manifest import GOLDEN, FileRecord, Manifest
from esxforge_target.formats.stored_gzip import member_extent, stored_gzip, stored_length
from esxforge_target.hook import golden
from esxforge_target.runtime.blocks import MemoryBlocks
from esxforge_target.runtime.errors import FormatError
from fuzz import words
from fuzz.mutate import mutate_bytes, mutate_in_place, mutate_json
from fuzz.target import Target, read_all

_STRUCTURES = (16 * 2048, 60 * 2048)
_MANIFEST = "ESXFORGE-MANIFEST 1 {:010d} {}\n"


_DIRECTORY = tempfile.TemporaryDirectory(prefix="esxforge-fuzz-")  # gone with the process


@cache
def _iso() -> Path:
    directory = Path(_DIRECTORY.name)
    make_standin_iso(directory / "esxi.iso", release="7.0", variant=Variant(joliet=True, rock_ridge=True))
    return Path(shutil.copy(directory / "esxi.iso", directory / "changed.iso"))


def _iso_seeds() -> list[bytes]:
    with _iso().open("rb") as stream:
        stream.seek(_STRUCTURES[0])
        return [stream.read(_STRUCTURES[1] - _STRUCTURES[0])]


def _media(data: bytes) -> None:
    with _iso().open("r+b") as stream:
        stream.seek(_STRUCTURES[0])
        stream.write(data[: _STRUCTURES[1] - _STRUCTURES[0]])
    media = open_installer(_iso())
    assert all(file.content.offset + file.content.length <= media.size for file in media.files)


def _mutate_directories(random: Random, data: bytes) -> bytes:
    """A field of a directory record, or of a descriptor; bytes otherwise."""
    if random.random() < 0.5:
        return mutate_in_place(random, data)
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2))):
        at = changed.find(random.choice((b";1", b"RR", b"NM", b"PX", b"SL", b"CL", b"\1CD001", b"\2CD001")),
                          random.randrange(max(1, len(changed))))  # fmt: skip
        if at >= 64:
            start = at - random.randrange(64)
            changed[start : start + 4] = mutate_in_place(random, bytes(changed[start : start + 12]))[:4]
    return bytes(changed)


def _fat_seeds() -> list[bytes]:
    noise = randoms.Random(5)  # noqa: S311
    names = {"EFI/BOOT/BOOTX64.EFI": 20_000, "BOOT.CFG": 500, "a long name that needs slots.text": 9, "EMPTY.V00": 0}
    files = [ImageFile(path, Bytes(noise.randbytes(length))) for path, length in names.items()]
    seeds = []
    for bits, size in ((12, 1 << 20), (16, 5 << 20)):
        made = layout(files, volume_bytes=size, fat_bits=bits, cluster_size=512)
        parts = [part.data if isinstance(part, Bytes) else bytes(part.length) for part in made.segments
                 if isinstance(part, Bytes | Zeros)]  # fmt: skip
        seeds.append(b"".join(parts))
    return seeds


def _fat(data: bytes) -> None:
    disk = MemoryBlocks(data[: len(data) // 512 * 512])
    volume = FatVolume(disk)
    for path, entry in volume.walk():
        if not entry.is_directory:
            volume.extents(path)
            volume.read_file(path, 1 << 20)
    volume.free_bytes()
    editor = FatEditor(disk)
    editor.write_file("NEW.CFG", b"x" * 2000)
    editor.remove("BOOT.CFG", wipe=True)


def _mutate_fat(random: Random, data: bytes) -> bytes:
    """The boot sector, the FATs and the first directories matter; the rest is content."""
    head = mutate_in_place(random, data[: random.choice((64, 512, 8192, 65536))])
    return head + data[len(head) :]


def _gpt_seeds() -> list[bytes]:
    seeds = []
    for size in (512, 4096):
        table = Table.empty(UUID(int=5), size, (2 << 20) // size)
        table = table.with_partition(1, GptPartition(EFI_SYSTEM, UUID(int=6), 64, 127, "ESP"))
        disk = bytearray(2 << 20)
        primary, backup = table.primary_bytes(b""), table.backup_bytes()
        disk[: len(primary)] = primary
        disk[table.backup_offset : table.backup_offset + len(backup)] = backup
        seeds.append(bytes(disk))
    return seeds


def _gpt(data: bytes) -> None:
    disk = MemoryBlocks(data)
    disk_identities(data[:8192])
    size = sector_size_of(disk)
    reading = read_table(disk, size)
    for number, _ in reading.table.partitions:
        reading.table.byte_range(number)
    reading.table.primary_bytes(b"")


def _mutate_gpt(random: Random, data: bytes) -> bytes:
    """Fields of headers and entries; mostly with the checksums made right again, so that what follows is reached."""
    size = 4096 if data[4096:4104] == b"EFI PART" else 512
    changed = bytearray(data)
    last = len(data) - size
    for header in random.sample((size, last), random.choice((1, 2))):
        entries = 2 * size if header == size else last - 16384
        place = random.choice((header, entries))
        length = 92 if place == header else 256
        changed[place : place + length] = mutate_in_place(random, bytes(changed[place : place + length]))
        if random.random() < 0.8:
            crc = zlib.crc32(changed[entries : entries + 16384])
            changed[header + 88 : header + 92] = crc.to_bytes(4, "little")
            changed[header + 16 : header + 20] = bytes(4)
            crc = zlib.crc32(changed[header : header + 92])
            changed[header + 16 : header + 20] = crc.to_bytes(4, "little")
    return bytes(changed)


def _tar_seeds() -> list[bytes]:
    entries = [tar_module.directory("esxforge"), tar_module.file("esxforge/secrets.json", b"{}" * 2048),
               tar_module.link("etc/x", "/y"), tar_module.file("a/" + "long" * 20, b"z")]  # fmt: skip
    many = []
    for form in (tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=form) as archive:
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE):
                entry = tarfile.TarInfo(("d/" * 30 if form == tarfile.USTAR_FORMAT else "d/" * 70) + str(kind[0]))
                entry.type, entry.linkname = kind, "x" * (150 if form == tarfile.GNU_FORMAT else 90)
                entry.pax_headers = {"size": "0"}
                archive.addfile(entry)
        many.append(made.getvalue())
    with_pax = io.BytesIO()
    with tarfile.open(fileobj=with_pax, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("\u00fc" * 60)
        member.size = 5
        archive.addfile(member, io.BytesIO(b"hello"))
    packed = [gzip.compress(many[0], mtime=0), gzip.compress(many[0], mtime=0)[:-9], b"\x1f\x8b", b"", bytes(512)]
    return [tar_module.build(entries), with_pax.getvalue(), *many, *packed]


def _tar(data: bytes) -> None:
    tar_module.read(data)


def _mutate_tar(random: Random, data: bytes) -> bytes:
    """A header with its checksum made right, mostly."""
    if random.random() < 0.2:
        return mutate_bytes(random, data)
    changed = bytearray(data)
    at = random.randrange(max(1, len(changed) // 512)) * 512
    block = bytearray(mutate_in_place(random, bytes(changed[at : at + 512]).ljust(512, b"\0")))
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    changed[at : at + 512] = block
    return bytes(changed)


def _gzip_seeds() -> list[bytes]:
    tar = _tar_seeds()[0]
    pack = zlib.compressobj(wbits=31)
    return [stored_gzip(tar, stored_length(tar, "esxforge/secrets.json"), "esxforge/secrets.json"),
            pack.compress(tar) + pack.flush()]  # fmt: skip


def _gzip(data: bytes) -> None:
    path = _iso().with_name("image.gz")
    path.write_bytes(data)
    read_all(
        lambda: gunzip(data, "it"),
        lambda: tar_module.read(data),
        lambda: member_extent(data, "esxforge/secrets.json"),
        lambda: sum(map(len, RawStream(path, "reading", ignore).chunks())),
    )


def _manifest_seeds() -> list[bytes]:
    release = {
        "version": "8.0.3",
        "build": "24280767",
        "update": "8.0U3b",
        "profile": "p",
        "vendor": "v",
        "source": "s",
    }
    details = {
        "tool": {"name": "esxforge", "version": "0.1.0"},
        "iso": {"name": "esxi.iso", "size": 5, "sha256": "0" * 64},
        "release": release,
        "vibs": [{"name": "esx-base", "version": "8.0.3-0.35.24280767", "vendor": "VMware"}],
        "recipe": {"image": {"kind": "golden"}},
        "maas": {"name": "esxi/8.0.3", "title": "VMware ESXi 8.0U3b"},
    }
    golden = {
        "firmware": ["UEFI"], "renewed_volumes": [5, 6], "build": "8.0.3", "life": "never-started", "boot_bank": 5,
        "shared_by_all_hosts": ["x"], "structures": [{"path": "a", "offset": 0, "length": 5, "sha256": "0" * 64}],
    }  # fmt: skip
    files = [FileRecord("B.B00", 1 << 20, 512, "0" * 64, True)]
    bad = [b"", b"x", b"ESXFORGE-MANIFEST 2 0000000001 " + b"0" * 64 + b"\n{}",
           b"ESXFORGE-MANIFEST 1 0000000002 " + b"0" * 64 + b"\n{}"]  # fmt: skip
    bad.append(json.dumps(Manifest("golden", "8.0.3", 512, 1 << 30, "g", 1, 1, files, details).document()).encode())
    return bad + [
        json.dumps(Manifest(kind, "8.0.3", 512, 1 << 30, "g", 1 << 20, 1 << 20, files, more).document()).encode()
        for kind, more in (("installer", details), ("golden", {**details, "golden": golden}))
    ]


def _manifest(data: bytes) -> None:
    with suppress(FormatError):  # without its first line, or with a damaged one
        Manifest.parse(data)
    first = _MANIFEST.format(len(data), hashlib.sha256(data).hexdigest())
    manifest = Manifest.parse(first.encode() + data)
    _golden_records(manifest)
    manifest.details["release"]["version"], manifest.details["maas"]["title"]
    f"{manifest.raw_size / 2**20:.0f}"
    assert Manifest.parse(manifest.to_bytes(manifest.length_needed())) == manifest
    if manifest.kind == GOLDEN:
        table = Table.empty(UUID(int=5), 512, 1 << 20)
        golden.bios_start(manifest), golden.starts_by_uefi(manifest)
        read_all(lambda: golden.renewed_volumes(table, manifest), lambda: golden.slot_in_bank(manifest))


def _mutate_manifest(random: Random, data: bytes) -> bytes:
    return mutate_json(random, data, words.MANIFEST)


_T, _E = "esxforge_target/", "esxforge/"
TARGETS = (
    Target("media", _media, _iso_seeds, _mutate_directories,
           (_E + "media/isotree.py", _E + "media/volume.py:read_volume")),
    Target("fat", _fat, _fat_seeds, _mutate_fat,
           (_T + "formats/fat_volume.py", _T + "formats/fat_geometry.py", _T + "formats/fat_directory.py",
            _T + "formats/fat_table.py")),
    Target("gpt", _gpt, _gpt_seeds, _mutate_gpt, (_T + "formats/gpt_parse.py", _T + "formats/gpt_disk.py")),
    Target("tar-module", _tar, _tar_seeds, _mutate_tar,
           (_T + "formats/tar_module.py:unzip,_read_bounded,read_tar,_check_sum,_number,"
            "_decimal,_pax,_entry",), "tar"),
    Target("gzip", _gzip, _gzip_seeds, mutate_bytes,
           (_T + "formats/stored_gzip.py:stored_offset,member_extent,_find,_blocks", _T + "cloud_data/limits.py",
            _E + "image/raw_stream.py"), "gz"),
    Target("manifest", _manifest, _manifest_seeds, _mutate_manifest,
           (_T + "formats/manifest.py:Manifest.parse,_manifest",
            _T + "hook/golden.py:bios_start,starts_by_uefi,renewed_volumes,slot_in_bank"), "json"),
)  # fmt: skip

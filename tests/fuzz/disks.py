"""Readers of archives and manifests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tarfile
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from random import Random
from uuid import UUID

from esxforge.events import ignore
from esxforge.image.raw_stream import RawStream
from esxforge.image.verify import _golden_records
from esxforge_target.cloud_data.limits import gunzip
from esxforge_target.formats import tar_module
from esxforge_target.formats.gpt import Table
from esxforge_target.formats.manifest import GOLDEN, FileRecord, Manifest
from esxforge_target.formats.stored_gzip import member_extent, stored_gzip, stored_length
from esxforge_target.hook import golden
from esxforge_target.runtime.errors import FormatError
from fuzz import words
from fuzz.mutate import mutate_bytes, mutate_in_place, mutate_json
from fuzz.target import Target, read_all

_MANIFEST = "ESXFORGE-MANIFEST 1 {:010d} {}\n"


_DIRECTORY = tempfile.TemporaryDirectory(prefix="esxforge-fuzz-")  # gone with the process


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
    odd = [_with_sum(_header(name, size, kind) + content) + bytes(1024) for name, size, kind, content in (
        (b"x", b"\x80" + bytes(10) + b"\5", b"0", b"hello"), (b"x", b"\x80" + b"\xff" * 11, b"0", b""),
        (b"d/", b"0", b"0", b""), (b"/x", b"0", b"0", b""), (b"a/../x", b"0", b"5", b""), (b"./", b"0", b"5", b""),
        (b"g", b"13", b"g", b"11 path=ab\n"), (b"x", b"9", b"0", b"x"), (b"long", b"4", b"L", b"name"),
        (b"pax", b"12", b"x", b"10 size=x\n"), (b"pax", b"11", b"x", b"9 size=\n"), (b"\xff", b"8", b"7", b""),
    )]  # fmt: skip
    odd.append(_with_sum(_header(b"pax", b"14", b"x") + b"12 size=-1\n\0") + odd[0])
    return [tar_module.build(entries), with_pax.getvalue(), *many, *packed, *odd, odd[9][:1024] + odd[0]]


def _header(name: bytes, size: bytes, kind: bytes) -> bytes:
    head = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size.ljust(12, b"\0") + b"0".ljust(12, b"\0")
    return (head + b" " * 8 + kind).ljust(512, b"\0")


def _with_sum(entry: bytes) -> bytes:
    """A header and its data in blocks, the header's checksum right."""
    header = entry[:148] + b" " * 8 + entry[156:512]
    return header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:] + entry[512:].ljust(512, b"\0")


def _tar(data: bytes) -> None:
    tar_module.read(data)


def _mutate_tar(random: Random, data: bytes) -> bytes:
    """A header with its checksum made right, mostly."""
    if random.random() < 0.2:
        return mutate_bytes(random, data)
    changed = bytearray(data)
    at = random.randrange(max(1, len(changed) // 512)) * 512
    reach = random.choice((160, 512))
    block = mutate_in_place(random, bytes(changed[at : at + reach])) + bytes(changed[at + reach : at + 512])
    changed[at : at + 512] = _with_sum(block.ljust(512, b"\0"))[:512]
    return bytes(changed)


def _gzip_seeds() -> list[bytes]:
    tar = _tar_seeds()[0]
    name = "esxforge/secrets.json"
    pack = zlib.compressobj(wbits=31)
    packed = pack.compress(tar) + pack.flush()
    without = tar_module.build([tar_module.file("other", b"")])
    return [
        stored_gzip(tar, stored_length(tar, name), name), stored_gzip(tar, stored_length(tar) + 9000), packed,
        stored_gzip(without, stored_length(without)), _in_blocks(tar, 700), _in_blocks(tar, len(tar)),
        _in_blocks(tar_module.build([tar_module.directory("esxforge"), tar_module.file(name, b"")]), 512),
        packed + b"more", packed[:-9], gzip.compress(bytes((1 << 16) + 1), mtime=0), b"",
    ]  # fmt: skip


def _in_blocks(data: bytes, length: int) -> bytes:
    """A gzip file of stored blocks of that length, as others than esxforge may write it."""
    out = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff"]
    for at in range(0, len(data), length):
        block = data[at : at + length]
        out.append(struct.pack("<BHH", at + length >= len(data), len(block), len(block) ^ 0xFFFF) + block)
    return b"".join(out) + struct.pack("<II", zlib.crc32(data), len(data))


def _mutate_gzip(random: Random, data: bytes) -> bytes:
    """Bytes, or of a file of stored blocks the tar in it, packed again."""
    content = b""
    if random.random() < 0.5 and len(data) < 1 << 16:
        with suppress(Exception):
            content = gzip.decompress(data)
    if not content or len(content) > 1 << 16:
        return mutate_bytes(random, data)
    changed = _mutate_tar(random, content)
    return _in_blocks(changed, random.choice((512, 700, 1 << 15)))


def _gzip(data: bytes) -> None:
    path = Path(_DIRECTORY.name, "image.gz")
    path.write_bytes(data)
    read_all(
        lambda: gunzip(data, "it", 1 << 16),
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
    files = [FileRecord("B.B00", 1 << 20, 512, "0" * 64, True), FileRecord("5/ESXFORGE.TGZ", 5, 5, "0" * 64, True)]
    bios = {"starts": True, "reason": "r", "boot_code": "guid", "partition": 1}
    far = [FileRecord("B.B00", 1 << 30, 512, "0" * 64)]
    bad = [b"", b"x", b"ESXFORGE-MANIFEST 2 0000000001 " + b"0" * 64 + b"\n{}",
           b"ESXFORGE-MANIFEST 1 0000000002 " + b"0" * 64 + b"\n{}"]  # fmt: skip
    for kind, records, more in (("golden", files, details), ("installer", far, details),
                                ("golden", files[:1], {**details, "golden": {**golden, "bios": bios}})):  # fmt: skip
        bad.append(json.dumps(Manifest(kind, "8.0.3", 512, 1 << 30, "g", 1, 1, records, more).document()).encode())
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
    Target("tar-module", _tar, _tar_seeds, _mutate_tar,
           (_T + "formats/tar_module.py:unzip,_read_bounded,read_tar,_check_sum,_number,"
            "_decimal,_pax,_entry",), "tar"),
    Target("gzip", _gzip, _gzip_seeds, _mutate_gzip,
           (_T + "formats/stored_gzip.py:stored_offset,member_extent,_find,_blocks", _T + "cloud_data/limits.py",
            _E + "image/raw_stream.py"), "gz"),
    Target("manifest", _manifest, _manifest_seeds, _mutate_manifest,
           (_T + "formats/manifest.py:Manifest.parse,_manifest",
            _T + "hook/golden.py:bios_start,starts_by_uefi,renewed_volumes,slot_in_bank"), "json"),
)  # fmt: skip

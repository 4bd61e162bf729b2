"""Readers of whole disks and images: capture, verify and inspect, and the self-test's look at a guest's disks.

What esxforge itself adds to a disk, and how much room it keeps, is smaller here than it is for hosts, and pieces are
shorter: small disks then are as good as large ones, and thousands of them are read in a minute.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from unittest.mock import patch

from esxforge.events import ignore
from esxforge.image import captured_data, captured_edits, raw_stream, verify
from esxforge.image.capture import CaptureOptions, capture_disk
from esxforge.image.hardware_release import hardware_release
from esxforge.image.host_settings import captured_settings
from esxforge.image.inspect import describe
from esxforge.recipe.load import load_recipe
from esxforge.recipe.model import Recipe
from esxforge.selftest.snapshots import take_snapshot
from fuzz.addons import small_add_ons
from fuzz.isos import iso_seeds
from fuzz.made_disks import golden_images, installed_disks, installer_images, manifest_in, with_right_hashes, with_text
from fuzz.mutate import mutate_bytes, mutate_in_place, mutate_json, mutate_lines
from fuzz.target import Target, read_all
from fuzz.volumes import mutate_fat, mutate_gpt

# In memory where there is such a directory: each case is a file, and capturing syncs what it writes.
_MEMORY = Path("/dev/shm")
_DIRECTORY = tempfile.TemporaryDirectory(
    prefix="esxforge-fuzz-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None
)  # gone with the process
_SECTOR = 512
_KIB = 1024
# Runs of zeros from this length on are not part of an input.
_HOLE = 2 * _SECTOR


@contextmanager
def _small() -> Iterator[None]:
    """What capturing adds, and keeps free, on a small disk; and pieces as short as such a disk is."""
    with ExitStack() as stack:
        for module, name, value in (
            (captured_edits, "target_zip", lambda: b"PK" * _KIB),
            (captured_edits, "HOST_MODULE_BYTES", 20_000),
            (captured_edits, "_LEAST_BESIDE_CODE_BYTES", 10 * _KIB),
            (captured_edits, "_KEPT_FREE_IN_BANK_BYTES", 64 * _KIB),
            (captured_edits, "_KEPT_FREE_BESIDE_HOOK_BYTES", 16 * _KIB),
            (captured_data, "_TOLD_EVERY_BYTES", 64 * _KIB),
            (captured_data, "_JOINED_BYTES", 64 * _KIB),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield


@dataclass(frozen=True)
class _Disk:
    """A disk's size, and the pieces of it, (offset, length), that are not empty; what they hold is an input."""

    size: int
    pieces: tuple[tuple[int, int], ...]
    good: bytes

    def whole(self, data: bytes) -> bytearray:
        """The disk with these pieces."""
        made = bytearray(self.size)
        at = 0
        for offset, length in self.pieces:
            made[offset : offset + length] = data[at : at + length].ljust(length, b"\0")
            at += length
        return made

    def taken(self, disk: bytes | bytearray) -> bytes:
        """The pieces of a disk of this size."""
        return b"".join(bytes(disk[offset : offset + length]) for offset, length in self.pieces)


def _pieces(disk: bytes) -> _Disk:
    pieces: list[tuple[int, int]] = []
    for offset in range(0, len(disk), _SECTOR):
        if disk[offset : offset + _SECTOR] == bytes(_SECTOR):
            continue
        if pieces and offset - sum(pieces[-1]) <= _HOLE:
            pieces[-1] = (pieces[-1][0], offset + _SECTOR - pieces[-1][0])
        else:
            pieces.append((offset, _SECTOR))
    made = _Disk(len(disk), tuple(pieces), b"")
    return _Disk(len(disk), tuple(pieces), made.taken(disk))


@cache
def _installed() -> tuple[_Disk, ...]:
    return tuple(_pieces(disk) for disk in installed_disks())


def _installed_seeds() -> list[bytes]:
    """The number of a disk, and its pieces."""
    return [bytes([number]) + disk.good for number, disk in enumerate(_installed())]


def _shape(data: bytes) -> _Disk:
    return _installed()[(data[0] if data else 0) % len(_installed())]


def _written(data: bytes) -> Path:
    """The disk of an input as a file, with holes between the pieces, as disks of virtual machines have."""
    shape, at = _shape(data), 1
    path = Path(_DIRECTORY.name, "installed.raw")
    with path.open("wb") as stream:
        for offset, length in shape.pieces:
            stream.seek(offset)
            stream.write(data[at : at + length])
            at += length
        stream.truncate(shape.size)
    return path


def _capture(data: bytes) -> None:
    disk = _written(data)
    recipe = _golden_recipe()
    with _small():
        capture_disk(
            disk,
            recipe,
            lambda release: captured_settings(recipe, release, ignore),
            CaptureOptions(Path(_DIRECTORY.name, "captured.raw"), overwrite=True, allow_booted=True),
            ignore,
        )


@cache
def _golden_recipe() -> Recipe:
    return load_recipe(None, {"image": {"kind": "golden", "format": "raw"}, "root_password": {"random": True}})


def _guest_disks(data: bytes) -> str:
    disk = _written(data)
    blank = Path(_DIRECTORY.name, "blank.raw")
    blank.write_bytes(bytes(_KIB))
    found = take_snapshot(disk, blank, ("secret",))
    bank = found.boot.current_bank
    return f"{found.boot.problem} {bank.problem if bank else 'none'} {[one.problem for one in found.boot.banks]}"


def _mutate_installed(random: Random, data: bytes) -> bytes:
    """A table, a volume, or a file of a bank; rarely bytes anywhere, or of another disk."""
    kind = random.random()
    shape = _shape(data)
    if not data or kind < 0.05:
        return bytes([random.randrange(256)]) + mutate_in_place(random, data[1:])
    whole = shape.whole(data[1:])
    if kind < 0.25:
        whole[:] = mutate_gpt(random, bytes(whole)).ljust(shape.size, b"\0")[: shape.size]
    elif kind < 0.55:
        _mutate_volume(random, whole)
    elif kind < 0.8:
        _mutate_file(random, whole)
    else:
        offset, length = random.choice(shape.pieces)
        at = offset + random.randrange(0, length, _SECTOR)
        whole[at : at + _SECTOR] = mutate_in_place(random, bytes(whole[at : at + _SECTOR]))
    return data[:1] + shape.taken(whole)


_STARTS = (b"bootstate=", b"\x1f\x8b\x08", b"local.tgz", b"esxforge/")


def _mutate_file(random: Random, whole: bytearray) -> None:
    """Lines of a boot.cfg, which fills a cluster; or a member of a tar, whose checksum is corrected."""
    start = random.choice(_STARTS)
    at = whole.find(start, random.randrange(max(1, len(whole))))
    at = whole.find(start) if at < 0 else at
    if at < 0:
        return
    reach = _KIB if start == b"bootstate=" else _SECTOR
    content = bytes(whole[at : at + reach])
    if start == b"bootstate=":
        changed = mutate_lines(random, content.rstrip(b"\0"))
    elif start == b"\x1f\x8b\x08":
        changed = mutate_in_place(random, content)
    else:
        block = bytearray(mutate_in_place(random, content[: random.choice((100, 160))]) + content)[:_SECTOR]
        block[148:156] = b" " * 8
        changed = bytes(block[:148]) + f"{sum(block):06o}\0 ".encode() + bytes(block[156:])
    whole[at : at + reach] = changed.ljust(reach, b"\0")[:reach]


def _mutate_volume(random: Random, whole: bytearray) -> None:
    """A FAT volume, on any partition of the primary table."""
    size = 4096 if whole[4096:4104] == b"EFI PART" else _SECTOR
    places = []
    for at in range(2 * size, 2 * size + 16 * 128, 128):
        first, last = (int.from_bytes(whole[at + n : at + n + 8], "little") * size for n in (32, 40))
        if any(whole[at : at + 16]) and first <= last < len(whole):
            places.append((first, last + size))
    if places:
        first, end = random.choice(places)
        content = bytes(whole[first:end])
        whole[first:end] = mutate_fat(random, content).ljust(len(content), b"\0")[: len(content)]


# An input of a reader of images: a byte of options, then the raw disk.
_GZIP, _MORE, _CUT, _SHORT_PIECES = 1, 2, 4, 8
_COMPANIONS = 16  # times: none, the right one, another image's, a damaged one


def _image(data: bytes) -> None:
    options, content = (data[0] if data else 0), data[1:]
    if options & _GZIP:
        content = gzip.compress(content, 0, mtime=0)
        content += b"more" if options & _MORE else b""
    if options & _CUT:
        content = content[:-9] if options & _GZIP else content[: len(content) // 3]
    path = Path(_DIRECTORY.name, "image.dd")
    path.write_bytes(content)
    companion = path.with_name(path.name + ".manifest.json")
    companion.unlink(missing_ok=True)
    kind = options // _COMPANIONS % 4
    if kind:
        told = hashlib.sha256(content if kind == 1 else b"").hexdigest()
        companion.write_text(json.dumps({"image": {"sha256": told}})[: None if kind < 3 else 9], "ascii")
    piece = 16 * _KIB if options & _SHORT_PIECES else 1 << 20
    with patch.object(raw_stream, "_CHUNK_BYTES", piece), patch.object(verify, "_HEAD_BYTES", piece):
        read_all(lambda: describe(path, ignore), lambda: hardware_release(path, None))


def _image_seeds() -> list[bytes]:
    first, golden = installer_images()[0], golden_images()[0]
    images = (*installer_images(), *golden_images())
    iso = iso_seeds()[0]
    ways = (_GZIP | 16, _GZIP | _MORE, _GZIP | _CUT, _CUT, _CUT | _SHORT_PIECES, _GZIP | _SHORT_PIECES, 32, 48)
    return [
        *(bytes([options]) + raw for raw in (first, golden) for options in ways),
        *(bytes([options]) + raw for raw in images for options in (0, _SHORT_PIECES)),
        *(bytes(1) + one for one in (iso, *small_add_ons(), with_text(first, b"{}"), bytes(40_000), bytes(9))),
        bytes([_GZIP]) + iso, bytes([_GZIP]) + bytes(40_000), b"",
    ]  # fmt: skip


def _mutate_image(random: Random, data: bytes) -> bytes:
    """Options, tables, volumes, or the manifest. Mostly what the manifest says of the rest is corrected."""
    kind = random.random()
    if not data or kind < 0.1:
        return bytes([random.randrange(64)]) + data[1:]
    raw = data[1:]
    if kind < 0.3:
        raw = mutate_gpt(random, raw)
    elif kind < 0.6:
        whole = bytearray(raw)
        _mutate_volume(random, whole)
        raw = bytes(whole)
    elif kind < 0.85:
        raw = _with_other_manifest(random, raw)
    elif kind < 0.95:
        at = random.randrange(max(1, len(raw)))
        raw = raw[:at] + mutate_in_place(random, raw[at : at + 64]) + raw[at + 64 :]
    else:
        raw = mutate_bytes(random, raw)
    return data[:1] + (with_right_hashes(raw) if random.random() < 0.6 else raw)


def _with_other_manifest(random: Random, raw: bytes) -> bytes:
    at, length = manifest_in(raw)
    if not length:
        return mutate_in_place(random, raw)
    _, _, text = raw[at : at + length].partition(b"\n")
    return with_text(raw, mutate_json(random, text.rstrip(b" \n")))


_T, _E = "esxforge_target/", "esxforge/"
TARGETS = (
    Target("capture", _capture, _installed_seeds, _mutate_installed,
           (_E + "image/installed_disk.py", _E + "image/captured_data.py", _E + "image/captured_edits.py",
            _E + "image/bios_start.py", _T + "formats/boot_code.py",
            _T + "esxi/banks.py:bank_to_boot,why_none,_taken,_stops_at,judged,module_name")),
    Target("image", _image, _image_seeds, _mutate_image,
           (_E + "image/verify.py", _E + "image/inspect.py", _E + "image/hardware_release.py")),
    Target("guest-disks", _guest_disks, _installed_seeds, _mutate_installed,
           (_E + "selftest/snapshots.py:take_snapshot,_read_disk,_read_bank,_bank,_module",)),
)  # fmt: skip

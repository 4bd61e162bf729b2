"""Readers of whole disks and images: capture, verify and inspect, and the self-test's look at a guest's disks.

An input is what such a file says of itself: its tables, boot sectors, FATs, directories and small files, without the
content between them. It is written into a scratch file, in the places that it came from.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random

from esxforge.events import ignore
from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.image.capture import CaptureOptions, capture_disk
from esxforge.image.hardware_release import hardware_release
from esxforge.image.host_settings import captured_settings
from esxforge.image.inspect import describe
from esxforge.recipe.load import load_recipe
from esxforge.selftest.snapshots import take_snapshot
from esxforge.standin_iso.iso import make_standin_iso
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import BASIC_DATA, EFI_SYSTEM
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.formats.manifest import MANIFEST_PATH
from esxforge_target.runtime.blocks import FileBlocks, Window
from esxforge_target.runtime.errors import FormatError
from fuzz.mutate import mutate_in_place, mutate_json
from fuzz.target import Target, read_all
from standin import installed
from standin.esxi import label as labels
from standin.esxi.presets import BASIC, ESP

_DIRECTORY = tempfile.TemporaryDirectory(prefix="esxforge-fuzz-")  # gone with the process
_SECTOR = 512
_MIB = 1 << 20
# Larger files are content; what is smaller may be read.
_SMALL_FILE = 8 << 10
_PARTITIONS_MIB = ((1, 0, 4, ESP), (5, 4, 25, BASIC), (6, 25, 30, BASIC), (7, 30, 34, labels.VMFSL))
_FIRST_LINE = b"ESXFORGE-MANIFEST 1 %010d %s\n"


@dataclass(frozen=True)
class _Disk:
    """A scratch file, the pieces of it, (offset, length), that inputs hold, and what they held when it was made."""

    path: Path
    pieces: tuple[tuple[int, int], ...]
    good: bytes
    manifest: tuple[int, int] = (0, 0)

    @property
    def heads(self) -> list[int]:
        """Where in an input each piece begins."""
        starts, at = [], 0
        for _, length in self.pieces:
            starts.append(at)
            at += length
        return starts

    def write(self, data: bytes) -> None:
        at = 0
        with self.path.open("r+b") as stream:
            for offset, length in self.pieces:
                stream.seek(offset)
                stream.write(data[at : at + length].ljust(length, b"\0"))
                at += length

    def place(self, offset: int) -> int:
        """Where in an input the disk's byte ``offset`` is."""
        at = 0
        for start, length in self.pieces:
            if start <= offset < start + length:
                return at + offset - start
            at += length
        raise LookupError(offset)


def _read(descriptor: int, offset: int, length: int) -> bytes:
    return os.pread(descriptor, length, offset)


def _disk(path: Path) -> _Disk:
    """The structures of a finished disk file: sectors that are not empty, and no content of large files."""
    content: list[tuple[int, int]] = []
    manifest = (0, 0)
    with FileBlocks(str(path)) as blocks:
        table = read_table(blocks).table
        for number, partition in table.partitions:
            offset, length = table.byte_range(number)
            volume = None
            if partition.type_guid in (EFI_SYSTEM, BASIC_DATA):
                with suppress(FormatError):
                    volume = FatVolume(Window(blocks, offset, length))
            if volume is None:
                content.append((offset, length))
                continue
            for name, entry in volume.walk():
                runs = [
                    (offset + start, size)
                    for start, size in ([] if entry.is_directory else volume.extents_of(name, entry))
                ]
                if name.upper() == MANIFEST_PATH.upper():
                    ((start, _),) = runs
                    manifest = (start, entry.size)
                elif entry.size > _SMALL_FILE:
                    content += runs
        size = blocks.size
    pieces: list[tuple[int, int]] = []
    with path.open("rb") as stream:
        for offset in range(0, size, _SECTOR):
            if any(start <= offset < start + length for start, length in content):
                continue
            if not any(_read(stream.fileno(), offset, _SECTOR)):
                continue
            if pieces and sum(pieces[-1]) == offset:
                pieces[-1] = (pieces[-1][0], pieces[-1][1] + _SECTOR)
            else:
                pieces.append((offset, _SECTOR))
    with path.open("rb") as stream:
        good = b"".join(_read(stream.fileno(), *piece) for piece in pieces)
    return _Disk(path, tuple(pieces), good, manifest)


@cache
def _installed() -> _Disk:
    """A small disk as VMware's installer leaves it, that a BIOS starts, too."""
    path = Path(_DIRECTORY.name, "installed.raw")
    size = _PARTITIONS_MIB[-1][2] * _MIB
    with path.open("wb") as stream:
        stream.truncate(size)
    label = labels.Label(size // _SECTOR)
    for number, start, end, kind in _PARTITIONS_MIB:
        first = max(64, start * _MIB // _SECTOR)
        last = min(end * _MIB // _SECTOR - 1, label.usable[1])
        label.add(labels.Partition(number, first, last, kind, 128 if number == 1 else 0))
    labels.write_label(str(path), label)
    layout = installed.InstalledLayout(size=size, module_bytes=9000, state=installed.FRESH_FILES)
    installed.fill(path, label, layout)
    installed.make_bios_bootable(path, "guid")
    return _disk(path)


@cache
def _installer_image() -> _Disk:
    directory = Path(_DIRECTORY.name)
    make_standin_iso(directory / "esxi.iso", release="7.0")
    recipe = load_recipe(
        None, {"image": {"format": "raw"}, "install": {"accept_eula": True}, "root_password": {"random": True}}
    )
    built = build_installer_image(directory / "esxi.iso", recipe, BuildOptions(directory / "installer.raw"), ignore)
    return _disk(built.image)


@cache
def _golden_image() -> _Disk:
    path = Path(_DIRECTORY.name, "golden.raw")
    _installed().write(_installed().good)
    _capture_to(path)
    return _disk(path)


def _capture_to(path: Path) -> None:
    recipe = load_recipe(None, {"image": {"kind": "golden", "format": "raw"}, "root_password": {"random": True}})
    capture_disk(
        _installed().path,
        recipe,
        lambda release: captured_settings(recipe, release, ignore),
        CaptureOptions(path, overwrite=True, allow_booted=True),
        ignore,
    )


def _capture(data: bytes) -> None:
    _installed().write(data)
    _capture_to(Path(_DIRECTORY.name, "captured.raw"))


def _guest_disks(data: bytes) -> str:
    _installed().write(data)
    blank = Path(_DIRECTORY.name, "blank.raw")
    blank.touch()
    with blank.open("r+b") as stream:
        stream.truncate(1 << 20)
    found = take_snapshot(_installed().path, blank, ("secret",))
    bank = found.boot.current_bank
    return f"{found.boot.problem} {bank.problem if bank else 'none'} {[one.problem for one in found.boot.banks]}"


def _image(disk: Callable[[], _Disk]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        path = disk().path
        disk().write(data)
        read_all(lambda: describe(path, ignore), lambda: hardware_release(path, None))

    return run


def _mutate(disk: Callable[[], _Disk]) -> Callable[[Random, bytes], bytes]:
    """Somewhere in the structures; mostly with checksums of tables and manifest made right again."""

    def mutate(random: Random, data: bytes) -> bytes:
        shape = disk()
        changed = bytearray(data.ljust(sum(length for _, length in shape.pieces), b"\0"))
        start, length = shape.manifest
        if length and random.random() < 0.3:
            at = shape.place(start)
            changed[at : at + length] = _with_other_manifest(random, bytes(changed[at : at + length]))
            return bytes(changed)
        for _ in range(random.choice((1, 1, 2))):
            # Each piece has the same chance: the boot sector of a volume is as interesting as a large directory.
            piece = random.choice(shape.pieces)
            at = shape.place(piece[0]) + random.randrange(0, piece[1], _SECTOR)
            if random.random() < 0.2:  # boot code, and the sectors of which each has its place in the format
                at = random.choice(shape.heads)
            reach = random.choice((64, _SECTOR))
            changed[at : at + reach] = mutate_in_place(random, bytes(changed[at : at + reach]))
        if random.random() < 0.8:
            _mend_table(shape, changed)
        return bytes(changed)

    return mutate


def _with_other_manifest(random: Random, found: bytes) -> bytes:
    """The same length, with the right hash; as it was where the new one is too long or there was none."""
    _, _, rest = found.partition(b"\n")
    text = mutate_json(random, rest.rstrip(b" \n"))
    first = _FIRST_LINE % (len(text), sha256(text).hexdigest().encode())
    new = (first + text).ljust(len(found))
    return new if len(new) == len(found) else found


def _mend_table(shape: _Disk, changed: bytearray) -> None:
    size = shape.path.stat().st_size
    for header, entries in ((_SECTOR, 2 * _SECTOR), (size - _SECTOR, size - 33 * _SECTOR)):
        at, table = shape.place(header), b""
        for sector in range(entries, entries + 32 * _SECTOR, _SECTOR):
            with suppress(LookupError):
                place = shape.place(sector)
                table += bytes(changed[place : place + _SECTOR])
                continue
            table += bytes(_SECTOR)
        changed[at + 88 : at + 92] = zlib.crc32(table).to_bytes(4, "little")
        changed[at + 16 : at + 20] = bytes(4)
        changed[at + 16 : at + 20] = zlib.crc32(bytes(changed[at : at + 92])).to_bytes(4, "little")


_T, _E = "esxforge_target/", "esxforge/"
TARGETS = (
    Target("capture", _capture, lambda: [_installed().good], _mutate(_installed),
           (_E + "image/installed_disk.py", _E + "image/captured_data.py", _E + "image/captured_edits.py",
            _E + "image/bios_start.py", _T + "formats/boot_code.py",
            _T + "esxi/banks.py:bank_to_boot,why_none,_taken,_stops_at,judged,module_name")),
    Target("image", _image(_installer_image), lambda: [_installer_image().good], _mutate(_installer_image),
           (_E + "image/verify.py", _E + "image/inspect.py", _E + "image/hardware_release.py")),
    Target("golden-image", _image(_golden_image), lambda: [_golden_image().good], _mutate(_golden_image),
           (_E + "image/verify.py", _E + "image/inspect.py", _E + "image/hardware_release.py")),
    Target("guest-disks", _guest_disks, lambda: [_installed().good], _mutate(_installed),
           (_E + "selftest/snapshots.py:take_snapshot,_read_disk,_read_bank,_bank,_module",)),
)  # fmt: skip

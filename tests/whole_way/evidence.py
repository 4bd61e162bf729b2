"""What is on a machine's disks once its power is off: bytes that may stand nowhere, files, identifiers.

Disks are sparse files; only what was ever written is read. Files are looked into as well as sectors: what is packed
(gzip, tar, one in the other) is unpacked first, since no search finds a secret in a deflate stream.
"""

from __future__ import annotations

import errno
import io
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.runtime.blocks import FileBlocks, Window
from esxforge_target.runtime.errors import FormatError

_CHUNK = 8 << 20
_GZIP = b"\x1f\x8b\x08"
_DEEPEST = 4


@dataclass(frozen=True)
class Found:
    """Where a forbidden string stands."""

    place: str
    name: str


def extents(path: Path) -> Iterator[tuple[int, int]]:
    """(offset, length) of what is not a hole."""
    with path.open("rb") as file:
        end = 0
        while True:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return
                raise
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            yield start, end - start


def find_in_sectors(path: Path, forbidden: dict[str, bytes]) -> list[Found]:
    """Where the forbidden strings (by their name for people) stand on a disk, byte for byte."""
    overlap = max(1, *map(len, forbidden.values()))
    found: dict[Found, None] = {}
    with path.open("rb") as file:
        for start, length in extents(path):
            position, kept = start, b""
            while position < start + length:
                file.seek(position)
                data = kept + file.read(min(_CHUNK, start + length - position))
                base = position - len(kept)
                for name, needle in forbidden.items():
                    at = data.find(needle)
                    while at >= 0:
                        found[Found(f"{path.name}, byte {base + at}", name)] = None
                        at = data.find(needle, at + 1)
                position = base + len(data)
                kept = data[-overlap:]
    return list(found)


def volumes(path: Path) -> Iterator[tuple[int, FatVolume]]:
    """The FAT volumes of a disk by their partition's number."""
    with FileBlocks(str(path)) as disk:
        with suppress(FormatError):
            table = read_table(disk).table
            for number, _ in table.partitions:
                with suppress(FormatError):
                    yield number, FatVolume(Window(disk, *table.byte_range(number)))


def files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of every FAT volume of a disk: (``disk0.raw:5/BOOT.CFG``, content)."""
    for number, volume in volumes(path):
        for name, entry in volume.walk():
            if not entry.is_directory:
                yield f"{path.name}:{number}/{name}", volume.read_file(name, most=1 << 30)


def unpacked(name: str, data: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """A file, and what is packed in it, to the bottom."""
    yield name, data
    if depth == _DEEPEST:
        return
    if data.startswith(_GZIP):
        with suppress(zlib.error):
            yield from unpacked(f"{name}!", zlib.decompressobj(31).decompress(data), depth + 1)
        return
    if data[257:262] != b"ustar":
        return
    with suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield from unpacked(f"{name}/{member.name}", content.read(), depth + 1)


def find_in_files(path: Path, forbidden: dict[str, bytes]) -> list[Found]:
    """Where the forbidden strings stand in a disk's files, however they are packed."""
    return [
        Found(place, label)
        for name, data in files(path)
        for place, content in unpacked(name, data)
        for label, needle in forbidden.items()
        if needle in content
    ]


def leaks(paths: Iterable[Path], forbidden: dict[str, bytes]) -> list[Found]:
    """All places, in sectors and in files, of all disks."""
    return [found for path in paths for look in (find_in_sectors, find_in_files) for found in look(path, forbidden)]


def identifiers(path: Path) -> dict[str, str]:
    """What tells one disk from all others: GUIDs of table and partitions, UUIDs of boot banks, FAT serial numbers."""
    named = {}
    with FileBlocks(str(path)) as disk:
        table = read_table(disk).table
        named["disk"] = str(table.disk_guid)
        for number, partition in table.partitions:
            named[f"partition {number}"] = str(partition.guid)
    for number, volume in volumes(path):
        with suppress(FormatError):
            if uuid := volume.vmware_uuid():
                named[f"volume {number}"] = uuid.hex()
            if serial := volume.serial():
                named[f"serial {number}"] = serial.hex()
    return named

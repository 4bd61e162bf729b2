"""The bytes of an installed disk that go into the image, as segments, and their records in the manifest.

From FAT volumes: the contents of files, directories and tables, but not free clusters. From VMFS-L: all that is not
zero. Nothing from datastores, core dumps, or space outside partitions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from esxforge.errors import FormatError, ImageError
from esxforge.events import BytesDone, Listener, step
from esxforge.formats.segments import Bytes, FileRange, Segment, Zeros
from esxforge.image.installed_disk import InstalledDisk, InstalledVolume, window
from esxforge.image.overlay import Overlay
from esxforge.image.sparse import segments_of_file
from esxforge.image.stream import CHUNK_BYTES, read_exactly
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import VMFS, VMK_DIAGNOSTIC, Table
from esxforge_target.formats.manifest import FileRecord
from esxforge_target.runtime.blocks import Blocks

# Zeros are told from data in blocks of this size, whatever holes the file has: the same disk gives the same image.
_GRAIN_BYTES = 64 << 10
# Data with fewer zeros than this between them are one range.
_JOINED_BYTES = 1 << 20
_MIB = 1 << 20
_INSTALL_ANEW = "Reinstall ESXi, and capture that disk."
_TOLD_EVERY_BYTES = 64 << 20


@dataclass(slots=True)
class Data:
    """``placed`` pairs an offset on the disk with a segment; ``files`` and ``structures`` are records of them.

    ``files`` can be checked by a host's hook too; ``structures`` change when a volume is mounted.
    """

    placed: list[tuple[int, Segment]] = field(default_factory=list)
    files: list[FileRecord] = field(default_factory=list)
    structures: list[FileRecord] = field(default_factory=list)

    def add(self, more: Data) -> None:
        """Add the data of another part of the disk."""
        self.placed += more.placed
        self.files += more.files
        self.structures += more.structures


def cut_table(table: Table) -> Table:
    """Return the table without datastores, for the smallest disk (a multiple of 1 MiB) that holds the rest."""
    for number, partition in table.partitions:
        if partition.type_guid == VMFS:
            table = table.without_partition(number)
    sector = table.sector_size
    last = max(partition.last_lba for _, partition in table.partitions)
    needed = (last + 1 + table.total_sectors - table.backup_offset // sector) * sector
    total = -(-needed // _MIB) * _MIB // sector
    return table.grown_to(min(total, table.total_sectors))


def opaque_data(path: Path, found: InstalledDisk, table: Table, listener: Listener) -> Data:
    """Return the data of partitions that hold no FAT volume. Reads the disk once; holes are skipped."""
    fat = {volume.number for volume in found.volumes}
    parts = [
        (number, *table.byte_range(number))
        for number, partition in table.partitions
        if number not in fat and partition.type_guid not in (VMFS, VMK_DIAGNOSTIC)
    ]
    stored = [piece for piece in segments_with_offsets(path) if isinstance(piece[1], FileRange)]
    spans = {number: _aligned_spans(stored, start, start + length) for number, start, length in parts}
    data = Data()
    name = "reading the installed disk"
    total = sum(end - start for span in spans.values() for start, end in span)
    with step(listener, name, total), _opened(path) as disk:
        done = 0
        for number, _, _ in parts:
            scan = _Scan()
            for offset, length in _chunks(spans[number]):
                scan.feed(offset, read_exactly(disk, offset, length))
                done += length
                if done % _TOLD_EVERY_BYTES < length:
                    listener(BytesDone(name, done))
            for index, (start, length, digest) in enumerate(scan.finish(), 1):
                data.placed.append((start, FileRange(path, start, length)))
                data.files.append(FileRecord(f"{number}/data {index}", start, length, digest))
    return data


@dataclass(frozen=True, slots=True)
class DataPart:
    """A run of bytes of a FAT volume: of a file, or of its tables and directories. ``offset`` on the disk, in bytes."""

    path: str
    offset: int
    length: int
    is_structure: bool = False


def fat_parts(disk: Blocks, volume: InstalledVolume) -> Iterator[DataPart]:
    """Yield all parts that a FAT volume holds. Raises :class:`FormatError` for a damaged one."""
    fat = FatVolume(window(disk, volume))
    number, start = volume.number, volume.offset
    yield DataPart(f"{number}/file system", start, fat.geometry.data_offset, is_structure=True)
    directories = [("", fat.directory(""))]
    for name, entry in fat.walk():
        if entry.is_directory:
            directories.append((name, fat.directory(name)))
            continue
        runs = fat.extents(name)
        for index, (offset, length) in enumerate(runs, 1):
            part = f" (part {index} of {len(runs)})" if len(runs) > 1 else ""
            yield DataPart(f"{number}/{name}{part}", start + offset, length)
    for name, directory in directories:
        for index, (offset, length) in enumerate(directory.runs, 1):
            if offset >= fat.geometry.data_offset:  # FAT16's root stands before the clusters
                yield DataPart(f"{number}/directory /{name} {index}", start + offset, length, is_structure=True)


def fat_data(path: Path, overlay: Overlay, volume: InstalledVolume, skipped: str = "") -> Data:
    """Return the data of a FAT volume, including changes laid over it, except for the file ``skipped``.

    Raises :class:`FormatError` for a damaged volume.
    """
    data = Data()
    for part in fat_parts(overlay, volume):
        if part.path.upper() == skipped.upper():
            continue
        data.placed.append((part.offset, _segment(path, overlay, part)))
        digest = _digest(overlay.read_at(*chunk) for chunk in _chunks([(part.offset, part.offset + part.length)]))
        record = FileRecord(part.path, part.offset, part.length, digest)
        (data.structures if part.is_structure else data.files).append(record)
    return data


def _segment(path: Path, overlay: Overlay, part: DataPart) -> Segment:
    if part.is_structure or overlay.changed(part.offset, part.length):
        return Bytes(overlay.read_at(part.offset, part.length))
    return FileRange(path, part.offset, part.length)


def joined(placed: Sequence[tuple[int, Segment]], start: int, end: int) -> list[Segment]:
    """Return segments from ``start`` to ``end`` of a disk, zeros between them. They must not overlap."""
    segments: list[Segment] = []
    at = start
    for offset, segment in sorted(placed, key=lambda pair: pair[0]):
        if offset < at:
            raise FormatError(
                f"Two files of the installed disk share the bytes from {offset} on: it is damaged.", _INSTALL_ANEW
            )
        if offset > at:
            segments.append(Zeros(offset - at))
        segments.append(segment)
        at = offset + segment.length
    if at > end:
        raise FormatError(f"The installed disk has data at byte {at}, behind its last partition.", _INSTALL_ANEW)
    return [*segments, Zeros(end - at)] if at < end else segments


def segments_with_offsets(path: Path) -> Iterator[tuple[int, Segment]]:
    """Yield the segments of a file, each with its offset."""
    offset = 0
    for segment in segments_of_file(path):
        yield offset, segment
        offset += segment.length


def _aligned_spans(stored: Sequence[tuple[int, Segment]], first: int, end: int) -> list[tuple[int, int]]:
    """Return (start, end) of what is stored between two offsets, rounded to grains, neighbours joined."""
    spans: list[tuple[int, int]] = []
    for offset, segment in stored:
        low = max(offset // _GRAIN_BYTES * _GRAIN_BYTES, first)
        high = min(-(-(offset + segment.length) // _GRAIN_BYTES) * _GRAIN_BYTES, end)
        if low >= high:
            continue
        if spans and low <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
        else:
            spans.append((low, high))
    return spans


def _chunks(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of pieces that end at chunk boundaries."""
    for start, end in spans:
        at = start
        while at < end:
            length = min(CHUNK_BYTES - at % CHUNK_BYTES, end - at)
            yield at, length
            at += length


class _Scan:
    """Find ranges of data in chunks that come in ascending order, and hash them on the way."""

    def __init__(self) -> None:
        self._done: list[tuple[int, int, str]] = []
        self._start = -1
        self._end = 0
        self._hash = hashlib.sha256()

    def feed(self, offset: int, chunk: bytes) -> None:
        """Process ``chunk``, which is at ``offset``."""
        blank = bytes(_GRAIN_BYTES)
        if chunk == bytes(len(chunk)):
            return
        at = 0
        while at < len(chunk):
            length = min(_GRAIN_BYTES - (offset + at) % _GRAIN_BYTES, len(chunk) - at)
            grain = chunk[at : at + length]
            if grain != blank[:length]:
                self._take(offset + at, grain)
            at += length

    def finish(self) -> list[tuple[int, int, str]]:
        """Return (offset, length, SHA-256) of each range."""
        self._close()
        return self._done

    def _take(self, offset: int, grain: bytes) -> None:
        if self._start >= 0 and offset - self._end < _JOINED_BYTES:
            self._hash.update(bytes(offset - self._end))
        else:
            self._close()
            self._start = offset
            self._hash = hashlib.sha256()
        self._hash.update(grain)
        self._end = offset + len(grain)

    def _close(self) -> None:
        if self._start >= 0:
            self._done.append((self._start, self._end - self._start, self._hash.hexdigest()))
        self._start = -1


def _digest(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"Cannot read {path}: {error.strerror}.", "Check its path and permissions.") from error

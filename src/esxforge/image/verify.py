"""Check a built image from its first byte to its last, in one pass: gzip, GPT and its backup, FAT, every file's hash.

The manifest of an installer image is its last file, so every file is hashed as it passes, at the place that the FAT
gives; the manifest is compared with that at the end. That of a golden image is near the start, on the volume with
the hook, and says what to hash.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from esxforge.errors import FormatError, ImageError, InputError
from esxforge.events import Listener, Notice, StepFinished, StepStarted
from esxforge.image.bios_start import BY_GUID
from esxforge.image.maas_title import title_of
from esxforge.image.raw_stream import RawStream
from esxforge.image.stream import FileHashes
from esxforge.local.reading import check_file, read_file
from esxforge_target.formats.boot_code import named_partition
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import BASIC_DATA, EFI_SYSTEM, Table
from esxforge_target.formats.gpt_disk import disk_identities, read_table, sector_size_of
from esxforge_target.formats.manifest import (
    GOLDEN,
    LARGEST_MANIFEST_BYTES,
    MANIFEST_PATH,
    NO_HASH,
    FileRecord,
    Manifest,
)
from esxforge_target.runtime.blocks import Blocks, DiskError, Window
from esxforge_target.runtime.documents import ANYTHING, TEXT, Record, Shape, parse_document

# GPT, FATs and directories of our own images are within this; content follows.
_HEAD_BYTES = 32 << 20
# The hook of a golden image may come after the files of its boot bank (250 MB on 6.x; later ones after 101 MiB).
FARTHEST_HOOK_BYTES = 1 << 30
# The backup GPT is within this from the end.
_TAIL_BYTES = 1 << 20
_BLANK = bytes(1 << 20)
_STEP = "verifying the image"
_AGAIN = "Build it again, or copy it again from an intact copy."
_COMPANION = Shape(Record({"image": Shape(Record({"sha256": TEXT}, rest=ANYTHING))}, rest=ANYTHING))
_NOT_OURS = "Only images made by “esxforge build” or “esxforge capture” can be verified."


@dataclass(frozen=True, slots=True)
class VerifiedRelease:
    """``version`` "8.0.3", ``title`` "VMware ESXi 8.0U3e"."""

    version: str
    title: str


@dataclass(frozen=True, slots=True)
class VerifiedImage:
    """An image whose every byte was read and found right. ``size`` in bytes and ``sha256`` are the file's own."""

    path: Path
    size: int
    sha256: str
    compressed: bool
    manifest: Manifest
    table: Table

    @property
    def release(self) -> VerifiedRelease:
        """ESXi release in the image."""
        told = self.manifest.details["release"]
        return VerifiedRelease(told["version"], f"VMware ESXi {told['update'] or told['version']}")

    @property
    def maas_name(self) -> str:
        """Name of the image in MAAS."""
        name: str = self.manifest.details["maas"]["name"]
        return name

    @property
    def maas_title(self) -> str:
        """Title of the image in MAAS, with the version that built the image."""
        return title_of(str(self.manifest.details["maas"]["title"]), self.manifest.details, self.manifest.kind)


def verify_image(path: Path, listener: Listener) -> VerifiedImage:
    """Verify the image at ``path``, raw or gzip. Raises :class:`ImageError` with the mismatch, and
    :class:`InputError` for a file that cannot be read."""
    stream = RawStream(path, _STEP, listener)
    listener(StepStarted(_STEP, check_file(path).st_size))
    seen = _Seen(path)
    for chunk in stream.chunks():
        seen.feed(chunk)
    try:
        manifest, table = seen.judge()
    except FormatError as error:
        raise ImageError(f"{path}: {error.message}", error.hint or _AGAIN) from error
    listener(StepFinished(_STEP))
    verified = VerifiedImage(path, stream.size, stream.sha256, stream.compressed, manifest, table)
    _check_companion(verified, listener)
    return verified


class _Ends(Blocks):
    """The parts of the disk that were kept: its first and last bytes. The rest reads as an error."""

    def __init__(self, head: bytes | bytearray, tail: bytes, size: int) -> None:
        self._head = head
        self._tail = tail
        self.size = size
        self.sector_size = 512

    def read_at(self, offset: int, length: int) -> bytes:
        if offset + length <= len(self._head):
            return bytes(self._head[offset : offset + length])
        start = offset - (self.size - len(self._tail))
        if start >= 0 and start + length <= len(self._tail):
            return self._tail[start : start + length]
        raise DiskError(f"bytes {offset} to {offset + length} are not where an image of esxforge has them", _NOT_OURS)

    def write_at(self, offset: int, data: bytes) -> None:
        raise DiskError("an image is never written while it is verified", "Report this as a defect of esxforge.")

    def flush(self) -> None:
        """Do nothing: nothing is written."""


class _Gaps:
    """Finds bytes that are not zero where an image holds nothing: they would be written to hosts, too.

    ``taken`` are (offset, length) of all that it holds. ``first`` is the place of the first such byte; None for none.
    """

    def __init__(self, taken: Sequence[tuple[int, int]]) -> None:
        self._taken = sorted(((offset, offset + length) for offset, length in taken if length), reverse=True)
        self.first: int | None = None

    def feed(self, offset: int, chunk: bytes) -> None:
        """Look at ``chunk``, which is at ``offset`` of the disk; chunks come in ascending order."""
        at, end = offset, offset + len(chunk)
        while at < end and self.first is None:
            while self._taken and self._taken[-1][1] <= at:
                self._taken.pop()
            start, stop = self._taken[-1] if self._taken else (end, end)
            if start > at:
                stop = min(start, end, at + len(_BLANK))
                gap = chunk[at - offset : stop - offset]
                if gap != _BLANK[: len(gap)]:
                    self.first = stop - len(gap.lstrip(b"\0"))
            at = min(stop, end)


class _Seen:
    """The parts of the stream that are kept: both ends, the hash of every file of the FAT, and the manifest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head = bytearray()
        self._tail = b""
        self._size = 0
        self._hashes: FileHashes | None = None
        self._files: dict[str, FileRecord] = {}
        self._place = FileRecord(MANIFEST_PATH, 0, 0, NO_HASH)
        self._manifest = bytearray()
        self._enough = _HEAD_BYTES
        self._gaps = _Gaps([(0, 1 << 63)])

    def feed(self, chunk: bytes) -> None:
        at = self._size
        self._size += len(chunk)
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:] if len(chunk) < _TAIL_BYTES else chunk[-_TAIL_BYTES:]
        if self._hashes is None:
            self._head += chunk
            if len(self._head) >= self._enough:
                self._open_disk(last=False)
        else:
            self._pass(at, chunk)

    def judge(self) -> tuple[Manifest, Table]:
        """Return the manifest and the table if everything agrees. Raises FormatError or ImageError otherwise."""
        if self._hashes is None:
            self._open_disk(last=True)
        manifest = Manifest.parse(bytes(self._manifest))
        if self._size != manifest.raw_size:
            raise ImageError(f"{self._path}: {self._size} bytes of disk, {manifest.raw_size} were built.", _AGAIN)
        table = self._table(manifest)
        problems = self._golden_problems(manifest) if manifest.kind == GOLDEN else self._file_problems(manifest)
        if problems:
            shown = "; ".join(problems[:20]) + (f"; and {len(problems) - 20} more" if len(problems) > 20 else "")
            raise ImageError(f"{self._path}: {shown}.", _AGAIN)
        return manifest, table

    def _open_disk(self, *, last: bool) -> None:
        """Find out what to hash, and hash what has passed already; unless this is the ``last`` try, wait for more."""
        disk = _Ends(self._head, b"", 1 << 62)
        if not disk_identities(bytes(self._head[:8192])):
            if bytes(self._head[32769:32774]) == b"CD001":
                raise ImageError(f"{self._path} is an ISO, not an image.", "Build an image from it: esxforge build ISO")
            raise ImageError(f"{self._path}: there is no partition table (GPT) at its start.", _NOT_OURS)
        try:
            table = read_table(disk, sector_size_of(disk)).table
            watched = self._golden(disk, table) if len(table.partitions) > 1 else self._installer(disk, table)
        except DiskError as error:
            if not last and len(self._head) < FARTHEST_HOOK_BYTES:
                self._enough = 2 * len(self._head)
                return
            raise ImageError(
                f"{self._path}: not an image of esxforge, or cut off: {error.message}.", _NOT_OURS
            ) from error
        except FormatError as error:
            raise ImageError(f"{self._path}: {error.message}", _NOT_OURS) from error
        if not 0 < self._place.length <= LARGEST_MANIFEST_BYTES:
            raise ImageError(f"{self._path}: there is no manifest of esxforge in it.", _NOT_OURS)
        self._hashes = FileHashes(watched)
        self._pass(0, bytes(self._head))

    def _installer(self, disk: Blocks, table: Table) -> list[FileRecord]:
        """Return every file of the one volume, found by its FAT."""
        offset, length = table.byte_range(1)
        window = Window(disk, offset, length)
        volume = FatVolume(window)
        self._compare_fats(window, volume)
        self._files = {}
        for entry_path, entry in volume.walk():
            runs = volume.extents_of(entry_path, entry) if not entry.is_directory else []
            if entry.is_directory:
                continue
            start = self._start_of(entry_path, runs, offset)
            self._files[entry_path.upper()] = FileRecord(entry_path.upper(), start, entry.size, NO_HASH)
        self._place = self._files.get(MANIFEST_PATH.upper(), self._place)
        return list(self._files.values())

    def _start_of(self, entry_path: str, runs: list[tuple[int, int]], volume_offset: int) -> int:
        """Return the byte of the disk at which a file begins; 0 for an empty one. Raises ImageError for one in
        several pieces."""
        if len(runs) > 1:
            raise ImageError(f"{self._path}: the file {entry_path} lies in {len(runs)} pieces.", _NOT_OURS)
        return volume_offset + runs[0][0] if runs else 0

    def _golden(self, disk: Blocks, table: Table) -> list[FileRecord]:
        """Return the records of the manifest, which is on one of the FAT volumes; the EFI system partition comes first.

        The others follow in the order of the disk, so that as little of it as possible must be held.
        """
        for number, partition in sorted(
            table.partitions, key=lambda one: (one[1].type_guid != EFI_SYSTEM, one[1].first_lba)
        ):
            if partition.type_guid not in (EFI_SYSTEM, BASIC_DATA):
                continue
            offset, length = table.byte_range(number)
            disk.read_at(offset, 512)  # a DiskError where it is not here yet, which is no FormatError
            try:
                volume = FatVolume(Window(disk, offset, length))
            except FormatError:
                if partition.type_guid == EFI_SYSTEM:
                    raise
                continue  # such a partition may be empty
            if volume.find(MANIFEST_PATH) is not None:
                start = self._start_of(MANIFEST_PATH, volume.extents(MANIFEST_PATH), offset)
                self._place = FileRecord(MANIFEST_PATH, start, volume.entry(MANIFEST_PATH).size, NO_HASH)
                manifest = Manifest.parse(volume.read_file(MANIFEST_PATH, LARGEST_MANIFEST_BYTES))
                records = _golden_records(manifest)
                head = len(table.primary_bytes())
                held = [(one.offset, one.length) for one in (*records, self._place)]
                self._gaps = _Gaps([(0, head), (table.backup_offset, 1 << 63), *held])
                return records
        return []

    def _compare_fats(self, window: Blocks, volume: FatVolume) -> None:
        geometry = volume.geometry
        start, length = geometry.reserved_sectors * geometry.sector_size, geometry.fat_sectors * geometry.sector_size
        copies = {window.read_at(start + index * length, length) for index in range(geometry.fat_count)}
        if len(copies) != 1:
            raise ImageError(f"{self._path}: the copies of the file allocation table differ.", _AGAIN)

    def _pass(self, at: int, chunk: bytes) -> None:
        if self._hashes is not None:
            self._hashes.feed(at, chunk)
        self._gaps.feed(at, chunk)
        place = self._place
        first, last = max(place.offset, at), min(place.offset + place.length, at + len(chunk))
        if first < last:
            self._manifest += chunk[first - at : last - at]

    def _table(self, manifest: Manifest) -> Table:
        """Return the partition table: primary and backup are both intact and agree with each other and the manifest."""
        disk = _Ends(self._head, self._tail, self._size)
        reading = read_table(disk, manifest.sector_size)
        table = reading.table
        if reading.problems:
            raise ImageError(f"{self._path}: {' '.join(reading.problems)}", _AGAIN)
        if disk.read_at(table.backup_offset, self._size - table.backup_offset) != table.backup_bytes():
            raise ImageError(f"{self._path}: the backup GPT at the disk's end is damaged.", _AGAIN)
        # An installed disk keeps its boot code; of an installer image that sector is known to the last byte.
        primary = table.primary_bytes(disk.read_at(0, table.sector_size) if manifest.kind == GOLDEN else b"")
        if disk.read_at(0, len(primary)) != primary:
            raise ImageError(f"{self._path}: the GPT at the disk's start is damaged.", _AGAIN)
        _check_boot_code(self._path, disk.read_at(0, table.sector_size), table, manifest)
        told = (manifest.partition_offset, manifest.partition_length)
        ranges = [table.byte_range(number) for number, _ in table.partitions]
        if told not in ranges or str(table.disk_guid) != manifest.disk_guid:
            raise ImageError(f"{self._path}: the GPT is not the one that its manifest describes.", _AGAIN)
        return table

    def _golden_problems(self, manifest: Manifest) -> list[str]:
        hashes = self._hashes.done if self._hashes else {}
        damaged = [f"{one.path} is damaged" for one in _golden_records(manifest) if hashes.get(one.path) != one.sha256]
        added = [] if self._gaps.first is None else [f"byte {self._gaps.first} is not zero, as it was built"]
        return damaged + added

    def _file_problems(self, manifest: Manifest) -> list[str]:
        hashes = self._hashes.done if self._hashes else {}
        problems = []
        told = {record.path.upper(): record for record in manifest.files}
        for path, record in told.items():
            file = self._files.get(path)
            if file is None:
                problems.append(f"{record.path} is missing")
            elif (file.length, file.offset if file.length else 0) != (
                record.length,
                record.offset if record.length else 0,
            ):
                problems.append(f"{record.path} is not where, or not as long as, it was built")
            elif hashes.get(path) != record.sha256:
                problems.append(f"{record.path} is damaged")
        for added in manifest.details.get("add_ons", []):
            problems += [
                f"{module['path']} is not what its VIB {added['name']} holds"
                for module in added["modules"]
                if hashes.get(module["path"].upper()) != module["sha256"]
            ]
        problems += [f"{path} was added" for path in self._files if path not in told and path != MANIFEST_PATH.upper()]
        return problems


def _check_boot_code(path: Path, sector: bytes, table: Table, manifest: Manifest) -> None:
    """Check that boot code that goes by a partition's GUID names the partition that it named on the captured disk."""
    bios = manifest.details.get(GOLDEN, {}).get("bios")
    if bios is None or bios["boot_code"] != BY_GUID:
        return
    number = bios["partition"]
    if named_partition(sector, table) != number:
        raise ImageError(f"{path}: its boot code for a legacy BIOS does not name partition {number} by GUID.", _AGAIN)


def _golden_records(manifest: Manifest) -> list[FileRecord]:
    """Return all records in the manifest of a golden image: what hosts check, and tables and directories of
    volumes."""
    structures = manifest.details.get(GOLDEN, {}).get("structures", [])
    return [*manifest.files, *(FileRecord(**one) for one in structures)]


def _check_companion(image: VerifiedImage, listener: Listener) -> None:
    """Check the image against the manifest beside it, if there is one."""
    companion = image.path.with_name(image.path.name + ".manifest.json")
    try:
        if not os.path.lexists(companion):
            return
        text = read_file(companion, largest=LARGEST_MANIFEST_BYTES)
        told = parse_document(text, _COMPANION, companion.name, "manifest")["image"]["sha256"]
    except (InputError, FormatError):
        listener(Notice(f"{companion} cannot be read as a manifest; the one inside the image was used.", warning=True))
        return
    if told != image.sha256:
        raise ImageError(
            f"{image.path} is intact, but not the image that {companion.name} beside it describes.",
            "Keep the pair that belongs together, or delete the manifest file.",
        )

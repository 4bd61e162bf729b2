"""The one pass: segments are read, hashed, compressed and written; memory use does not grow with the image.

Hashing and compressing run in parallel: both release the GIL. Queues are short, so that memory stays
constant whatever the image's size.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from esxforge.errors import ImageError
from esxforge.events import BytesDone, Listener, step
from esxforge.formats.gzip_member import GzipMember
from esxforge.formats.segments import Bytes, Hashes, Late, Segment, Zeros
from esxforge_target.formats.manifest import FileRecord

CHUNK_BYTES = 1 << 20
_QUEUED_CHUNKS = 8
_TOLD_EVERY_BYTES = 8 << 20
_MEASURING = "measuring the image"
_WRITTEN_BACK_EVERY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """Output of a pass: its size and SHA-256, and the size of the raw disk."""

    size: int
    sha256: str
    raw_size: int


class SourceHash:
    """SHA-256 of an entire file, fed by ranges of it that pass anyway; only the gaps between them are read for it.

    Ranges must come in ascending order to be used; repeated or late ones are skipped.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._at = 0
        self._hash = hashlib.sha256()

    def feed(self, offset: int, data: bytes) -> None:
        """Process ``data``, which is at ``offset`` of the file."""
        if offset > self._at:
            self._read_to(offset)
        if offset <= self._at < offset + len(data):
            self._hash.update(memoryview(data)[self._at - offset :])
            self._at = offset + len(data)

    def finish(self) -> str:
        """Read the parts that did not pass, and return the hash."""
        self._read_to(self._size)
        return self._hash.hexdigest()

    def _read_to(self, end: int) -> None:
        while self._at < end:
            chunk = read_exactly(self._stream, self._at, min(CHUNK_BYTES, end - self._at))
            self._hash.update(chunk)
            self._at += len(chunk)


def read_exactly(stream: BinaryIO, offset: int, length: int) -> bytes:
    """Return ``length`` bytes at ``offset``. Raises :class:`ImageError` if the file is too short, or its disk fails."""
    try:
        stream.seek(offset)
        data = stream.read(length)
    except OSError as error:
        raise ImageError(
            f"Cannot read {stream.name} at byte {offset}: {error.strerror or error}.",
            "Check the disk it is on; copy the file elsewhere and run the command again.",
        ) from error
    if len(data) != length:
        raise ImageError(
            f"{stream.name} ended at byte {offset + len(data)} while it was read: it changed, or its disk is failing.",
            "Check the file (its SHA-256 is on the download page) and run the command again.",
        )
    return data


class FileHashes:
    """Hash the watched files, which do not overlap, out of the raw stream. ``done`` has those that have passed."""

    def __init__(self, files: Sequence[FileRecord]) -> None:
        self._waiting = sorted((file for file in files if file.length), key=lambda file: file.offset, reverse=True)
        self._hash = hashlib.sha256()
        self.done = {file.path: hashlib.sha256().hexdigest() for file in files if not file.length}

    def feed(self, offset: int, data: bytes | memoryview) -> None:
        """Process ``data``, which is at ``offset`` of the raw disk; data comes in ascending order."""
        view = memoryview(data)
        end = offset + len(view)
        while self._waiting and self._waiting[-1].offset < end:
            file = self._waiting[-1]
            stop = file.offset + file.length
            self._hash.update(view[max(file.offset - offset, 0) : stop - offset])
            if stop > end:
                return
            self.done[file.path] = self._hash.hexdigest()
            self._hash = hashlib.sha256()
            self._waiting.pop()


class _Worker:
    """Run jobs in order on one thread. ``join`` waits for all given so far and raises what one of them raised."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(_QUEUED_CHUNKS)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._do(job)
            self._jobs.task_done()

    def _do(self, job: Callable[[], None]) -> None:
        try:
            if self._error is None:
                job()
        except BaseException as error:  # it is raised again where the work was given
            self._error = error

    def give(self, job: Callable[[], None]) -> None:
        if self._error is not None:
            raise self._error
        self._jobs.put(job)

    def join(self) -> None:
        self._jobs.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()


class _WriteBack:
    """Flush written data to the disk during the work, so that the end is not one long wait for the disk."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._worker = _Worker()
        self._given = 0

    def reached(self, size: int) -> None:
        """Note that ``size`` bytes are written. Raises OSError if the disk failed on an earlier part of them."""
        if size - self._given >= _WRITTEN_BACK_EVERY_BYTES:
            self._given = size
            self._worker.give(lambda: os.fdatasync(self._output.fileno()))

    def join(self) -> None:
        """Raise the disk's error: the kernel reports it once, so a later fsync would not see it."""
        self._worker.join()

    def close(self) -> None:
        self._worker.close()


@dataclass(slots=True)
class _Pass:
    """One run over the pieces: yields the input of the compressor or of a raw file, and hashes on the way."""

    pieces: Sequence[Segment]
    source: Path | None
    hashes: FileHashes
    worker: _Worker
    listener: Listener
    step_name: str
    done: int = 0
    told: int = 0

    def chunks(self) -> Iterator[bytes | Zeros]:
        if self.source is None:
            yield from self._with(None, None)
            return
        # Two ways of opening it, as the hash reads the gaps on the worker's thread.
        with self.source.open("rb") as stream, self.source.open("rb") as between:
            yield from self._with(stream, SourceHash(between, stream.seek(0, 2)))

    def _with(self, source: BinaryIO | None, source_hash: SourceHash | None) -> Iterator[bytes | Zeros]:
        for piece in self.pieces:
            for chunk, origin in self._chunks_of(piece, source, source_hash):
                self._hash(chunk, origin, source_hash)
                yield chunk
                self.done += chunk.length if isinstance(chunk, Zeros) else len(chunk)
                self._tell()

    def _chunks_of(
        self, piece: Segment, source: BinaryIO | None, source_hash: SourceHash | None
    ) -> Iterator[tuple[bytes | Zeros, int | None]]:
        if isinstance(piece, Zeros):
            if piece.length:
                yield piece, None
        elif isinstance(piece, Bytes):
            yield piece.data, None
        elif isinstance(piece, Late):
            self.worker.join()
            # Only now nothing else reads or hashes: the rest of the source is read here.
            data = piece.make(Hashes(dict(self.hashes.done), source_hash.finish() if source_hash else ""))
            if len(data) != piece.length:
                raise AssertionError(f"late bytes: {len(data)} for a place of {piece.length}")
            yield data, None
        elif source is not None and piece.path == self.source:
            for offset in range(piece.offset, piece.offset + piece.length, CHUNK_BYTES):
                length = min(CHUNK_BYTES, piece.offset + piece.length - offset)
                yield read_exactly(source, offset, length), offset
        else:
            with piece.path.open("rb") as stream:
                for offset in range(piece.offset, piece.offset + piece.length, CHUNK_BYTES):
                    length = min(CHUNK_BYTES, piece.offset + piece.length - offset)
                    yield read_exactly(stream, offset, length), None

    def _hash(self, chunk: bytes | Zeros, origin: int | None, source_hash: SourceHash | None) -> None:
        if isinstance(chunk, Zeros):
            return  # no watched file is a run of zeros: files of zeros come as bytes or ranges
        at = self.done
        self.worker.give(lambda: self.hashes.feed(at, chunk))
        if origin is not None and source_hash is not None:
            self.worker.give(lambda: source_hash.feed(origin, chunk))

    def _tell(self) -> None:
        if self.done - self.told >= _TOLD_EVERY_BYTES:
            self.told = self.done
            self.listener(BytesDone(self.step_name, self.done))


def write_gzip(
    output: BinaryIO,
    pieces: Sequence[Segment],
    *,
    source: Path | None,
    watched: Sequence[FileRecord],
    listener: Listener,
) -> Written:
    """Write the disk as one gzip member to ``output``. ``source``: a file whose own SHA-256 is desired too."""
    member = GzipMember()
    sha256 = hashlib.sha256()
    size = 0
    worker = _Worker()
    output_worker = _Worker()
    write_back = _WriteBack(output)

    def write(packed: bytes) -> None:
        nonlocal size
        if packed:
            output.write(packed)
            output_worker.give(lambda: sha256.update(packed))
            size += len(packed)
            write_back.reached(size)

    try:
        for packed in _packed(member, _run(pieces, source, watched, listener, worker)):
            write(packed)
        for each in (worker, output_worker, write_back):
            each.join()
    finally:
        for each in (worker, output_worker, write_back):
            each.close()
    return Written(size, sha256.hexdigest(), member.raw_bytes)


def gzip_size(
    pieces: Sequence[Segment], *, source: Path | None, watched: Sequence[FileRecord], listener: Listener
) -> int:
    """Return the size in bytes of what :func:`write_gzip` would write; nothing is written."""
    worker = _Worker()
    try:
        return sum(map(len, _packed(GzipMember(), _run(pieces, source, watched, listener, worker, name=_MEASURING))))
    finally:
        worker.close()


def _packed(member: GzipMember, chunks: Iterator[bytes | Zeros]) -> Iterator[bytes]:
    for chunk in chunks:
        if isinstance(chunk, Zeros):
            yield from member.zeros(chunk.length)
        else:
            yield member.data(chunk)
    yield member.finish()


def write_raw(
    output: BinaryIO,
    pieces: Sequence[Segment],
    *,
    source: Path | None,
    watched: Sequence[FileRecord],
    listener: Listener,
) -> Written:
    """Write the disk as a sparse file to ``output``: zeros become holes."""
    sha256 = hashlib.sha256()
    worker = _Worker()
    blank = bytes(CHUNK_BYTES)
    size = 0

    def hash_zeros(length: int) -> None:
        for start in range(0, length, CHUNK_BYTES):
            sha256.update(memoryview(blank)[: min(CHUNK_BYTES, length - start)])

    try:
        for chunk in _run(pieces, source, watched, listener, worker):
            if isinstance(chunk, Zeros):
                output.seek(chunk.length, 1)
                worker.give(lambda length=chunk.length: hash_zeros(length))  # type: ignore[misc]
                size += chunk.length
            else:
                output.write(chunk)
                worker.give(lambda data=chunk: sha256.update(data))  # type: ignore[misc]
                size += len(chunk)
        output.truncate(size)
        worker.join()
    finally:
        worker.close()
    return Written(size, sha256.hexdigest(), size)


def _run(
    pieces: Sequence[Segment],
    source: Path | None,
    watched: Sequence[FileRecord],
    listener: Listener,
    worker: _Worker,
    *,
    name: str = "writing the image",
) -> Iterator[bytes | Zeros]:
    total = sum(piece.length for piece in pieces)
    with step(listener, name, total):
        yield from _Pass(pieces, source, FileHashes(watched), worker, listener, name).chunks()
        listener(BytesDone(name, total))

"""ZIP archives within bounds: how many entries, how large the directory, how large each file, how deep a path.

Facts: PKWARE's APPNOTE, 4.3.14 to 4.3.16 (end of the central directory, and that of ZIP64) and 4.3.7 (local header).
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from esxforge.addons.errors import AGAIN, AddOnError
from esxforge.addons.source import Source, UnnamedFile
from esxforge_target.runtime.visible import one_line

MAGIC = b"PK\x03\x04"
_MOST_ENTRIES = 20_000
_LARGEST_DIRECTORY = 8 << 20
_LONGEST_NAME = 1024
_LARGEST_IN_MEMORY = 1 << 20
_MOST_IN_MEMORY = 64 << 20
_MOST_UNPACKED = 2 << 30
_CHUNK = 1 << 20
_DEEPEST = 16
_END, _END_SIZE = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_SIZE = b"PK\x06\x07", 20
_END64, _END64_SIZE = b"PK\x06\x06", 56
_ENTRY = b"PK\x01\x02"
_LOCAL, _LOCAL_SIZE = b"PK\x03\x04", 30
_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """A ZIP archive's files by path. Paths have forward slashes; directories are left out."""

    def __init__(self, source: Source) -> None:
        """Raises :class:`AddOnError` for what is not a ZIP archive, or exceeds the bounds."""
        self._source = source
        self._unpacked = _Unpacked(source.name)
        with source.opened() as stream:
            _check_directory(source, stream)
            entries = self._entries(stream)
        self.files: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            if entry.filename.endswith("/"):  # is_dir() fails on a name of nothing
                continue
            path = self._path(entry)
            if path in self.files:
                raise self._damaged(f"it has two files {path}")
            self.files[path] = entry

    def read(self, path: str, largest: int) -> bytes:
        """One file's bytes. Raises :class:`AddOnError` where there is none, or it has more than ``largest``."""
        return b"".join(self._chunks(self._entry(path, largest)))

    def source(self, path: str, largest: int) -> Source:
        """The same as a source: a part of this archive where it is only stored; else unpacked, into memory where it is
        small, and into a file without a name."""
        entry = self._entry(path, largest)
        name = f"{self._source.name}: {path}"
        if entry.compress_type == zipfile.ZIP_STORED:
            return self._packed(entry, name)
        return self._unpacked.add(name, self._source.path, entry.file_size, self._chunks(entry))

    def _entry(self, path: str, largest: int) -> zipfile.ZipInfo:
        entry = self.files.get(path)
        if entry is None:
            raise self._damaged(f"it has no {one_line(path)[:300]}")
        if entry.file_size > largest:
            raise self._damaged(f"{path} has {entry.file_size} bytes, more than such a file ever has")
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
            raise self._damaged(f"{path} is encrypted, or compressed by another method than deflate")
        return entry

    def _chunks(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        """A file's bytes. The directory is not parsed again, as zipfile would for each file."""
        left, crc = entry.file_size, 0
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if entry.compress_type == zipfile.ZIP_DEFLATED else None
        for packed in self._packed(entry, f"{self._source.name}: {entry.filename}").chunks():
            for chunk in (packed,) if inflate is None else self._inflated(inflate, packed, entry):
                left -= len(chunk)
                if left < 0:
                    raise self._damaged(f"{entry.filename} unpacks to more than is declared")
                crc = zlib.crc32(chunk, crc)
                yield chunk
        if left or (inflate is not None and not inflate.eof):
            raise self._damaged(f"{entry.filename} unpacks to less than is declared")
        if crc != entry.CRC:
            raise self._damaged(f"{entry.filename} has another CRC-32 than is declared")

    def _inflated(self, inflate: zlib._Decompress, packed: bytes, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        """What ``packed`` unpacks to, in pieces of a MiB at most."""
        full = True
        while packed or full:
            try:
                chunk = inflate.decompress(packed, _CHUNK)
            except zlib.error as error:
                raise self._damaged(f"{entry.filename} cannot be unpacked") from error
            if inflate.unused_data:
                raise self._damaged(f"{entry.filename} goes on after the end of its data")
            packed = inflate.unconsumed_tail
            full = len(chunk) == _CHUNK
            yield chunk

    def _packed(self, entry: zipfile.ZipInfo, name: str) -> Source:
        """A file's bytes as they are here; the local header's lengths may differ from those in the directory."""
        header = b""
        if 0 <= entry.header_offset <= self._source.length - _LOCAL_SIZE:
            header = self._source.part(name, entry.header_offset, _LOCAL_SIZE).read()
        if header[:4] != _LOCAL:
            raise self._damaged(f"{entry.filename} is not where its directory says")
        path, extra = struct.unpack_from("<HH", header, 26)
        offset = entry.header_offset + _LOCAL_SIZE + int(path) + int(extra)
        is_stored = entry.compress_type == zipfile.ZIP_STORED
        if offset + entry.compress_size > self._source.length or (is_stored and entry.compress_size != entry.file_size):
            raise self._damaged(f"{entry.filename} is truncated")
        return self._source.part(name, offset, entry.compress_size)

    def _path(self, entry: zipfile.ZipInfo) -> str:
        path = entry.filename
        parts = path.split("/")
        bad = len(path) > _LONGEST_NAME or len(parts) > _DEEPEST or not path.isprintable() or "\\" in path
        if bad or path.startswith("/") or any(part in ("", ".", "..") for part in parts):
            raise self._damaged(f"the path of a file in it cannot be used: {one_line(path)[:200]!r}")
        return path

    def _entries(self, stream: BinaryIO) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(cast("BinaryIO", _Part(stream, self._source))) as archive:
                return archive.infolist()
        except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
            raise self._damaged(one_line(str(error))[:200].rstrip(".") or type(error).__name__) from error
        except (ValueError, LookupError, struct.error) as error:  # what garbage makes of zipfile
            raise self._damaged(f"its directory makes no sense ({one_line(str(error))[:200].rstrip('.')})") from error

    def _damaged(self, why: str) -> AddOnError:
        return AddOnError(f"{self._source.name} is damaged: {why}.", AGAIN)


class _Unpacked:
    """All that was unpacked of one archive: in memory as long as that is little, then in one file without a name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._in_memory = 0
        self._file: UnnamedFile | None = None

    def add(self, name: str, path: Path, size: int, chunks: Iterable[bytes]) -> Source:
        """``chunks``, which have ``size`` bytes together. Raises :class:`AddOnError` beyond what is ever unpacked."""
        if size <= min(_LARGEST_IN_MEMORY, _MOST_IN_MEMORY - self._in_memory):
            self._in_memory += size
            return Source(name, path, 0, size, b"".join(chunks))
        if self._file is None:
            self._file = UnnamedFile()
        offset = self._file.size
        if offset + size > _MOST_UNPACKED:
            raise AddOnError(
                f"{self._name} unpacks to more than {_MOST_UNPACKED >> 20} MiB.",
                "Choose VIBs of it by name, or unpack it and add .vib files of it.",
            )
        for chunk in chunks:
            self._file.write(chunk)
        return Source(name, self._file.path, offset, size, held=self._file)


class _Part:
    """A file as far as a source reaches: what follows it does not exist."""

    def __init__(self, stream: BinaryIO, source: Source) -> None:
        self._stream, self._start, self._length = stream, source.offset, source.length
        self._at = 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        at = offset + (0, self._at, self._length)[whence]
        if at < 0:
            raise ValueError("seek before the start")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self._at)
        self._stream.seek(self._start + self._at)
        data = self._stream.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


def _check_directory(source: Source, stream: BinaryIO) -> None:
    """zipfile reads and parses the whole directory, so its size, and how many entries it has, is checked first.

    Of ZIP64 zipfile reads the record that stands right before the locator, wherever that points: both have to agree.
    """
    tail_size = min(source.length, 0xFFFF + _END_SIZE + _LOCATOR_SIZE + _END64_SIZE)
    start = source.length - tail_size
    stream.seek(source.offset + start)
    tail = stream.read(tail_size)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE or at + _END_SIZE + tail[at + 20] + 256 * tail[at + 21] != len(tail):
        raise AddOnError(f"{source.name} is not a ZIP archive, or truncated: it has no directory at its end.", AGAIN)
    entries, size = struct.unpack_from("<HI", tail, at + 10)
    locator = tail[at - _LOCATOR_SIZE : at] if at >= _LOCATOR_SIZE else b""
    if locator[:4] == _LOCATOR:
        at -= _LOCATOR_SIZE + _END64_SIZE
        (place,) = struct.unpack_from("<Q", locator, 8)
        if at < 0 or tail[at : at + 4] != _END64 or place != start + at:
            raise AddOnError(f"{source.name} is damaged: its ZIP64 directory is not where its end says.", AGAIN)
        entries, size = struct.unpack_from("<QQ", tail, at + 32)
    if size <= min(_LARGEST_DIRECTORY, start + at):
        stream.seek(source.offset + start + at - size)
        entries = max(entries, stream.read(size).count(_ENTRY))
    if entries > _MOST_ENTRIES or size > _LARGEST_DIRECTORY:
        raise AddOnError(
            f"{source.name} has {entries} entries in a directory of {size} bytes, more than a bundle ever has.", AGAIN
        )

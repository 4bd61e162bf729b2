"""ZIP archives within bounds: how many entries, how large the directory, how large each file, how deep a path.

Facts: PKWARE's APPNOTE, 4.3.14 to 4.3.16 (end of the central directory, and that of ZIP64) and 4.3.7 (local header).
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from esxforge.addons.errors import AGAIN, AddOnError
from esxforge.addons.source import Source, UnnamedFile
from esxforge_target.runtime.visible import one_line

MAGIC = b"PK\x03\x04"
_MOST_ENTRIES = 20_000
_LARGEST_DIRECTORY = 8 << 20
_LONGEST_NAME = 1024
_LARGEST_IN_MEMORY = 1 << 20
_CHUNK = 1 << 20
_DEEPEST = 16
_END, _END_SIZE = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_SIZE = b"PK\x06\x07", 20
_END64, _END64_SIZE = b"PK\x06\x06", 56
_LOCAL, _LOCAL_SIZE = b"PK\x03\x04", 30
_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """A ZIP archive's files by path. Paths have forward slashes; directories are left out."""

    def __init__(self, source: Source) -> None:
        """Raises :class:`AddOnError` for what is not a ZIP archive, or exceeds the bounds."""
        self._source = source
        with source.opened() as stream:
            _check_directory(source, stream)
            with self._zip(stream) as archive:
                entries = archive.infolist()
        self.files: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            if entry.filename.endswith("/"):  # is_dir() fails on a name of nothing
                continue
            path = self._path(entry)
            if path in self.files:
                raise self._damaged(f"it has two files {path}")
            self.files[path] = entry

    def read(self, path: str, largest: int) -> bytes:
        """Return one file's bytes. Raises :class:`AddOnError` if there is none, or it has more than ``largest``."""
        return self._read(self._entry(path, largest))

    def source(self, path: str, largest: int) -> Source:
        """The same as a source: a part of this archive where it is only stored; else unpacked, into memory where it is
        small, and into a file without a name."""
        entry = self._entry(path, largest)
        name = f"{self._source.name}: {path}"
        if entry.compress_type == zipfile.ZIP_STORED and self._source.data is None:
            return self._source.part(name, self._data_offset(entry), entry.file_size)
        if entry.file_size > _LARGEST_IN_MEMORY:
            return self._unpacked(entry, name)
        data = self._read(entry)
        return Source(name, self._source.path, 0, len(data), data)

    def _entry(self, path: str, largest: int) -> zipfile.ZipInfo:
        entry = self.files.get(path)
        if entry is None:
            raise self._damaged(f"it has no {one_line(path)[:300]}")
        if entry.file_size > largest:
            raise self._damaged(f"{path} has {entry.file_size} bytes, more than such a file ever has")
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
            raise self._damaged(f"{path} is encrypted, or compressed by another method than deflate")
        return entry

    def _read(self, entry: zipfile.ZipInfo) -> bytes:
        with self._source.opened() as stream, self._zip(stream) as archive, archive.open(entry) as member:
            data = member.read(entry.file_size + 1)
        if len(data) != entry.file_size:
            raise self._damaged(f"{entry.filename} unpacks to another size than is declared")
        return data

    def _unpacked(self, entry: zipfile.ZipInfo, name: str) -> Source:
        spool = UnnamedFile()
        left = entry.file_size
        with self._source.opened() as stream, self._zip(stream) as archive, archive.open(entry) as member:
            while chunk := member.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    break
                spool.write(chunk)
        if left:
            raise self._damaged(f"{entry.filename} unpacks to another size than is declared")
        return Source(name, spool.path, 0, entry.file_size, held=spool)

    def _data_offset(self, entry: zipfile.ZipInfo) -> int:
        """Where a stored file's data begin; the local header's lengths may differ from those in the directory."""
        with self._source.opened() as stream:
            stream.seek(self._source.offset + entry.header_offset)
            header = stream.read(_LOCAL_SIZE)
        if len(header) != _LOCAL_SIZE or header[:4] != _LOCAL:
            raise self._damaged(f"{entry.filename} is not where its directory says")
        name, extra = struct.unpack_from("<HH", header, 26)
        offset = entry.header_offset + _LOCAL_SIZE + int(name) + int(extra)
        if entry.compress_size != entry.file_size or offset + entry.file_size > self._source.length:
            raise self._damaged(f"{entry.filename} is truncated")
        return offset

    def _path(self, entry: zipfile.ZipInfo) -> str:
        path = entry.filename
        parts = path.split("/")
        bad = len(path) > _LONGEST_NAME or len(parts) > _DEEPEST or not path.isprintable() or "\\" in path
        if bad or path.startswith("/") or any(part in ("", ".", "..") for part in parts):
            raise self._damaged(f"the path of a file in it cannot be used: {one_line(path)[:200]!r}")
        return path

    @contextmanager
    def _zip(self, stream: BinaryIO) -> Iterator[zipfile.ZipFile]:
        view = stream if self._source.data is not None else cast("BinaryIO", _Part(stream, self._source))
        try:
            with zipfile.ZipFile(view) as archive:
                yield archive
        except AddOnError:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise self._damaged(one_line(str(error))[:200].rstrip(".") or type(error).__name__) from error
        except (ValueError, LookupError, struct.error) as error:  # what garbage makes of zipfile
            raise self._damaged(f"its directory makes no sense ({one_line(str(error))[:200].rstrip('.')})") from error

    def _damaged(self, why: str) -> AddOnError:
        return AddOnError(f"{self._source.name} is damaged: {why}.", AGAIN)


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
    """Check the directory's size first, as zipfile reads all of it into memory."""
    tail_size = min(source.length, 0xFFFF + _END_SIZE + _LOCATOR_SIZE)
    stream.seek(source.offset + source.length - tail_size)
    tail = stream.read(tail_size)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE or at + _END_SIZE + tail[at + 20] + 256 * tail[at + 21] != len(tail):
        raise AddOnError(f"{source.name} is not a ZIP archive, or truncated: it has no directory at its end.", AGAIN)
    entries, size = struct.unpack_from("<HI", tail, at + 10)
    locator = tail[at - _LOCATOR_SIZE : at] if at >= _LOCATOR_SIZE else b""
    if locator[:4] == _LOCATOR:
        (place,) = struct.unpack_from("<Q", locator, 8)
        stream.seek(source.offset + min(place, source.length))
        record = stream.read(_END64_SIZE)
        if len(record) == _END64_SIZE and record[:4] == _END64:
            entries, size = struct.unpack_from("<QQ", record, 32)
    if entries > _MOST_ENTRIES or size > _LARGEST_DIRECTORY:
        raise AddOnError(
            f"{source.name} has {entries} entries in a directory of {size} bytes, more than a bundle ever has.", AGAIN
        )

"""An image's raw disk as a stream of chunks, from a gzip or a raw file, with the file's own SHA-256 on the way.

A gzip must be one whole member with nothing behind it: curtin's pipeline would not notice otherwise.
"""

from __future__ import annotations

import hashlib
import importlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from esxforge.errors import ImageError
from esxforge.events import BytesDone, Listener
from esxforge.local.reading import LARGEST_DISK, open_regular

_CHUNK_BYTES = 1 << 20
_MOST_AT_ONCE_BYTES = 4 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_BUILD_AGAIN = "Build it again, or copy it again from an intact copy."


class RawStream:
    """Iterate over ``chunks``; afterwards ``sha256`` and ``size`` of the file, and ``raw_size``, are known."""

    def __init__(self, path: Path, step: str, listener: Listener) -> None:
        self.path = path
        self.compressed = False
        self.sha256 = ""
        self.size = 0
        self.raw_size = 0
        self._step = step
        self._listener = listener

    def chunks(self) -> Iterator[bytes]:
        """The raw disk in order.

        Raises :class:`InputError` when the file cannot be opened, :class:`ImageError` when it is cut off or damaged.
        """
        digest = hashlib.sha256()
        try:
            with open_regular(self.path, largest=LARGEST_DISK) as stream:
                self.compressed = stream.read(2) == _GZIP_MAGIC
                stream.seek(0)
                inflate = _Inflate(self.path) if self.compressed else None
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    self.size += len(chunk)
                    for raw in inflate.data(chunk) if inflate else (chunk,):
                        self.raw_size += len(raw)
                        yield raw
                    self._listener(BytesDone(self._step, self.size))
                if inflate:
                    inflate.finish()
        except OSError as error:
            raise ImageError(
                f"Cannot read {self.path}: {error.strerror or error}.", "Check the disk it is on.", str(self.path)
            ) from error
        self.sha256 = digest.hexdigest()


class _Inflate:
    """One gzip member, in pieces of bounded size. The decompressor checks its CRC and length at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._module: Any = _zlib()
        self._object = self._module.decompressobj(_GZIP_WINDOW)

    def data(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            if self._object.eof:
                raise ImageError(f"{self._path} goes on after the end of its gzip member.", _BUILD_AGAIN)
            try:
                raw = self._object.decompress(chunk, _MOST_AT_ONCE_BYTES)
            except (zlib.error, self._module.error) as error:
                raise ImageError(f"{self._path} is damaged: its gzip says “{error}”.", _BUILD_AGAIN) from error
            if raw:
                yield raw
            chunk = self._object.unconsumed_tail or self._object.unused_data

    def finish(self) -> None:
        if not self._object.eof:
            raise ImageError(f"{self._path} is cut off: its gzip does not end.", _BUILD_AGAIN)


def _zlib() -> Any:
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib

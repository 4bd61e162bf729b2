"""Reads an image chunk by chunk, one chunk ahead, and keeps its hash, so that a changed file is noticed in time."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from esxforge.errors import ImageError

CHUNK_SIZE = 4 << 20
"""Bytes in a request: what MAAS's own client sends, and MAAS is tried with."""


class ImageReader:
    """The chunks of an image file. Two of them are in memory at most: the one being sent and the one after it.

    Reading and hashing happen in one thread beside the sending, and the hash covers the file from its first byte, also
    where sending starts later. Use it as a context manager.
    """

    def __init__(self, path: Path, size: int, sha256: str, chunk_size: int = CHUNK_SIZE) -> None:
        self._path = path
        self._size = size
        self._sha256 = sha256
        self._chunk_size = chunk_size
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._ahead: tuple[int, Future[bytes]] | None = None
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise ImageError(f"The image {path} cannot be read: {error.strerror}.") from error
        self._found = self._identity()
        if self._found[0] != size:
            self._file.close()
            raise self._changed()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="image-reader")

    def __enter__(self) -> ImageReader:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._file.close()

    def chunk(self, offset: int) -> bytes:
        """The chunk from byte ``offset``. Raises ImageError where the file is no longer what was verified.

        The last chunk is given out only when the whole file has the expected sha256: MAAS never gets to see a whole
        image that is wrong.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == offset:
            data = ahead[1].result()
        else:
            data = self._worker.submit(self._read, offset).result()
        end = offset + len(data)
        if end < self._size:
            self._ahead = (end, self._worker.submit(self._read, end))
        elif self._hash.hexdigest() != self._sha256 or self._identity() != self._found:
            raise self._changed()
        return data

    def _read(self, offset: int) -> bytes:
        while self._hashed < offset:
            self._take(self._hashed, min(self._chunk_size, offset - self._hashed))
        return self._take(offset, min(self._chunk_size, self._size - offset))

    def _take(self, offset: int, length: int) -> bytes:
        try:
            data = os.pread(self._file.fileno(), length, offset)
            while 0 < len(data) < length:
                more = os.pread(self._file.fileno(), length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise ImageError(f"The image {self._path} cannot be read: {error.strerror}.") from error
        if len(data) != length:
            raise self._changed()
        if offset <= self._hashed < offset + length:
            self._hash.update(memoryview(data)[self._hashed - offset :])
            self._hashed = offset + length
        return data

    def _identity(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def _changed(self) -> ImageError:
        return ImageError(
            f"The image {self._path} changed after it was verified.",
            "Let no build write to it during an upload; then give the same command again.",
        )

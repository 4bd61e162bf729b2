"""Reads an image chunk by chunk, and notices when the file changes meanwhile."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType

from esxforge.errors import ImageError
from esxforge.local.reading import LARGEST_DISK, open_regular

CHUNK_SIZE = 4 << 20
"""Bytes in a request: what MAAS's own client sends, and MAAS is tried with."""


class ChangedError(ImageError):
    """The file is no longer what was verified."""


class ImageReader:
    """The chunks of an image file, one of them in memory at a time. Use it as a context manager.

    The bytes are not hashed on their way: they were when the image was verified, MAAS does it at the end, and a hash
    costs more than sending does on a fast network. What guards between is the file's identity; :meth:`is_right` settles
    a doubt.
    """

    def __init__(self, path: Path, size: int, sha256: str, chunk_size: int = CHUNK_SIZE) -> None:
        self._path = path
        self._size = size
        self._sha256 = sha256
        self._chunk_size = chunk_size
        self._file = open_regular(path, largest=LARGEST_DISK)
        self._found = self._identity()
        if self._found[0] != size:
            self._file.close()
            raise self.changed()

    def __enter__(self) -> ImageReader:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    def chunk(self, offset: int) -> bytes:
        """The chunk from byte ``offset``. Raises ChangedError where the file is not what it was at the start."""
        data = self._read(offset)
        # The kernel fetches the next one from the disk while this one is being sent.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), offset + len(data), self._chunk_size, os.POSIX_FADV_WILLNEED)
        if self._identity() != self._found:
            # A link or a mode that changed is not another content.
            if not self.is_right():
                raise self.changed()
            self._found = self._identity()
            return self._read(offset)
        return data

    def is_right(self) -> bool:
        """Return whether the file has the expected sha256: reads all of it. False for one that was cut."""
        digest = hashlib.sha256()
        try:
            for offset in range(0, self._size, self._chunk_size):
                digest.update(self._read(offset))
        except ChangedError:
            return False
        return digest.hexdigest() == self._sha256

    def changed(self) -> ChangedError:
        """The error for a file that is not what was verified."""
        return ChangedError(
            f"The image {self._path} changed after it was verified.",
            "Let no build write to it during an upload; then run the same command again.",
        )

    def _read(self, offset: int) -> bytes:
        length = min(self._chunk_size, self._size - offset)
        try:
            data = os.pread(self._file.fileno(), length, offset)
            while len(data) < length and (
                more := os.pread(self._file.fileno(), length - len(data), offset + len(data))
            ):
                data += more
        except OSError as error:
            raise ImageError(
                f"The image {self._path} cannot be read: {error.strerror}.",
                "Check the disk it is on; then run the same command again.",
            ) from error
        if len(data) != length:
            raise self.changed()
        return data

    def _identity(self) -> tuple[int, int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns

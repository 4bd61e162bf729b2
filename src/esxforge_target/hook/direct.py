"""A disk read and written past the page cache: reads return what is on the disk, not what should be there.

While the hook runs, curtin has a partition of the same disk mounted. Linux caches the disk and its partition apart, so
a buffered write to the disk could bring back, with the rest of its page, a neighbour's sectors as they were when the
image was written. A direct write touches exactly the sectors that it names. Safe for sectors that nobody else
writes; a clean page of the mounted file system may stay stale, but is never written back.
"""

import errno
import mmap
import os
from typing import Optional

from esxforge_target.runtime.blocks import DiskError, FileBlocks

_BUFFER_BYTES = 1 << 20
_FAILS = "The disk, its cable or its controller fails: replace it, then deploy again."


class DirectBlocks(FileBlocks):
    """A disk opened with O_DIRECT; where that cannot be had (some file systems), each read drops cached pages first.

    ``direct`` says which. Offsets and lengths need no alignment. Nothing larger than one sector is read to be written
    back.
    """

    def __init__(self, path: str, writable: bool = False, sector_size: "Optional[int]" = None) -> None:
        super().__init__(path, writable, sector_size)
        self._buffer = mmap.mmap(-1, _BUFFER_BYTES)  # aligned to a page, as O_DIRECT demands
        self._direct = None  # type: Optional[int]
        flag = getattr(os, "O_DIRECT", 0)
        if flag:
            try:
                self._direct = os.open(self.path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | flag)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                    self.close()
                    raise DiskError("{} cannot be opened: {}.".format(self.path, error.strerror), _FAILS)

    @property
    def direct(self) -> bool:
        """Return whether reads and writes go past the page cache."""
        return self._direct is not None

    def _read_exactly(self, offset: int, length: int) -> bytes:
        if self._direct is None:
            self.drop_cache()
            return super()._read_exactly(offset, length)
        parts = []
        start = offset - offset % self.sector_size
        end = offset + length
        while start < end:
            desired = min(_BUFFER_BYTES, end - start + -(end - start) % self.sector_size)
            got = self._read_some(self._direct, start, desired)
            part = self._buffer[: min(got, end - start)]
            parts.append(part[max(0, offset - start) :])
            start += got
        return b"".join(parts)

    def _read_some(self, descriptor: int, start: int, desired: int) -> int:
        try:
            os.lseek(descriptor, start, os.SEEK_SET)
            view = memoryview(self._buffer)
            try:
                got = os.readv(descriptor, [view[:desired]])
            finally:
                view.release()
        except OSError as error:
            raise DiskError("{}: reading at byte {} failed: {}.".format(self.path, start, error.strerror), _FAILS)
        if not got or (got % self.sector_size and start + got < self.size):
            raise DiskError("{} ends at byte {}, too early.".format(self.path, start + got), _FAILS)
        return got

    def write_at(self, offset: int, data: bytes) -> None:
        if self._direct is None:
            super().write_at(offset, data)
            return
        if offset < 0 or offset + len(data) > self.size:
            raise DiskError("{}: byte {} to be written lies outside it.".format(self.path, offset + len(data)), _FAILS)
        start = offset - offset % self.sector_size
        end = offset + len(data)
        end += -end % self.sector_size
        before = self._read_exactly(start, offset - start) if start < offset else b""
        tail = end - offset - len(data)
        after = self._read_exactly(offset + len(data), tail) if tail else b""
        whole = before + data + after
        done = 0
        while done < len(whole):
            count = min(_BUFFER_BYTES, len(whole) - done)
            self._buffer[:count] = whole[done : done + count]
            self._write_some(self._direct, start + done, count)
            done += count

    def _write_some(self, descriptor: int, start: int, count: int) -> None:
        try:
            os.lseek(descriptor, start, os.SEEK_SET)
            view = memoryview(self._buffer)
            try:
                written = os.writev(descriptor, [view[:count]])
            finally:
                view.release()
        except OSError as error:
            raise DiskError("{}: writing at byte {} failed: {}.".format(self.path, start, error.strerror), _FAILS)
        if written != count:
            raise DiskError("{}: only {} of {} bytes could be written.".format(self.path, written, count), _FAILS)

    def close(self) -> None:
        direct, self._direct = getattr(self, "_direct", None), None
        if direct is not None:
            os.close(direct)
        super().close()

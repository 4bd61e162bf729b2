"""The thin layer between disk formats and a disk: reading and writing bytes at an offset.

Formats see ``Blocks`` only, so that a test can put a disk that fails, or loses power, in its place.
"""

import errno
import os
import stat
from typing import Any, Optional

from esxforge_target.runtime.errors import ForgeError

# Linux's ioctl for the logical sector size of a block device (linux/fs.h); nobody else has it under this number.
_BLKSSZGET = 0x1268


class DiskError(ForgeError):
    """Reading or writing a disk failed; the message says what, where and why."""

    code = "disk"


class Blocks:
    """A disk, an image of one, or a part of it. ``size`` and all offsets and lengths are in bytes."""

    size = 0  # type: int
    sector_size = 512  # type: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``. Raises DiskError if they cannot all be had."""
        raise NotImplementedError

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of ``data`` at ``offset``. Raises DiskError if not all of it could be written."""
        raise NotImplementedError

    def flush(self) -> None:
        """Return when everything written so far would survive a power cut."""
        raise NotImplementedError


def check_bounds(size: int, offset: int, length: int, where: str) -> None:
    """Raise DiskError unless ``length`` bytes at ``offset`` lie inside ``size`` bytes."""
    if offset < 0 or length < 0 or offset + length > size:
        raise DiskError(
            "{}: bytes {} to {} were asked for, but it is {} bytes long.".format(where, offset, offset + length, size),
            "The disk or image is smaller than what is written on it says: was it cut short while it was copied?",
        )


class FileBlocks(Blocks):
    """A file or a block device opened by path; read-only unless ``writable``.

    Devices are read and written in whole aligned sectors, as some of them (ESXi's among them) take nothing else.
    ``sector_size`` is asked of a Linux block device, and is 512 where nobody says otherwise. ``device`` says that this
    is one, as ESXi shows its disks as plain files. Use as a context manager.
    """

    def __init__(
        self, path: str, writable: bool = False, sector_size: "Optional[int]" = None, device: bool = False
    ) -> None:
        self.path = str(path)
        flags = (os.O_RDWR if writable else os.O_RDONLY) | getattr(os, "O_CLOEXEC", 0)
        try:
            self._descriptor = os.open(self.path, flags)  # type: Optional[int]
        except OSError as error:
            raise DiskError(
                "{} cannot be opened: {}.".format(self.path, error.strerror),
                "Check the path, and that you may {} it.".format("write" if writable else "read"),
            )
        try:
            self._device = device or not stat.S_ISREG(os.fstat(self._fd()).st_mode)
            self.size = os.lseek(self._fd(), 0, os.SEEK_END)
        except OSError as error:
            self.close()
            raise DiskError("{}: its size cannot be found: {}.".format(self.path, error.strerror))
        self.sector_size = sector_size or self._asked_sector_size()

    def _fd(self) -> int:
        if self._descriptor is None:
            raise DiskError("{} is closed already.".format(self.path))
        return self._descriptor

    def _asked_sector_size(self) -> int:
        if not self._device:
            return 512
        try:
            import fcntl  # noqa: PLC0415  not every Python that reads images has it

            answer = fcntl.ioctl(self._fd(), _BLKSSZGET, b"\0\0\0\0")
        except (ImportError, OSError):
            return 512
        size = int.from_bytes(answer, "little")
        return size if size in (512, 1024, 2048, 4096) else 512

    def read_at(self, offset: int, length: int) -> bytes:
        check_bounds(self.size, offset, length, self.path)
        if not self._device:
            return self._read_exactly(offset, length)
        start = offset - offset % self.sector_size
        end = min(self.size, _round_up(offset + length, self.sector_size))
        return self._read_exactly(start, end - start)[offset - start : offset - start + length]

    def _read_exactly(self, offset: int, length: int) -> bytes:
        parts = []
        position = offset
        end = offset + length
        while position < end:
            try:
                part = os.pread(self._fd(), end - position, position)
            except OSError as error:
                raise DiskError("{}: reading at byte {} failed: {}.".format(self.path, position, error.strerror))
            if not part:
                raise DiskError("{} ends at byte {}, {} bytes too early.".format(self.path, position, end - position))
            parts.append(part)
            position += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write_at(self, offset: int, data: bytes) -> None:
        check_bounds(self.size, offset, len(data), self.path)
        if self._device and (offset % self.sector_size or len(data) % self.sector_size):
            start = offset - offset % self.sector_size
            end = min(self.size, _round_up(offset + len(data), self.sector_size))
            around = bytearray(self._read_exactly(start, end - start))
            around[offset - start : offset - start + len(data)] = data
            offset, data = start, bytes(around)
        view = memoryview(data)
        done = 0
        while done < len(view):
            try:
                written = os.pwrite(self._fd(), view[done:], offset + done)
            except OSError as error:
                raise DiskError("{}: writing at byte {} failed: {}.".format(self.path, offset + done, error.strerror))
            if not written:
                raise DiskError("{}: nothing more could be written at byte {}.".format(self.path, offset + done))
            done += written

    def flush(self) -> None:
        try:
            os.fsync(self._fd())
        except OSError as error:
            raise DiskError("{}: what was written could not be made safe: {}.".format(self.path, error.strerror))

    def drop_cache(self) -> None:
        """Ask the kernel to forget what it holds of this file, so that the next read comes from the disk."""
        advise = getattr(os, "posix_fadvise", None)
        if advise is not None:
            try:
                advise(self._fd(), 0, 0, os.POSIX_FADV_DONTNEED)
            except OSError:
                return  # advice only: some devices do not take it, and reading works all the same

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "FileBlocks":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class MemoryBlocks(Blocks):
    """Bytes in memory: small images, and what a test needs."""

    def __init__(self, data: bytes, sector_size: int = 512) -> None:
        self.data = bytearray(data)
        self.size = len(self.data)
        self.sector_size = sector_size

    def read_at(self, offset: int, length: int) -> bytes:
        check_bounds(self.size, offset, length, "memory")
        return bytes(self.data[offset : offset + length])

    def write_at(self, offset: int, data: bytes) -> None:
        check_bounds(self.size, offset, len(data), "memory")
        self.data[offset : offset + len(data)] = data

    def flush(self) -> None:
        """Nothing to do: memory survives no power cut anyway."""


class Window(Blocks):
    """``length`` bytes of ``blocks`` from ``offset``: a partition."""

    def __init__(self, blocks: Blocks, offset: int, length: int) -> None:
        check_bounds(blocks.size, offset, length, "A partition reaches past the end of its disk")
        self._blocks = blocks
        self.offset = offset
        self.size = length
        self.sector_size = blocks.sector_size

    def read_at(self, offset: int, length: int) -> bytes:
        check_bounds(self.size, offset, length, "The partition at byte {}".format(self.offset))
        return self._blocks.read_at(self.offset + offset, length)

    def write_at(self, offset: int, data: bytes) -> None:
        check_bounds(self.size, offset, len(data), "The partition at byte {}".format(self.offset))
        self._blocks.write_at(self.offset + offset, data)

    def flush(self) -> None:
        self._blocks.flush()


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, in as many parts as the system takes it. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_if_possible(descriptor: int) -> None:
    """``fsync`` where the file system has it: what ESXi's own do with it is not documented. Raises OSError."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


def sync_path(path: str) -> None:
    """Wait until a file or directory is on the disk, where the host can do that; where it cannot, that stops
    nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple

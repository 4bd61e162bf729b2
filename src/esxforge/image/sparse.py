"""A raw disk as segments: its holes become zeros without being read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from esxforge.errors import ImageError
from esxforge.formats.segments import FileRange, Segment, Zeros
from esxforge.local.reading import check_file

# What file systems and systems without holes answer to SEEK_DATA.
_NO_HOLES = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY})


def segments_of_file(path: Path) -> list[Segment]:
    """The file at ``path`` in order: ranges that hold data, and zeros for holes.

    On a file system without holes it is one range. Raises InputError and ImageError when the file cannot be read.
    """
    check_file(path, block_devices=True)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(
            f"{path} cannot be opened: {error.strerror}.", "Check the path and its permissions."
        ) from error
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        return _segments(descriptor, path, size)
    except OSError as error:
        raise ImageError(
            f"The holes of {path} cannot be found: {error.strerror}.",
            "Check the disk it is on, or copy the file elsewhere.",
        ) from error
    finally:
        os.close(descriptor)


def _segments(descriptor: int, path: Path, size: int) -> list[Segment]:
    if not hasattr(os, "SEEK_DATA"):
        return _whole(path, size)
    segments: list[Segment] = []
    position = 0
    while position < size:
        data = _next_data(descriptor, position, size)
        if data is None:
            return _whole(path, size)
        if data > position:
            segments.append(Zeros(data - position))
        if data >= size:
            break
        end = min(os.lseek(descriptor, data, os.SEEK_HOLE), size)
        segments.append(FileRange(path, data, end - data))
        position = end
    return segments


def _next_data(descriptor: int, position: int, size: int) -> int | None:
    """Where the next data begins (``size``: there is none); None when the file system does not know holes."""
    try:
        return min(os.lseek(descriptor, position, os.SEEK_DATA), size)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        if error.errno in _NO_HOLES:
            return None
        raise


def _whole(path: Path, size: int) -> list[Segment]:
    return [FileRange(path, 0, size)] if size else []

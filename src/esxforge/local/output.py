"""Output files that appear whole or not at all.

Data goes into a file without a name (``O_TMPFILE``), which the kernel drops whatever ends the process, SIGKILL and a
power cut included; it gets its name once it is whole. File systems without such files get a hidden partial file beside
the output, removed on every orderly end and overwritten by the next run.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from esxforge.errors import OutputError

_NO_NAMELESS_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise :class:`OutputError` when ``path`` may not be written: it exists, or its directory does not."""
    if path.is_dir():
        raise OutputError(f"The output {path} is a directory.", "Name a file with -o.")
    if path.exists() and not overwrite:
        raise OutputError(f"The output {path} exists already.", "Name another file with -o, or allow it with --force.")
    if not path.absolute().parent.is_dir():
        raise OutputError(
            f"The directory {path.absolute().parent} does not exist.", "Create it first, or name another."
        )


@contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the name ``path`` when the block ends without an error.

    Raises :class:`OutputError` for everything that the file system refuses, with the number of bytes written so far.
    """
    check_free(path, overwrite=overwrite)
    stream, partial = _open(path)
    written = 0
    try:
        yield stream
        written = stream.tell()
        stream.flush()
        os.fsync(stream.fileno())
        _name(stream, partial, path, overwrite=overwrite)
    except BaseException as error:
        reached = written or _position(stream)
        with suppress(OSError):  # a full disk takes no more of what is still buffered when it is closed
            stream.close()
        if partial is not None:
            with suppress(OSError):
                partial.unlink()
        if isinstance(error, OSError):
            raise _output_error(path, error, reached) from error
        raise
    stream.close()


def _open(path: Path) -> tuple[BinaryIO, Path | None]:
    directory = path.absolute().parent
    partial = directory / f".{path.name}.partial"
    try:
        try:
            descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except (OSError, AttributeError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_NAMELESS_FILES:
                raise
            return partial.open("w+b"), partial
        return os.fdopen(descriptor, "w+b"), None
    except OSError as error:
        raise _output_error(path, error, 0) from error


def _name(stream: BinaryIO, partial: Path | None, path: Path, *, overwrite: bool) -> None:
    """Give the finished file its name; the directory's entry is on the disk when this returns."""
    directory = os.open(path.absolute().parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if partial is not None:
            partial.replace(path)
        elif not overwrite:
            _link(stream, directory, path.name)
        else:  # a link cannot take over a name: link beside it, then rename
            ready = f".{path.name}.ready-{os.getpid()}"
            _link(stream, directory, ready)
            os.replace(ready, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
    finally:
        os.close(directory)


def _link(stream: BinaryIO, directory: int, name: str) -> None:
    # Without src_dir_fd Python calls link(2), which does not follow the symlink in /proc; linkat(2) does.
    os.link(f"/proc/self/fd/{stream.fileno()}", name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=True)


def _position(stream: BinaryIO) -> int:
    with suppress(OSError, ValueError):
        return os.fstat(stream.fileno()).st_size
    return 0


def _output_error(path: Path, error: OSError, written: int) -> OutputError:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"No space left for {path} after {written / 2**20:.0f} MiB; nothing of it was kept.",
            "Free some space, or name a file on another file system with -o.",
        )
    if error.errno == errno.EEXIST:
        return OutputError(
            f"The output {path} was created by someone else meanwhile.",
            "Name another file with -o, or allow overwriting with --force.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"Not allowed to write {path}: {reason}.", "Name a file in a directory of your own with -o.")
    return OutputError(
        f"Could not write {path}: {reason}; nothing of it was kept.",
        "Check the disk it is on, or name a file on another one with -o.",
    )

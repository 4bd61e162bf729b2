"""Read named files within bounds: one place for what may be opened, how much of it is read, and for how long.

An ISO, an image or a disk is a regular file (a disk may be a block device too). Small inputs, such as a password, a key
or a configuration, may also come through a pipe, as a shell's ``<(…)`` makes one, or from standard input, named ``-``:
it is read to a bound and with a deadline, since nothing says that it ever ends. Anything else is rejected before it is
opened: opening alone can block, rewind a tape or arm a watchdog.
"""

from __future__ import annotations

import os
import select
import stat
import time
from pathlib import Path
from shlex import quote
from typing import BinaryIO

from esxforge.errors import InputError

PIPE_SECONDS = 60.0
"""Seconds that a pipe has for all that it brings: long enough to unlock a password store by hand."""
LARGEST_ISO = 16 << 30
"""Bytes. VMware's installer ISOs have less than 1 GiB."""
LARGEST_DISK = 64 << 40
"""Bytes. The largest disk that ESXi takes (64 TB), and so the largest image."""
LARGEST_PICTURE = 64 << 20
"""Bytes of a screen's picture."""

_DASH, _STDIN = Path("-"), Path("/dev/stdin")
_CHECK_PATH = "Check the path."
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# A pipe delivers its bytes once; later readers get the same ones.
_from_pipes: dict[tuple[str, int, int], bytes] = {}


def check_file(path: Path, *, pipes: bool = False, block_devices: bool = False) -> os.stat_result:
    """Check what ``path`` is without opening it. Raises :class:`InputError` for what must not be opened."""
    path = _opened(path, pipes)
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    mode = found.st_mode
    if not (stat.S_ISREG(mode) or (pipes and stat.S_ISFIFO(mode)) or (block_devices and stat.S_ISBLK(mode))):
        raise _wrong_kind(path, mode)
    return found


def check_readable(path: Path, *, pipes: bool = False) -> None:
    """Check that ``path`` could be read, without taking anything from a pipe. Raises :class:`InputError`."""
    path = _opened(path, pipes)
    if stat.S_ISFIFO(check_file(path, pipes=pipes).st_mode):
        return
    with open_regular(path, largest=None):
        pass


def open_regular(path: Path, *, largest: int | None) -> BinaryIO:
    """Open a regular file for reading. ``largest`` is in bytes; None for a file that is not going to be read.

    Raises :class:`InputError`.
    """
    check_file(path)
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise _unreadable(path, error) from error
    stream = os.fdopen(descriptor, "rb")
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and (largest is None or found.st_size <= largest):
        return stream
    stream.close()
    # Otherwise it was replaced after the check.
    raise _too_large(path, largest or 0) if stat.S_ISREG(found.st_mode) else _wrong_kind(path, found.st_mode)


def read_file(path: Path, *, largest: int, pipes: bool = False, seconds: float = PIPE_SECONDS) -> bytes:
    """Return all bytes of a small file. ``pipes``: it may be a pipe, which then has ``seconds`` to deliver everything.

    Raises :class:`InputError` for a file that cannot be read, has more than ``largest`` bytes, is neither a regular
    file nor (with ``pipes``) a pipe, and for a pipe that does not end in time.
    """
    path = _opened(path, pipes)
    found = check_file(path, pipes=pipes)
    if stat.S_ISFIFO(found.st_mode):
        known = (str(path), found.st_dev, found.st_ino)
        if known not in _from_pipes:
            _from_pipes[known] = _read_pipe(path, largest, seconds)
        return _from_pipes[known]
    with open_regular(path, largest=largest) as stream:
        try:
            data = stream.read(largest + 1)
        except OSError as error:
            raise _unreadable(path, error) from error
    if len(data) > largest:  # it grew, or has no size, as files in /proc
        raise _too_large(path, largest)
    return data


def _opened(path: Path, pipes: bool) -> Path:
    """Return standard input for the name ``-``, if pipes are allowed. A file of that name needs its absolute path."""
    return _STDIN if pipes and path == _DASH else path


def _read_pipe(path: Path, largest: int, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    data = bytearray()
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            # poll() waits for the first writer too: a read would take its absence for the end.
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            while len(data) <= largest:
                left = deadline - time.monotonic()
                if left <= 0 or not poll.poll(left * 1000):
                    raise InputError(
                        f"{path} is a pipe that did not end within {seconds:g} seconds.",
                        "Check the command that writes to it: it has to close the pipe.",
                        str(path),
                    )
                try:
                    part = os.read(descriptor, min(1 << 16, largest + 1 - len(data)))
                except BlockingIOError:  # somebody else reads the same pipe
                    continue
                if not part:
                    return bytes(data)
                data += part
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(path, error) from error
    raise _too_large(path, largest)


def _unreadable(path: Path, error: OSError | ValueError) -> InputError:
    place = str(path)
    if isinstance(error, FileNotFoundError):
        return InputError(f"There is no file {path}.", _CHECK_PATH, place)
    if isinstance(error, PermissionError):
        return InputError(
            f"Not allowed to read {path}.",
            f"Give your user read permission; “ls -l {quote(str(path))}” shows who has it.",
            place,
        )
    reason = getattr(error, "strerror", None) or str(error)  # ValueError: a zero byte in the name
    return InputError(f"Cannot read {path}: {reason}.", "Check the path, and the disk it is on.", place)


def _wrong_kind(path: Path, mode: int) -> InputError:
    if stat.S_ISDIR(mode):
        return InputError(f"{path} is a directory, not a file.", "Name the file itself.", str(path))
    return InputError(
        f"{path} is {kind_of(mode)}, not a regular file.", "Copy its content into a file and name that.", str(path)
    )


def _too_large(path: Path, largest: int) -> InputError:
    return InputError(
        f"{path} is larger than {_amount(largest)}, the most that is read of such a file.",
        "Check that it is the right file.",
        str(path),
    )


def _amount(count: int) -> str:
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"


def kind_of(mode: int) -> str:
    """Return the kind of file that a mode denotes, with its article: "a FIFO"."""
    kinds = (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISBLK, "a block device"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((name for is_kind, name in kinds if is_kind(mode)), "a regular file")

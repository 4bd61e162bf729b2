"""Work directories that are removed automatically, unless a failure is to be examined.

Beside each lies a lock, which the kernel releases when the run dies, even by SIGKILL: the next run that needs a work
directory removes the directory and the lock. A directory that is kept has no lock, and is never swept.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from esxforge.errors import OutputError
from esxforge.local.directories import temporary
from esxforge.local.interrupts import put_off
from esxforge.local.locks import LockedError, LockFile
from esxforge.local.naming import Directory

_LOCK = re.compile(r"\.(esxforge-[0-9a-f]{12})\.lock", re.ASCII)


@contextmanager
def work_directory(
    parent: Path | None = None, *, keep_after: tuple[type[BaseException], ...] = (), keep: bool = False
) -> Iterator[Path]:
    """Yield a new private directory, removed with its contents when the block ends, Ctrl-C included.

    After an error of a class in ``keep_after`` it stays for examination; with ``keep`` after success too.
    ``parent``: None is for the system's directory of temporary files (``TMPDIR``). Those of runs that were killed are
    removed first. Raises :class:`OutputError` when it cannot be made.
    """
    place, around, lock, directory = parent, None, None, None
    kept = False
    try:
        with put_off():
            try:
                place = parent or temporary()
                around = Directory(place)
                _sweep(around)
                name, lock = _locked_name(around)
                os.mkdir(name, 0o700, dir_fd=around.descriptor)
                directory = place / name
            except OSError as error:
                raise OutputError(
                    f"Could not make a work directory{f' in {place}' if place else ''}: {error.strerror}.",
                    "Choose another place with TMPDIR.",
                    str(place or ""),
                ) from error
        yield directory
        kept = keep
    except keep_after:
        kept = directory is not None
        raise
    finally:
        with put_off():
            if directory is not None and not kept:
                shutil.rmtree(directory, ignore_errors=True)
            if lock is not None:
                lock.release()
            if around is not None:
                around.close()


def _locked_name(around: Directory) -> tuple[str, LockFile]:
    """Return a new name and its lock. Raises OSError."""
    while True:
        name = f"esxforge-{secrets.token_hex(6)}"
        with suppress(LockedError):  # another run swept it between our making and locking it
            return name, LockFile(around.descriptor, f".{name}.lock")


def _sweep(around: Directory) -> None:
    """Remove the work directories of runs that died. What cannot be removed is left for the next run."""
    for found in around.names():
        match = _LOCK.fullmatch(found)
        status = around.status(found) if match else None
        if match is None or status is None or not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            continue
        with suppress(OSError, LockedError):
            lock = LockFile(around.descriptor, found)
            left = around.status(match[1])
            if lock.held and left is not None and stat.S_ISDIR(left.st_mode) and left.st_uid == os.geteuid():
                shutil.rmtree(around.path / match[1], ignore_errors=True)
            if lock.held:
                lock.release()
            else:
                lock.close()


def allocated_bytes(path: Path | None) -> int:
    """Return the space that a file takes up on its disk, holes not counted; 0 if there is none."""
    try:
        return path.stat().st_blocks * 512 if path else 0
    except FileNotFoundError:
        return 0

"""Work directories that go away by themselves, unless a failure is to be looked at."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esxforge.errors import OutputError
from esxforge.local.interrupts import put_off


@contextmanager
def work_directory(
    parent: Path | None = None, *, keep_after: tuple[type[BaseException], ...] = (), keep: bool = False
) -> Iterator[Path]:
    """A new private directory, removed with all it holds when the block ends, Ctrl-C included.

    After an error of a class in ``keep_after`` it stays, for the person to look into; with ``keep`` after success too.
    ``parent``: None is for the
    system's directory of temporary files (``TMPDIR``). Raises :class:`OutputError` when it cannot be made.
    """
    directory: Path | None = None
    try:
        with put_off():
            directory = Path(_make(parent))
        yield directory
        if keep:
            directory = None
    except keep_after:
        directory = None
        raise
    finally:
        if directory is not None:
            with put_off():
                shutil.rmtree(directory, ignore_errors=True)


def _make(parent: Path | None) -> str:
    try:
        return tempfile.mkdtemp(prefix="esxforge-", dir=parent)
    except OSError as error:
        place = parent or tempfile.gettempdir()
        raise OutputError(
            f"Could not make a work directory in {place}: {error.strerror}.", "Choose another place with TMPDIR."
        ) from error


def allocated_bytes(path: Path | None) -> int:
    """What a file takes up on its disk, holes not counted; 0 where there is none."""
    try:
        return path.stat().st_blocks * 512 if path else 0
    except FileNotFoundError:
        return 0

"""Where the bytes of a VIB are: a file, a part of one (a member that a bundle stores), or memory (what is small)."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from esxforge.addons.errors import AGAIN, AddOnError
from esxforge.formats.segments import Bytes, FileRange
from esxforge.local.directories import temporary
from esxforge.local.reading import open_regular

LARGEST_BUNDLE = 8 << 30
"""Bytes. ESXi's own depots, the largest bundles there are, have less than 1 GiB."""
_CHUNK = 1 << 20
_ROOM = "Free some space there, or set TMPDIR to a directory that has it."


class UnnamedFile:
    """A temporary file that no directory has: whatever ends this process, nothing of it is left. It goes with the last
    that holds this. ``path`` leads to it, ``size`` is in bytes."""

    def __init__(self) -> None:
        try:
            self._stream = tempfile.TemporaryFile(prefix="esxforge-", buffering=0, dir=temporary())  # noqa: SIM115
        except OSError as error:  # tempfile found no directory that can be written to
            raise AddOnError(f"A VIB cannot be unpacked: {error.strerror or error}.", _ROOM) from error
        self.size = 0
        self.path = Path(f"/proc/self/fd/{self._stream.fileno()}")

    def write(self, data: bytes) -> None:
        """Add ``data``. Raises :class:`AddOnError` where there is no room."""
        view = memoryview(data)
        try:
            while view:
                written = self._stream.write(view)
                self.size += written
                view = view[written:]
        except OSError as error:
            raise AddOnError(
                f"A VIB cannot be unpacked to {temporary()}: {error.strerror}.",
                _ROOM,
            ) from error

    def __del__(self) -> None:
        stream = getattr(self, "_stream", None)  # it could not be made
        if stream is not None:
            stream.close()


@dataclass(frozen=True, slots=True)
class Source:
    """``length`` bytes from ``offset`` of ``path``, or, where it is not None, of ``data``. ``name`` is for messages.

    ``held`` keeps the file that ``path`` leads to, where that has no name.
    """

    name: str
    path: Path
    offset: int
    length: int
    data: bytes | None = field(default=None, repr=False)
    held: UnnamedFile | None = field(default=None, repr=False, compare=False)

    def part(self, name: str, offset: int, length: int) -> Source:
        """The same bytes, further in. ``offset`` counts from this source's start."""
        return Source(name, self.path, self.offset + offset, length, self.data, self.held)

    def segment(self) -> Bytes | FileRange:
        """As content of an image."""
        if self.data is None:
            return FileRange(self.path, self.offset, self.length)
        return Bytes(self.data[self.offset : self.offset + self.length])

    def chunks(self) -> Iterator[bytes]:
        """All of it. Raises :class:`AddOnError` where the file ends before, :class:`InputError` where it is gone."""
        with self.opened() as stream:
            left = self.length
            while left:
                chunk = stream.read(min(_CHUNK, left))
                if not chunk:
                    raise AddOnError(f"{self.name} is truncated: {left} bytes are missing.", AGAIN)
                left -= len(chunk)
                yield chunk

    def read(self) -> bytes:
        """All of it at once, for what is small. Raises as ``chunks``."""
        return b"".join(self.chunks())

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Return a stream positioned at the first byte."""
        if self.data is not None:
            stream: BinaryIO = io.BytesIO(self.data)
        else:
            stream = open_regular(self.path, largest=LARGEST_BUNDLE)
        with stream:
            try:
                stream.seek(self.offset)
                yield stream
            except OSError as error:
                raise AddOnError(
                    f"Cannot read {self.path}: {error.strerror or error}.", "Check the disk it is on."
                ) from error


def of_file(path: Path) -> Source:
    """Open an entire file. Raises :class:`InputError` if it cannot be opened."""
    with open_regular(path, largest=LARGEST_BUNDLE) as stream:
        return Source(str(path), path, 0, stream.seek(0, io.SEEK_END))

"""An image as a list of segments, so that nothing of the image's size ever stands in memory or in a temporary file.

A segment is a run of bytes of known length: literal bytes, a range of an existing file, or zeros. The order of the list
is the order on the disk; a list of segments *is* the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Bytes:
    """Literal bytes."""

    data: bytes

    @property
    def length(self) -> int:
        """Length in bytes."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class FileRange:
    """``length`` bytes of the file at ``path`` from byte ``offset``."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Zeros:
    """``length`` zero bytes."""

    length: int


Segment: TypeAlias = Bytes | FileRange | Zeros

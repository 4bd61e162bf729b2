"""An image as a list of segments, so that nothing of the image's size ever stands in memory or in a temporary file.

A segment is a run of bytes of known length: literal bytes, a range of an existing file, zeros, or bytes that are made
once all before them are known. The order of the list is the order on the disk; a list of segments *is* the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar


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


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256, hexadecimal, of each watched file that has passed, and of the complete source (empty without one)."""

    files: dict[str, str]
    source: str


@dataclass(frozen=True, slots=True)
class Late:
    """``length`` bytes that can only be made once all before them have passed: ``make`` gets the files' hashes."""

    length: int
    make: Callable[[Hashes], bytes]


Segment: TypeAlias = Bytes | FileRange | Zeros | Late
SegmentT_co = TypeVar("SegmentT_co", bound=Segment, covariant=True)


@dataclass(frozen=True, slots=True)
class ImageFile(Generic[SegmentT_co]):
    """A file of an ISO or of an image's boot volume: its path ("EFI/BOOT/BOOTX64.EFI") and its content.

    ``at_deploy`` marks those that the hook rewrites in place.
    """

    path: str
    content: SegmentT_co
    at_deploy: bool = False

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.content.length

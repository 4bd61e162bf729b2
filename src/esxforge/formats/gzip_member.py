"""Write one gzip member as a stream, in which long runs of zeros cost next to nothing.

Facts: RFC 1952 (gzip) and RFC 1951 (deflate). A run of zeros is one deflate block, made once and repeated: it begins
and ends on a byte and refers to nothing before it. Data that does not shrink, such as the modules of an ISO, which are
gzips themselves, goes into stored blocks: that is faster here and on the host that unpacks it. There is one member
only, as ``gzip -l`` misreads several.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from esxforge.formats.crc32 import crc32_combine, crc32_with_zeros

__all__ = ["GzipMember", "backend_name", "crc32_combine", "crc32_with_zeros"]

# magic, deflate, no flags, no time, fastest (4), system unknown (255): the same wherever it is made
_HEADER = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 255))
# The large block makes a hole of 32 GiB a matter of 8,000 writes and is itself made in 10 ms; the small one lets few
# zeros go the slow way.
_ZERO_BLOCKS = (4 << 20, 64 << 10)
_RAW_DEFLATE = -15
_STORED_BLOCK_BYTES = 65_535  # the most that a stored block takes (RFC 1951, 3.2.4)
# From chunks of this size on, a sample decides whether compressing them is worthwhile. Smaller ones are compressed.
_SAMPLED_FROM_BYTES = 256 << 10
_SAMPLES = 16
_SAMPLE_BYTES = 2 << 10
_WORTH_WHILE = 0.98


@cache
def _backend() -> tuple[str, Any]:
    """Return (name with version, module like zlib): Intel's igzip, which is 12 times as fast, if there is a wheel."""
    try:
        isal_zlib = importlib.import_module("isal.isal_zlib")
        version = importlib.import_module("isal").__version__
    except ImportError:
        return f"zlib {zlib.ZLIB_RUNTIME_VERSION}", zlib
    return f"isal {version}", isal_zlib


def backend_name() -> str:
    """Return the compressor's name and version: the bytes of a gzip depend on it."""
    return _backend()[0]


@cache
def _zero_block(length: int) -> bytes:
    """Return deflate blocks for ``length`` zeros that begin and end on a byte and end no stream."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE)
    return deflate.compress(bytes(length)) + deflate.flush(zlib.Z_FULL_FLUSH)


def _stored(data: memoryview) -> Iterator[bytes | memoryview]:
    """Yield stored blocks, none final, that begin on a byte: type and padding, length, its complement, the data."""
    for start in range(0, len(data), _STORED_BLOCK_BYTES):
        block = data[start : start + _STORED_BLOCK_BYTES]
        yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF)
        yield block


class GzipMember:
    """Compressor for one member: feed it data and zeros in order, write what it returns, and end with ``finish``.

    ``level`` is 1 or 2 (3 to 9 are for zlib alone). ``raw_bytes`` counts what went in. ``module`` takes the place of
    the compressor found on this machine: anything that works like zlib.
    """

    def __init__(self, level: int = 1, module: Any = None) -> None:
        self._level = level
        self._module = module or _backend()[1]
        self._deflate: Any = None
        self._started = False
        self._crc = 0
        self.raw_bytes = 0

    def _begin(self) -> bytes:
        """Return the header on the first write."""
        header = b"" if self._started else _HEADER
        self._started = True
        return header

    def _align(self) -> bytes:
        """End the compressed data on a byte. What comes next bypasses the compressor, which could not look back
        over it, so a new one follows."""
        pending = b"" if self._deflate is None else self._deflate.flush(zlib.Z_FULL_FLUSH)
        self._deflate = None
        return self._begin() + pending

    def _compress(self, chunk: bytes | memoryview) -> bytes:
        if self._deflate is None:
            self._deflate = self._module.compressobj(self._level, zlib.DEFLATED, _RAW_DEFLATE)
        head = self._begin()
        packed: bytes = self._deflate.compress(chunk)
        return head + packed if head else packed

    def _shrinks(self, chunk: bytes | memoryview) -> bool:
        if len(chunk) < _SAMPLED_FROM_BYTES:
            return True
        view = memoryview(chunk)
        starts = range(0, len(view), len(view) // _SAMPLES)[:_SAMPLES]
        sample = b"".join(view[start : start + _SAMPLE_BYTES] for start in starts)
        return len(self._module.compress(sample, self._level)) < _WORTH_WHILE * len(sample)

    def data(self, chunk: bytes | memoryview) -> bytes:
        """Compress ``chunk``, or store it if it would not shrink; returns some or none of it now."""
        self._crc = self._module.crc32(chunk, self._crc)
        self.raw_bytes += len(chunk)
        if self._shrinks(chunk):
            return self._compress(chunk)
        return b"".join((self._align(), *_stored(memoryview(chunk))))

    def zeros(self, count: int) -> Iterator[bytes]:
        """Compress ``count`` zeros. Nothing happens until the iterator is read; read it to its end."""
        large, small = _ZERO_BLOCKS
        if count >= 2 * small:
            rest = count % small
            yield self._align()
            for _ in range(count // large):
                yield _zero_block(large)
            yield _zero_block(small) * (count % large // small)
            self._crc = crc32_with_zeros(self._crc, count - rest)
            self.raw_bytes += count - rest
            count = rest
        if count:
            yield self.data(bytes(count))

    def finish(self) -> bytes:
        """Return the rest, with the checksum and the length (modulo 4 GiB) that end a gzip."""
        tail = struct.pack("<II", self._crc & 0xFFFFFFFF, self.raw_bytes & 0xFFFFFFFF)
        begun = self._compress(b"")
        last: bytes = self._deflate.flush(zlib.Z_FINISH)
        return begun + last + tail

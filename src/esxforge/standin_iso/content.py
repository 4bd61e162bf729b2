"""Filler for stand-in ISOs: module files that a boot loader can unpack, of any size, made while they are read.

A module is one gzip member (RFC 1952) whose deflate stream (RFC 1951) is put together by hand, from stored blocks of
random-looking bytes and short blocks that stand for long runs of zeros. So its size is known before a byte of it
exists, its bytes do not depend on the version of any compression library, and nothing of its size stands in memory.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from functools import cache

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no time, unknown system
_TRAILER_SIZE = 8
_STORED_OVERHEAD = 5
_LARGEST_STORED = 0xFFFF
_RUN_LENGTH = 1 + 258 * 1000
SMALLEST_MODULE = len(_HEADER) + _STORED_OVERHEAD + _TRAILER_SIZE


class ModuleContent:
    """A readable binary file: the module called ``name``, ``size`` bytes long. Equal names and sizes, equal bytes."""

    mode = "rb"

    def __init__(self, name: str, size: int) -> None:
        if size < SMALLEST_MODULE:
            raise ValueError(f"a gzip member has at least {SMALLEST_MODULE} bytes")
        self.name = name
        self.size = size
        self._pieces = iter(())  # type: Iterator[bytes]
        self._buffer = b""
        self._position = 0
        self.seek(0)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go back to the start; other places are not supported."""
        if offset or whence:
            raise ValueError("filler can only be read from its start")
        self._pieces = _member(self.name, self.size)
        self._buffer = b""
        self._position = 0
        return 0

    def tell(self) -> int:
        """The number of bytes read so far."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes, fewer only at the end."""
        parts = [self._buffer]
        have = len(self._buffer)
        while size < 0 or have < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            have += len(piece)
        data = b"".join(parts)
        if size >= 0:
            data, self._buffer = data[:size], data[size:]
        else:
            self._buffer = b""
        self._position += len(data)
        return data


def random_bytes(name: str) -> Iterator[bytes]:
    """Incompressible blocks of 65535 bytes without end, the same ones for the same name (AES in counter mode)."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - slow to import

    key = hashlib.sha256(b"esxforge stand-in " + name.encode()).digest()
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    zeros = bytes(_LARGEST_STORED)
    while True:
        yield stream.update(zeros)


def _member(name: str, size: int) -> Iterator[bytes]:
    """The gzip member in pieces: three stored blocks, a run of zeros, and so on; the last one makes up the size."""
    yield _HEADER
    left = size - len(_HEADER) - _TRAILER_SIZE
    noise = random_bytes(name)
    run, zeros = _zero_run()
    checksum = unpacked = turn = 0
    while left - _STORED_OVERHEAD > _LARGEST_STORED:
        turn += 1
        if turn % 4 == 0:
            checksum, unpacked = zlib.crc32(zeros, checksum), unpacked + len(zeros)
            left -= len(run)
            yield run
            continue
        data = next(noise)[: left - 2 * _STORED_OVERHEAD]
        checksum, unpacked = zlib.crc32(data, checksum), unpacked + len(data)
        left -= _STORED_OVERHEAD + len(data)
        yield _stored(data, last=False)
    data = next(noise)[: left - _STORED_OVERHEAD]
    checksum, unpacked = zlib.crc32(data, checksum), unpacked + len(data)
    yield _stored(data, last=True)
    yield struct.pack("<II", checksum, unpacked & 0xFFFFFFFF)


def _stored(data: bytes, *, last: bool) -> bytes:
    """A stored block; it starts at a byte's edge here, so its three header bits and their padding are one byte."""
    return struct.pack("<BHH", int(last), len(data), len(data) ^ 0xFFFF) + data


@cache
def _zero_run() -> tuple[bytes, bytes]:
    """(a block with fixed Huffman codes and an empty stored block that ends at a byte's edge, the zeros it stands for).

    Codes are written most significant bit first, header fields least significant bit first (RFC 1951, 3.1.1, 3.2.6).
    """
    bits = "0" + "10"  # not the last block; type 01, fixed codes
    bits += "00110000"  # the literal 0
    bits += ("11000101" + "00000") * ((_RUN_LENGTH - 1) // 258)  # length 258 (code 285), distance 1 (code 0)
    bits += "0000000"  # end of block (code 256)
    bits += "0" + "00"  # not the last block; type 00, stored
    bits += "0" * (-len(bits) % 8)
    packed = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    return packed + b"\x00\x00\xff\xff", bytes(_RUN_LENGTH)

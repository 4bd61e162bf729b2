"""A disk that is never written: what is written lies over it, in memory, sector by sector."""

from __future__ import annotations

from esxforge_target.runtime.blocks import Blocks, check_bounds


class Overlay(Blocks):
    """``base`` as it is, with writes laid over it. For small changes: each changed sector is held in memory."""

    def __init__(self, base: Blocks, sector_size: int) -> None:
        self._base = base
        self.size = base.size - base.size % sector_size
        self.sector_size = sector_size
        self._sectors: dict[int, bytes] = {}

    def read_at(self, offset: int, length: int) -> bytes:
        check_bounds(self.size, offset, length, "The disk")
        below = self._base.read_at(offset, length)
        if not self.changed(offset, length):
            return below
        data = bytearray(below)
        size = self.sector_size
        for number in range(offset // size, -(-(offset + length) // size)):
            sector = self._sectors.get(number)
            if sector is not None:
                start, end = max(number * size, offset), min((number + 1) * size, offset + length)
                data[start - offset : end - offset] = sector[start - number * size : end - number * size]
        return bytes(data)

    def write_at(self, offset: int, data: bytes) -> None:
        check_bounds(self.size, offset, len(data), "The disk")
        size = self.sector_size
        for number in range(offset // size, -(-(offset + len(data)) // size)):
            start, end = max(number * size, offset), min((number + 1) * size, offset + len(data))
            part = data[start - offset : end - offset]
            if len(part) < size:
                whole = bytearray(self.read_at(number * size, size))
                whole[start - number * size : end - number * size] = part
                part = bytes(whole)
            self._sectors[number] = bytes(part)

    def flush(self) -> None:
        """Nothing is kept anywhere but in memory."""

    def changed(self, offset: int, length: int) -> bool:
        """Return whether any of these bytes was written."""
        first, end = offset // self.sector_size, -(-(offset + length) // self.sector_size)
        return length > 0 and not self._sectors.keys().isdisjoint(range(first, end))

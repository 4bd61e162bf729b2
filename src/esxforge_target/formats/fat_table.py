"""The file allocation table of a volume: chains of clusters, and which are free. Facts: see ``fat_geometry``."""

import sys
from array import array
from typing import List, Sequence, Set, Tuple

from esxforge_target.formats.fat_geometry import Geometry
from esxforge_target.runtime.blocks import Blocks
from esxforge_target.runtime.errors import FormatError

_END_MARKS = {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFFFFFF}
_WIDE_MASK = 0x0FFFFFFF  # the highest four bits of a FAT32 entry are not ours


class AllocationTable:
    """The table in memory. Changes reach the disk with ``write_changes``, in every copy that counts.

    Raises FormatError if the table contains the impossible: chains that loop, or leave the volume.
    """

    def __init__(self, blocks: Blocks, geometry: Geometry) -> None:
        self._blocks = blocks
        self._geometry = geometry
        self._dirty = set()  # type: Set[int]
        raw = blocks.read_at(geometry.fat_offset(max(0, geometry.active_fat)), self._table_bytes())
        self._entries = _unpacked(raw, geometry.fat_bits)
        self._end = geometry.cluster_count + 2

    def _table_bytes(self) -> int:
        return int(self._geometry.fat_sectors * self._geometry.sector_size)

    def next_of(self, cluster: int) -> int:
        """Return the table's entry of a cluster: 0 free, else the next one or a mark."""
        return int(self._entries[cluster]) & _WIDE_MASK

    def chain(self, first: int, whose: str) -> "List[int]":
        """Return the clusters of a file or directory; none if ``first`` is 0. ``whose`` is its path, for messages."""
        chain = []  # type: List[int]
        last = _END_MARKS[self._geometry.fat_bits] & ~7
        cluster = first
        while cluster and cluster < last:
            if not 2 <= cluster < self._end:
                raise _damaged(whose, "its chain goes to cluster {}, there are 2 to {}".format(cluster, self._end - 1))
            chain.append(cluster)
            if len(chain) > self._end:
                raise _damaged(whose, "its chain of clusters is a loop")
            cluster = self.next_of(cluster)
            if cluster == 0:
                raise _damaged(whose, "its chain goes on after cluster {} to a free one".format(chain[-1]))
        if first and not chain:
            raise _damaged(whose, "it begins at cluster {}".format(first))
        return chain

    def free_count(self) -> int:
        """Return the number of free clusters."""
        return sum(1 for entry in self._entries[2 : self._end] if not entry & _WIDE_MASK)

    def find_free(self, count: int) -> "List[int]":
        """Return ``count`` free clusters: the first run that is long enough, else the first ones there are.

        Raises FormatError if there are not so many.
        """
        free = [number for number in range(2, self._end) if not self._entries[number] & _WIDE_MASK]
        if len(free) < count:
            size = self._geometry.cluster_size
            raise FormatError(
                "The FAT volume has {} bytes free, {} are needed.".format(len(free) * size, count * size),
                "A file is replaced by writing the new one beside the old: there must be room for both.",
            )
        start = 0
        for index in range(1, len(free)):
            if index - start >= count:
                break
            if free[index] != free[index - 1] + 1:
                start = index
        return (
            free[start : start + count] if len(free) - start >= count and _is_run(free, start, count) else free[:count]
        )

    def link(self, clusters: "Sequence[int]") -> None:
        """Make a chain of these clusters."""
        for cluster, following in zip(clusters, clusters[1:]):
            self._set(cluster, following)
        if clusters:
            self._set(clusters[-1], _END_MARKS[self._geometry.fat_bits])

    def append(self, last: int, cluster: int) -> None:
        """Let ``cluster``, a chain of its own, follow ``last``."""
        self._set(last, cluster)

    def free(self, clusters: "Sequence[int]") -> None:
        """Free clusters."""
        for cluster in clusters:
            self._set(cluster, 0)

    def _set(self, cluster: int, value: int) -> None:
        self._entries[cluster] = (self._entries[cluster] & ~_WIDE_MASK & 0xFFFFFFFF) | value
        bits = self._geometry.fat_bits
        sector_bits = self._geometry.sector_size * 8
        self._dirty.add(cluster * bits // sector_bits)
        self._dirty.add((cluster * bits + bits - 1) // sector_bits)

    def write_changes(self) -> None:
        """Write the sectors that changed to every copy that counts, and flush."""
        size = self._geometry.sector_size
        active = self._geometry.active_fat
        copies = range(self._geometry.fat_count) if active < 0 else [active]
        for copy in copies:
            offset = self._geometry.fat_offset(copy)
            for first, count in _runs(sorted(self._dirty)):
                self._blocks.write_at(offset + first * size, self._packed(first * size, count * size))
        self._dirty.clear()
        self._blocks.flush()

    def _packed(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes of the table as it is on the disk."""
        bits = self._geometry.fat_bits
        if bits == 12:
            return _packed_12(self._entries, self._table_bytes())[offset : offset + length]
        width = bits // 8
        part = self._entries[offset // width : (offset + length) // width]
        return _swapped(array(_CODES[bits], part)).tobytes()


_CODES = {16: "H", 32: "I"}


def _swapped(entries: "array[int]") -> "array[int]":
    """Return the entries as little-endian, whatever this machine is."""
    if sys.byteorder == "big":
        entries.byteswap()
    return entries


def _unpacked(raw: bytes, bits: int) -> "array[int]":
    if bits == 12:
        entries = array("I")
        for index in range(0, len(raw) - 2, 3):
            both = int.from_bytes(raw[index : index + 3], "little")
            entries.extend((both & 0xFFF, both >> 12))
        if len(raw) % 3 == 2:
            entries.append(int.from_bytes(raw[-2:], "little") & 0xFFF)
        return entries
    packed = array(_CODES[bits])
    packed.frombytes(raw)
    return _swapped(packed)


def _packed_12(entries: "array[int]", length: int) -> bytes:
    packed = bytearray()
    for index in range(0, len(entries) - 1, 2):
        packed += (entries[index] | entries[index + 1] << 12).to_bytes(3, "little")
    if len(entries) % 2:
        packed += entries[-1].to_bytes(2, "little")
    return bytes(packed.ljust(length, b"\0"))


def _is_run(free: "List[int]", start: int, count: int) -> bool:
    return count == 0 or free[start + count - 1] == free[start] + count - 1


def _runs(numbers: "Sequence[int]") -> "List[Tuple[int, int]]":
    """Return (first, count) of the runs in sorted numbers."""
    runs = []  # type: List[Tuple[int, int]]
    for number in numbers:
        if runs and runs[-1][0] + runs[-1][1] == number:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((number, 1))
    return runs


def _damaged(whose: str, what: str) -> FormatError:
    return FormatError("The FAT volume is damaged at /{}: {}.".format(whose, what), "Check it with fsck.fat.")

"""Sizes of the parts of a new FAT volume: cluster size, FATs, and whether everything fits."""

from __future__ import annotations

from dataclasses import dataclass

from esxforge_target.formats.fat_geometry import (
    FAT16_FIRST_COUNT,
    FAT32_FIRST_COUNT,
    MOST_TABLE_BYTES,
    SECTOR_SIZES,
    Geometry,
    table_bytes,
)
from esxforge_target.runtime.errors import FormatError

MIB = 1 << 20
# The specification asks to stay some clusters away from the counts that divide FAT12, FAT16 and FAT32, as many drivers
# count wrongly by a few.
_MARGIN = 16
_COUNTS = {
    12: (1, FAT16_FIRST_COUNT - 1 - _MARGIN),
    16: (FAT16_FIRST_COUNT + _MARGIN, FAT32_FIRST_COUNT - 1 - _MARGIN),
    32: (FAT32_FIRST_COUNT + _MARGIN, 0x0FFFFFF0),
}
# From this size on a volume is FAT32 unless something else is requested, as with mkfs.fat.
_FAT32_FROM = 512 * MIB
_LARGEST_CLUSTER = 32768
_MOST_SECTORS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class VolumeOptions:
    """Options for a new volume; None leaves the choice to esxforge."""

    sector_size: int = 512
    fat_bits: int | None = None
    cluster_size: int | None = None
    reserved_sectors: int | None = None
    fat_count: int = 2
    root_entries: int = 512

    def __post_init__(self) -> None:
        if self.sector_size not in SECTOR_SIZES:
            raise FormatError(f"FAT has no sectors of {self.sector_size} bytes: 512, 1024, 2048 and 4096 it has.")
        if self.fat_bits not in {None, 12, 16, 32}:
            raise FormatError(f"There is no FAT{self.fat_bits}: FAT12, FAT16 and FAT32 there are.")
        if self.fat_count not in {1, 2}:
            raise FormatError(f"A FAT volume has 1 or 2 FATs, not {self.fat_count}.")
        per_sector = self.sector_size // 32
        if not 0 < self.root_entries <= 65535 or self.root_entries % per_sector:
            raise FormatError(f"{self.root_entries} root entries do not fill sectors of {self.sector_size} bytes.")
        if self.reserved_sectors is not None and not 1 <= self.reserved_sectors <= 65535:
            raise FormatError(f"A FAT volume cannot have {self.reserved_sectors} reserved sectors: 1 to 65535 it can.")
        size = self.cluster_size
        if size is not None and (size & (size - 1) or not self.sector_size <= size <= 128 * self.sector_size):
            raise FormatError(f"Clusters of {size} bytes are not possible on sectors of {self.sector_size} bytes.")


def choose_geometry(options: VolumeOptions, volume_bytes: int) -> Geometry:
    """Return the geometry of a volume of exactly ``volume_bytes``.

    Raises FormatError if that is not a multiple of the sector size, or if no cluster size gives the number of clusters
    that the kind of FAT needs (FAT32: at least 65,525).
    """
    sectors, rest = divmod(volume_bytes, options.sector_size)
    if rest or not 0 < sectors <= _MOST_SECTORS:
        raise FormatError(
            f"A FAT volume cannot be {volume_bytes} bytes long with sectors of {options.sector_size} bytes."
        )
    tried = []
    for fat_bits in _kinds(options, volume_bytes):
        for cluster_size in _cluster_sizes(options, fat_bits, volume_bytes):
            geometry = _geometry(options, fat_bits, cluster_size, sectors)
            low, high = _COUNTS[fat_bits]
            if geometry is not None and low <= geometry.cluster_count <= high:
                return geometry
            count = geometry.cluster_count if geometry else 0
            tried.append(f"FAT{fat_bits} with {cluster_size} bytes a cluster: {count} clusters, {low} to {high} needed")
    raise FormatError(
        f"A volume of {volume_bytes} bytes in sectors of {options.sector_size} cannot be made ({'; '.join(tried)}).",
        "Make the volume larger, or choose another kind of FAT.",
    )


def _kinds(options: VolumeOptions, volume_bytes: int) -> tuple[int, ...]:
    if options.fat_bits is not None:
        return (options.fat_bits,)
    return (32, 16, 12) if volume_bytes >= _FAT32_FROM else (16, 12, 32)


def _cluster_sizes(options: VolumeOptions, fat_bits: int, volume_bytes: int) -> list[int]:
    """Return cluster sizes to try, the best first: 4 KiB (a page, and mkfs.fat's choice), then smaller, then larger."""
    if options.cluster_size is not None:
        return [options.cluster_size]
    sizes = [options.sector_size << shift for shift in range(8) if options.sector_size << shift <= _LARGEST_CLUSTER]
    preferred = 4096
    while fat_bits == 32 and preferred < _LARGEST_CLUSTER and volume_bytes // preferred > 1 << 21:
        preferred *= 2
    return sorted((s for s in sizes if s <= preferred), reverse=True) + [s for s in sizes if s > preferred]


def _geometry(options: VolumeOptions, fat_bits: int, cluster_size: int, sectors: int) -> Geometry | None:
    """Return the geometry with these clusters, data aligned to them if we may choose; None if it does not fit."""
    cluster_sectors = cluster_size // options.sector_size
    least = 8 if fat_bits == 32 else 1
    reserved = options.reserved_sectors or (32 if fat_bits == 32 else 4)
    if reserved < least:
        raise FormatError(f"FAT32 needs at least {least} reserved sectors, {reserved} were asked for.")
    root_entries = 0 if fat_bits == 32 else options.root_entries
    fat_sectors = 1
    while True:
        geometry = Geometry(
            fat_bits,
            options.sector_size,
            cluster_sectors,
            reserved,
            options.fat_count,
            fat_sectors,
            root_entries,
            sectors,
            2 if fat_bits == 32 else 0,
            1 if fat_bits == 32 else 0,
        )
        if options.reserved_sectors is None:
            off = geometry.data_offset // options.sector_size % cluster_sectors
            geometry = geometry.replace(reserved_sectors=reserved + (cluster_sectors - off) % cluster_sectors)
        count = geometry.cluster_count
        needed = -(-table_bytes(fat_bits, count) // options.sector_size)
        too_large = needed * options.sector_size > MOST_TABLE_BYTES or (fat_bits < 32 and needed > 0xFFFF)
        if count == 0 or too_large:
            return None
        if needed <= fat_sectors:
            return geometry
        fat_sectors = needed


def clusters_for(length: int, geometry: Geometry) -> int:
    """Return the number of clusters that ``length`` bytes take."""
    return -(-length // geometry.cluster_size)

"""Where things are on a FAT12, FAT16 or FAT32 volume, from the numbers in its boot sector.

Facts: Microsoft, "FAT32 File System Specification" 1.03; for what is met in practice beyond it (FAT32 volumes with
fewer than 65,525 clusters, which mkfs.fat -F 32 makes) Linux, fs/fat/inode.c: FAT32 is what has no 16-bit FAT size.
"""

import struct
from typing import List, Tuple

from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

SECTOR_SIZES = (512, 1024, 2048, 4096)
# A cluster count below these makes a volume FAT12, or FAT16.
FAT16_FIRST_COUNT = 4085
FAT32_FIRST_COUNT = 65525
# 64 MiB of table: 16 million clusters. What says more is no boot volume, and most likely damaged.
MOST_TABLE_BYTES = 64 << 20

# Begins the second sector of a boot bank; 16 bytes of UUID follow (vmware/esx-boot, safeboot).
VMWARE_MARKER = b"VMWARE FAT16    "

# bytes per sector, sectors per cluster, reserved sectors, FATs, root entries, sectors (16 bits), media, FAT sectors (16
# bits), sectors per track, heads, hidden sectors, sectors (32 bits); from byte 11
BPB = struct.Struct("<HBHBHHBHHHII")
# FAT sectors (32 bits), flags, version, root cluster, FSInfo sector, backup boot sector; from byte 36
BPB32 = struct.Struct("<IHHIHH")


# Before a serial number: an extended boot signature says that it is there.
_SIGNATURES = (0x28, 0x29)
_SERIAL_OFFSET, _WIDE_SERIAL_OFFSET = 39, 67


class Geometry(Value):
    """The numbers of a volume. Sectors are of ``sector_size`` bytes, clusters of ``cluster_sectors`` sectors.

    ``fat_bits`` is 12, 16 or 32; ``active_fat`` is -1 when all FATs are kept alike, else the one that counts;
    ``info_sector`` is 0 when there is no FSInfo; ``root_entries`` is 0 and ``root_cluster`` set on FAT32 only.
    """

    __slots__ = (
        "fat_bits",
        "sector_size",
        "cluster_sectors",
        "reserved_sectors",
        "fat_count",
        "fat_sectors",
        "root_entries",
        "total_sectors",
        "root_cluster",
        "info_sector",
        "active_fat",
    )

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        fat_bits: int,
        sector_size: int,
        cluster_sectors: int,
        reserved_sectors: int,
        fat_count: int,
        fat_sectors: int,
        root_entries: int,
        total_sectors: int,
        root_cluster: int = 0,
        info_sector: int = 0,
        active_fat: int = -1,
    ) -> None:
        self.fat_bits = fat_bits
        self.sector_size = sector_size
        self.cluster_sectors = cluster_sectors
        self.reserved_sectors = reserved_sectors
        self.fat_count = fat_count
        self.fat_sectors = fat_sectors
        self.root_entries = root_entries
        self.total_sectors = total_sectors
        self.root_cluster = root_cluster
        self.info_sector = info_sector
        self.active_fat = active_fat

    @property
    def cluster_size(self) -> int:
        """Bytes in a cluster."""
        return int(self.sector_size * self.cluster_sectors)

    @property
    def root_sectors(self) -> int:
        """Sectors of the fixed root directory; 0 on FAT32."""
        return int(-(-self.root_entries * 32 // self.sector_size))

    @property
    def root_offset(self) -> int:
        """Byte at which the fixed root directory begins."""
        return int((self.reserved_sectors + self.fat_count * self.fat_sectors) * self.sector_size)

    @property
    def data_offset(self) -> int:
        """Byte at which cluster 2, the first one, begins."""
        return self.root_offset + int(self.root_sectors * self.sector_size)

    @property
    def cluster_count(self) -> int:
        """Number of clusters; they are called 2 to ``cluster_count`` + 1."""
        data_sectors = self.total_sectors - self.data_offset // self.sector_size
        return int(max(0, data_sectors) // self.cluster_sectors)

    @property
    def volume_bytes(self) -> int:
        """Length of the volume in bytes."""
        return int(self.total_sectors * self.sector_size)

    def fat_offset(self, copy: int) -> int:
        """Byte at which a copy of the FAT (0, 1, …) begins."""
        return int((self.reserved_sectors + copy * self.fat_sectors) * self.sector_size)

    def cluster_offset(self, cluster: int) -> int:
        """Return the byte at which a cluster begins. Raises FormatError if there is no such cluster."""
        if not 2 <= cluster < self.cluster_count + 2:
            raise FormatError(
                "The FAT volume is damaged: cluster {} is used, it has 2 to {}.".format(cluster, self.cluster_count + 1)
            )
        return self.data_offset + (cluster - 2) * self.cluster_size


def table_bytes(fat_bits: int, cluster_count: int) -> int:
    """Bytes that a FAT for so many clusters takes (two entries more than clusters)."""
    return -(-(cluster_count + 2) * fat_bits // 8)


def parse_geometry(boot: bytes, volume_bytes: int) -> Geometry:
    """The geometry in a boot sector (its first 512 bytes) of a volume of ``volume_bytes``.

    Raises FormatError for what is no FAT boot sector, and for numbers that cannot be true.
    """
    if len(boot) < 512 or boot[510:512] != b"\x55\xaa":
        raise FormatError("This is not a FAT volume: its first sector does not end in 55 AA.")
    (sector, cluster, reserved, fats, roots, total16, media, fat16, _, _, _, total32) = BPB.unpack_from(boot, 11)
    fat32, flags, version, root_cluster, info, _ = BPB32.unpack_from(boot, 36)

    def require(right: bool, what: str) -> None:
        if not right:
            raise FormatError("This is not a FAT volume, or a damaged one: its boot sector says {}.".format(what))

    require(sector in SECTOR_SIZES, "{} bytes a sector".format(sector))
    require(cluster > 0 and cluster & (cluster - 1) == 0, "{} sectors a cluster".format(cluster))
    require(reserved > 0, "no reserved sectors")
    require(fats in (1, 2), "{} FATs".format(fats))
    require(media >= 0xF8 or media == 0xF0, "media {:#x}".format(media))
    wide = fat16 == 0
    fat_sectors = fat32 if wide else fat16
    require(fat_sectors > 0, "a FAT of no sectors")
    require((roots == 0) == wide, "{} entries in the root directory".format(roots))
    total = total16 or total32
    require(0 < total * sector <= volume_bytes, "{} sectors on {} bytes".format(total, volume_bytes))
    require(fat_sectors * sector <= MOST_TABLE_BYTES, "a FAT of {} sectors".format(fat_sectors))
    require(not wide or version == 0, "FAT32 version {:#x}".format(version))
    active, info = _wide_fields(wide, flags, info, reserved)
    require(active < fats, "that FAT {} is the right one of {}".format(active, fats))
    geometry = Geometry(
        32, sector, cluster, reserved, fats, fat_sectors, roots, total, root_cluster if wide else 0, info, active
    )
    count = geometry.cluster_count
    require(count > 0, "no room for data")
    if not wide:
        require(count < FAT32_FIRST_COUNT, "{} clusters but a FAT of 16 bits".format(count))
        geometry = geometry.replace(fat_bits=12 if count < FAT16_FIRST_COUNT else 16)
    require(
        table_bytes(geometry.fat_bits, count) <= fat_sectors * sector,
        "{} clusters, but a FAT of {} sectors has no room for them".format(count, fat_sectors),
    )
    require(not wide or 2 <= root_cluster < count + 2, "that the root directory is at cluster {}".format(root_cluster))
    return geometry


def serial_offsets(boot: bytes) -> "List[int]":
    """The bytes of a volume at which its serial number (4 bytes) stands, from its boot sector, which is a valid one.

    In that sector first; on FAT32 in its backup too. None where the volume has no serial number.
    """
    sector, _, reserved, _, _, _, _, fat16 = BPB.unpack_from(boot, 11)[:8]
    offset = _SERIAL_OFFSET if fat16 else _WIDE_SERIAL_OFFSET
    if boot[offset - 1] not in _SIGNATURES:
        return []
    backup = 0 if fat16 else BPB32.unpack_from(boot, 36)[5]
    return [offset] + ([backup * sector + offset] if 0 < backup < reserved else [])


def _wide_fields(wide: bool, flags: int, info: int, reserved: int) -> "Tuple[int, int]":
    """(active FAT, FSInfo sector) of a FAT32 volume; (-1, 0) of others."""
    if not wide:
        return -1, 0
    return (flags & 0x0F if flags & 0x80 else -1), (info if 0 < info < reserved else 0)

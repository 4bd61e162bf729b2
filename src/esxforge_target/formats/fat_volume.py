"""Reading a FAT12, FAT16 or FAT32 volume: directories, files, and where their bytes stand. Editing is in
``fat_editor``."""

from typing import Iterator, List, Optional, Set, Tuple

from esxforge_target.formats.fat_directory import MOST_SLOTS, DirectoryEntry, parse_entries
from esxforge_target.formats.fat_geometry import VMWARE_MARKER, parse_geometry, serial_offsets
from esxforge_target.formats.fat_names import SLOT_BYTES, folded
from esxforge_target.formats.fat_table import AllocationTable
from esxforge_target.runtime.blocks import Blocks, DiskError
from esxforge_target.runtime.errors import FormatError

# What is read whole into memory is small: boot.cfg, kickstarts, modules. More than this needs ``extents``.
MOST_READ = 256 << 20


class Directory:
    """A directory as it stands on the disk: its path, its clusters (none: the fixed root) and its runs of bytes."""

    def __init__(self, path: str, clusters: "List[int]", runs: "List[Tuple[int, int]]") -> None:
        self.path = path
        self.clusters = clusters
        self.runs = runs

    def slot_offset(self, slot: int) -> int:
        """Return the byte of the volume at which a slot begins."""
        left = slot * SLOT_BYTES
        for offset, length in self.runs:
            if left < length:
                return offset + left
            left -= length
        raise FormatError("The directory /{} has no slot {}.".format(self.path, slot))

    def slot_count(self) -> int:
        """Slots that there is room for."""
        return sum(length for _, length in self.runs) // SLOT_BYTES


class FatVolume:
    """A volume on ``blocks``. Paths have "/" between their parts; upper and lower case are alike.

    Raises FormatError for what is no FAT volume or a damaged one, and for paths that are not there.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        try:
            boot = blocks.read_at(0, 512)
        except DiskError as error:
            raise FormatError("This is not a FAT volume: {}".format(error.message))
        self.geometry = parse_geometry(boot, blocks.size)
        self._table = None  # type: Optional[AllocationTable]

    @property
    def table(self) -> AllocationTable:
        """The allocation table, read when first needed."""
        if self._table is None:
            self._table = AllocationTable(self.blocks, self.geometry)
        return self._table

    def free_bytes(self) -> int:
        """Bytes in free clusters."""
        return self.table.free_count() * self.geometry.cluster_size

    # -- finding ------------------------------------------------------------------------------------------------

    def list_directory(self, path: str = "") -> "List[DirectoryEntry]":
        """Files and directories in the directory at ``path`` (the root without one), in the order of the disk."""
        return self._entries(self.directory(path))

    def walk(self) -> "Iterator[Tuple[str, DirectoryEntry]]":
        """(path, entry) of every file and directory, parents first."""
        seen = set()  # type: Set[int]
        waiting = [self.directory("")]
        while waiting:
            directory = waiting.pop(0)
            for entry in self._entries(directory):
                path = _joined(directory.path, entry.name)
                yield path, entry
                if entry.is_directory:
                    if entry.cluster in seen:
                        raise FormatError(
                            "The FAT volume is damaged: directories lead in a circle at /{}.".format(path)
                        )
                    seen.add(entry.cluster)
                    waiting.append(self._directory_of(path, entry))

    def find(self, path: str) -> "Optional[DirectoryEntry]":
        """The entry at ``path``, or None."""
        parts = [part for part in path.split("/") if part]
        if not parts:
            return None
        directory = self.directory("")
        for depth, part in enumerate(parts):
            entry = _named(self._entries(directory), part)
            if entry is None or depth == len(parts) - 1:
                return entry
            if not entry.is_directory:
                return None
            directory = self._directory_of(_joined(directory.path, entry.name), entry)
        return None

    def entry(self, path: str) -> DirectoryEntry:
        """Return the entry at ``path``. Raises FormatError if there is none."""
        found = self.find(path)
        if found is None:
            raise FormatError("There is no /{} on the FAT volume.".format(path.strip("/")))
        return found

    def directory(self, path: str) -> Directory:
        """Return the directory at ``path``. Raises FormatError if there is none, or it is a file."""
        clean = path.strip("/")
        if clean:
            return self._directory_of(clean, self.entry(clean))
        if self.geometry.fat_bits == 32:
            return self._directory_at("", self.geometry.root_cluster)
        length = self.geometry.root_entries * SLOT_BYTES
        return Directory("", [], [(self.geometry.root_offset, length)])

    def _directory_of(self, path: str, entry: DirectoryEntry) -> Directory:
        if not entry.is_directory:
            raise FormatError("/{} is a file, not a directory.".format(path))
        return self._directory_at(path, entry.cluster)

    def _directory_at(self, path: str, cluster: int) -> Directory:
        clusters = self.table.chain(cluster, path)
        if not clusters or len(clusters) * self.geometry.cluster_size > max(
            MOST_SLOTS * SLOT_BYTES, self.geometry.cluster_size
        ):
            raise FormatError(
                "The FAT volume is damaged: the directory /{} is {} clusters long.".format(path, len(clusters))
            )
        return Directory(path, clusters, self.runs_of(clusters))

    def _entries(self, directory: Directory) -> "List[DirectoryEntry]":
        return parse_entries(self.directory_data(directory))

    def directory_data(self, directory: Directory) -> bytes:
        """All slots of a directory."""
        return b"".join(self.blocks.read_at(offset, length) for offset, length in directory.runs)

    # -- content ------------------------------------------------------------------------------------------------

    def clusters_of(self, path: str, entry: DirectoryEntry) -> "List[int]":
        """The clusters of a file. Raises FormatError when they are fewer than its size needs."""
        clusters = self.table.chain(entry.cluster, path)
        if entry.size > len(clusters) * self.geometry.cluster_size:
            raise FormatError(
                "The FAT volume is damaged: /{} is {} bytes long, but has {} clusters of {} bytes.".format(
                    path, entry.size, len(clusters), self.geometry.cluster_size
                )
            )
        return clusters

    def runs_of(self, clusters: "List[int]") -> "List[Tuple[int, int]]":
        """(offset on the volume, length) in bytes of clusters, neighbours joined."""
        runs = []  # type: List[Tuple[int, int]]
        size = self.geometry.cluster_size
        for cluster in clusters:
            offset = self.geometry.cluster_offset(cluster)
            if runs and runs[-1][0] + runs[-1][1] == offset:
                runs[-1] = (runs[-1][0], runs[-1][1] + size)
            else:
                runs.append((offset, size))
        return runs

    def file_entry(self, path: str) -> DirectoryEntry:
        """Return the entry of a file. Raises FormatError if there is none, or it is a directory."""
        found = self.entry(path)
        if found.is_directory:
            raise FormatError("/{} is a directory, not a file.".format(path.strip("/")))
        return found

    def extents(self, path: str) -> "List[Tuple[int, int]]":
        """(offset on the volume, length) in bytes of the content of a file, in order; none when it is empty."""
        return self.extents_of(path, self.file_entry(path))

    def extents_of(self, path: str, entry: DirectoryEntry) -> "List[Tuple[int, int]]":
        """``extents`` of a file whose entry is known; ``path`` is for messages."""
        extents = []
        left = entry.size
        for offset, length in self.runs_of(self.clusters_of(path, entry)):
            if left <= 0:
                break
            extents.append((offset, min(length, left)))
            left -= length
        return extents

    def read_file(self, path: str, most: int = MOST_READ) -> bytes:
        """The content of a file. Raises FormatError when it is longer than ``most`` bytes."""
        size = self.file_entry(path).size
        if size > most:
            raise FormatError("/{} is {} bytes long, at most {} were expected.".format(path.strip("/"), size, most))
        return b"".join(self.blocks.read_at(offset, length) for offset, length in self.extents(path))

    # -- what tells it from others ------------------------------------------------------------------------------

    def serial(self) -> bytes:
        """Return the 4 bytes of the serial number, as on the disk; b"" if the volume has none."""
        offsets = serial_offsets(self.blocks.read_at(0, 512))
        return self.blocks.read_at(offsets[0], 4) if offsets else b""

    def vmware_uuid(self) -> bytes:
        """The 16 bytes of UUID in the second sector of a boot bank; b"" when VMware's marker is not there."""
        if self.geometry.reserved_sectors < 2:
            return b""
        sector = self.blocks.read_at(self.geometry.sector_size, 32)
        return sector[16:32] if sector[:16] == VMWARE_MARKER else b""


def _named(entries: "List[DirectoryEntry]", name: str) -> "Optional[DirectoryEntry]":
    desired = folded(name)
    for entry in entries:
        if desired in (folded(entry.name), folded(entry.short_name)):
            return entry
    return None


def _joined(directory: str, name: str) -> str:
    return directory + "/" + name if directory else name

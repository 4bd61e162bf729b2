"""A whole new FAT volume as segments, from content that is known beforehand: one pass, contiguous, deterministic.

The order on the volume: reserved sectors, FATs, directories, files in the order given, zeros to the end. So the last
file given stands last, and can be written when everything before it has passed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from esxforge.formats.fat_boot import boot_sector, fat_bytes, info_sector, reserved_bytes
from esxforge.formats.fat_sizing import MIB, VolumeOptions, choose_geometry, clusters_for
from esxforge.formats.fat_tree import Node, build_tree, directory_bytes, slot_count
from esxforge.formats.segments import Bytes, ImageFile, Segment, Zeros
from esxforge_target.formats.fat_geometry import Geometry
from esxforge_target.formats.fat_names import SLOT_BYTES
from esxforge_target.runtime.errors import FormatError

FIXED_TIME = datetime.datetime(1980, 1, 1, tzinfo=datetime.timezone.utc)
NO_LABEL = "NO NAME"
_LABEL = re.compile(r"[A-Z0-9!#$%&'()@^_`{}~-][A-Z0-9 !#$%&'()@^_`{}~-]{0,10}")


@dataclass(frozen=True, slots=True)
class FatLayout:
    """A volume: its segments in order, and where the first byte of each file stands (by path as given, in bytes).

    An empty file has no first byte; its offset is where one would stand.
    """

    segments: list[Segment]
    offsets: Mapping[str, int]
    geometry: Geometry
    free_clusters: int

    @property
    def cluster_size(self) -> int:
        """Bytes in a cluster."""
        return self.geometry.cluster_size


def layout(
    files: Sequence[ImageFile[Segment]],
    *,
    volume_bytes: int,
    sector_size: int = 512,
    fat_bits: int | None = None,
    cluster_size: int | None = None,
    reserved_sectors: int | None = None,
    fat_count: int = 2,
    root_entries: int = 512,
    hidden_sectors: int = 0,
    label: str = "",
    volume_id: int = 0,
    timestamp: datetime.datetime = FIXED_TIME,
    directories: Sequence[str] = (),
    vmware_uuid: bytes = b"",
) -> FatLayout:
    """Lay out a volume of ``volume_bytes`` that holds ``files``, and ``directories`` that may be empty.

    ``hidden_sectors`` is the sector of the disk at which the volume will begin. ``vmware_uuid`` (16 bytes) puts
    VMware's marker of a boot bank into the second sector. ``timestamp`` is written as it stands, whatever its zone.
    Raises FormatError for names that FAT cannot hold or that collide, files of 4 GiB or more, a root directory or
    volume that is too small, and a geometry that FAT does not know.
    """
    options = VolumeOptions(sector_size, fat_bits, cluster_size, reserved_sectors, fat_count, root_entries)
    packed_label = _packed_label(label)
    geometry = choose_geometry(options, volume_bytes)
    _check_marker(geometry, vmware_uuid)
    root, by_path = build_tree([(file.path, file.size) for file in files], directories)
    plan = _place(root, [by_path[file.path] for file in files], geometry, bool(label))
    free = geometry.cluster_count + 2 - plan.used
    if free < 0:
        raise FormatError(
            f"The files need {plan.used - 2} clusters of {geometry.cluster_size} bytes, "
            f"the volume of {volume_bytes} bytes has {geometry.cluster_count}.",
            "Make the volume larger.",
        )
    boot = boot_sector(geometry, packed_label, volume_id, hidden_sectors)
    info = info_sector(free, plan.used if free else 0xFFFFFFFF, sector_size)
    fat = fat_bytes(geometry.fat_bits, plan.chain_ends, plan.used)
    out = _Joined()
    out.add(Bytes(reserved_bytes(geometry, boot, info, vmware_uuid)))
    for _ in range(geometry.fat_count):
        out.add(Bytes(fat))
        out.add(Zeros(geometry.fat_sectors * sector_size - len(fat)))
    _add_directories(out, root, geometry, timestamp, packed_label if label else b"")
    offsets = _add_files(out, files, geometry)
    out.add(Zeros(volume_bytes - out.length))
    return FatLayout(out.segments, offsets, geometry, free)


def smallest_volume_bytes(
    files: Sequence[ImageFile[Segment]],
    *,
    sector_size: int = 512,
    fat_bits: int | None = 32,
    slack_bytes: int = 0,
    cluster_size: int | None = None,
    reserved_sectors: int | None = None,
    label: str = "",
    directories: Sequence[str] = (),
) -> int:
    """A size in whole MiB that surely holds ``files`` and ``slack_bytes`` more, for ``layout`` with the same arguments.

    It is at least what the kind of FAT needs: about 33 MiB for FAT32 with sectors of 512 bytes, 257 MiB with 4096.
    Raises FormatError as ``layout`` does, for what no size can mend.
    """
    options = VolumeOptions(sector_size, fat_bits, cluster_size, reserved_sectors)
    root, by_path = build_tree([(file.path, file.size) for file in files], directories)
    content = sum(file.size for file in files) + slack_bytes
    size = max(1, -(-content // MIB)) * MIB
    largest = 0xFFFFFFFF * sector_size
    while size <= largest:
        try:
            geometry = choose_geometry(options, size)
        except FormatError:
            size += MIB
            continue
        plan = _place(root, list(by_path.values()), geometry, bool(label))
        missing = plan.used - 2 + clusters_for(slack_bytes, geometry) - geometry.cluster_count
        if missing <= 0:
            return size
        size += -(-missing * geometry.cluster_size // MIB) * MIB
    raise FormatError(f"No FAT volume can hold {content} bytes in {len(files)} files.")


@dataclass(frozen=True, slots=True)
class _Placement:
    """Where chains end, and the first cluster that is free."""

    chain_ends: list[int]
    used: int


def _place(root: Node, files: Sequence[Node], geometry: Geometry, labelled: bool) -> _Placement:
    """Give clusters to directories, then files, one after the other from cluster 2."""
    ends: list[int] = []
    position = 2

    def take(node: Node, length: int) -> None:
        nonlocal position
        count = clusters_for(length, geometry)
        node.cluster = position if count else 0
        position += count
        if count:
            ends.append(position - 1)

    for directory in root.directories():
        extra = 2 if directory is not root else int(labelled)
        length = (slot_count(directory) + extra) * SLOT_BYTES
        if directory is root and geometry.fat_bits != 32:
            _check_root(length, geometry, len(directory.children))
        else:
            take(directory, max(length, 1))
    for node in files:
        take(node, node.size)
    return _Placement(ends, position)


def _check_root(length: int, geometry: Geometry, children: int) -> None:
    if length > geometry.root_entries * SLOT_BYTES:
        raise FormatError(
            f"The root directory of this FAT{geometry.fat_bits} volume has room for {geometry.root_entries} slots: "
            f"{children} files and directories need {length // SLOT_BYTES}.",
            "Use FAT32, or put files into a directory.",
        )


def _check_marker(geometry: Geometry, vmware_uuid: bytes) -> None:
    if not vmware_uuid:
        return
    if len(vmware_uuid) != 16:
        raise FormatError(f"The UUID of a boot bank is 16 bytes long, not {len(vmware_uuid)}.")
    if geometry.fat_bits == 32 or geometry.reserved_sectors < 2:
        raise FormatError("VMware's marker needs a FAT16 volume with at least two reserved sectors.")


def _packed_label(label: str) -> bytes:
    text = label or NO_LABEL
    if not _LABEL.fullmatch(text):
        raise FormatError(f"{label!r} cannot be the label of a FAT volume: up to 11 letters, digits and blanks can.")
    return text.encode("ascii").ljust(11)


class _Joined:
    """Segments one after the other; zeros after zeros become one."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.length = 0

    def add(self, segment: Segment) -> None:
        if not segment.length:
            return
        self.length += segment.length
        last = self.segments[-1] if self.segments else None
        if isinstance(last, Zeros) and isinstance(segment, Zeros):
            self.segments[-1] = Zeros(last.length + segment.length)
        else:
            self.segments.append(segment)


def _add_directories(out: _Joined, root: Node, geometry: Geometry, when: datetime.datetime, label: bytes) -> None:
    parents = {id(child): directory for directory in root.directories() for child in directory.children.values()}
    for directory in root.directories():
        data = directory_bytes(directory, parents.get(id(directory)), when, label if directory is root else b"")
        if directory is root and geometry.fat_bits != 32:
            room = geometry.root_sectors * geometry.sector_size
        else:
            room = max(1, clusters_for(len(data), geometry)) * geometry.cluster_size
        out.add(Bytes(data.ljust(room, b"\0")))


def _add_files(out: _Joined, files: Sequence[ImageFile[Segment]], geometry: Geometry) -> dict[str, int]:
    offsets: dict[str, int] = {}
    for file in files:
        offsets[file.path] = out.length
        out.add(file.content)
        out.add(Zeros(-file.size % geometry.cluster_size))
    return offsets

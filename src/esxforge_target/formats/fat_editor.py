"""Changing a FAT volume in place, so that a power cut at any moment leaves the old file or the new one, whole.

The order of every change, with a flush after each line:

1. FSInfo (FAT32) says that the number of free clusters is unknown.
2. The new content goes to free clusters.
3. The FATs get the chain of the new content; nothing refers to it yet.
4. One sector of the directory is written: from here on the new file is there, and the old one is not.
5. The old clusters are overwritten where that was asked for, and given back in the FATs.
6. FSInfo gets the new number.

So what a power cut leaves, at worst, is lost clusters, FATs that differ in them alone, and an unset number in FSInfo. A
name of more than 195 characters may cross a sector and leave a part of itself in the directory too. Marks that a volume
was not unmounted cleanly are neither set nor cleared: nothing here needs repair, and what others left is not mended.
"""

import contextlib
import datetime
import struct
from typing import Iterator, List, Optional, Tuple

from esxforge_target.formats.fat_directory import (
    ARCHIVE,
    DIRECTORY,
    END,
    FREE,
    MOST_SLOTS,
    DirectoryEntry,
    dos_time,
    dot_slots,
    named_slots,
    packed_slot,
)
from esxforge_target.formats.fat_geometry import VMWARE_MARKER, serial_offsets
from esxforge_target.formats.fat_names import SLOT_BYTES, ShortNames, check_name, folded, packed_short
from esxforge_target.formats.fat_volume import Directory, FatVolume
from esxforge_target.runtime.errors import FormatError

_UNKNOWN = 0xFFFFFFFF
_LARGEST_FILE = 0xFFFFFFFF
_WIPE_BYTES = 1 << 20
_FIXED_TIME = datetime.datetime(1980, 1, 1, tzinfo=datetime.timezone.utc)


class FatEditor(FatVolume):
    """A volume that can be changed. Everything is on the disk when a method returns.

    Raises FormatError as ``FatVolume`` does, and for names that FAT cannot hold or what does not fit, before anything
    is changed; DiskError when the disk fails.
    """

    def write_file(
        self,
        path: str,
        data: bytes,
        wipe_old: bool = False,
        when: datetime.datetime = _FIXED_TIME,
    ) -> None:
        """Make the file at ``path``, or replace it. Its directory must be there.

        ``wipe_old`` overwrites what the clusters of the replaced file held. ``when`` becomes its time.
        """
        if len(data) > _LARGEST_FILE:
            raise FormatError("/{} would be {} bytes long: FAT cannot hold 4 GiB or more.".format(path, len(data)))
        directory, name = self._place_of(path)
        old = self.find(path)
        if old is not None and old.is_directory:
            raise FormatError("/{} is a directory, a file cannot take its place.".format(path.strip("/")))
        old_clusters = self.table.chain(old.cluster, path) if old is not None else []
        count = -(-len(data) // self.geometry.cluster_size)
        clusters = self.table.find_free(count + (0 if old else self._clusters_to_add(directory, name)))[:count]
        with self._change():
            self._write_runs(clusters, data)
            self.table.link(clusters)
            self.table.write_changes()
            self._enter(directory, name, old, ARCHIVE, (clusters[0] if clusters else 0, len(data)), when)
            self._give_back(old_clusters, wipe_old)

    def make_directory(self, path: str, when: datetime.datetime = _FIXED_TIME) -> None:
        """Make an empty directory; nothing happens when it is there already. The one above must be there."""
        directory, name = self._place_of(path)
        old = self.find(path)
        if old is not None and old.is_directory:
            return
        if old is not None:
            raise FormatError("/{} is a file, a directory cannot take its place.".format(path.strip("/")))
        clusters = self.table.find_free(1 + self._clusters_to_add(directory, name))[:1]
        parent = directory.clusters[0] if directory.path else 0
        with self._change():
            date, time = dos_time(when)
            self._write_runs(clusters, dot_slots(clusters[0], parent, date, time))
            self.table.link(clusters)
            self.table.write_changes()
            self._enter(directory, name, None, DIRECTORY, (clusters[0], 0), when)

    def overwrite(self, path: str, data: bytes) -> None:
        """Put ``data`` where the content of a file stands, zeros after it to the end of its clusters; its length stays.

        Directories and FATs are not touched. A power cut in the middle leaves a part of each. Raises FormatError when
        ``data`` is longer than the file.
        """
        entry = self.file_entry(path)
        if len(data) > entry.size:
            raise FormatError(
                "/{} is {} bytes long: {} bytes do not fit in its place.".format(path.strip("/"), entry.size, len(data))
            )
        self._write_runs(self.clusters_of(path, entry), data)

    def remove(self, path: str, wipe: bool = False) -> None:
        """Remove a file, or a directory that is empty; ``wipe`` overwrites its content with zeros first."""
        entry = self.entry(path)
        clusters = self.table.chain(entry.cluster, path)
        if entry.is_directory and self.list_directory(path):
            raise FormatError(
                "/{} is a directory that is not empty.".format(path.strip("/")), "Remove what is in it first."
            )
        directory = self.directory(path.strip("/").rpartition("/")[0])
        with self._change():
            if wipe:
                self._wipe(clusters)
            data = bytearray(
                self.directory_data(directory)[entry.first_slot * SLOT_BYTES : (entry.slot + 1) * SLOT_BYTES]
            )
            for start in range(0, len(data), SLOT_BYTES):
                data[start] = FREE
            self._write_slots(directory, entry.first_slot, bytes(data))
            self._give_back(clusters, wipe=False)

    def set_vmware_uuid(self, new: bytes) -> None:
        """Put another UUID (16 bytes) into VMware's marker. Raises FormatError when the volume has no marker."""
        if len(new) != 16:
            raise FormatError("The UUID of a boot bank is 16 bytes long, not {}.".format(len(new)))
        if not self.vmware_uuid():
            raise FormatError("This volume is not a boot bank: VMware's marker is not in its second sector.")
        size = self.geometry.sector_size
        sector = self.blocks.read_at(size, size)
        self.blocks.write_at(size, VMWARE_MARKER + new + sector[32:])
        self.blocks.flush()

    def set_serial(self, new: bytes) -> None:
        """Put another serial number (4 bytes) into the boot sector and its backup, where the volume has one."""
        for offset in reversed(serial_offsets(self.blocks.read_at(0, 512))):
            self.blocks.write_at(offset, new)
            self.blocks.flush()

    # -- the steps ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _change(self) -> "Iterator[None]":
        self._write_info(_UNKNOWN)
        try:
            yield
        except BaseException:
            self._table = None  # it may hold what never reached the disk
            raise
        self._write_info(self.table.free_count())

    def _place_of(self, path: str) -> "Tuple[Directory, str]":
        above, _, name = path.strip("/").rpartition("/")
        check_name(name)
        return self.directory(above), name

    def _write_runs(self, clusters: "List[int]", data: bytes) -> None:
        """Fill clusters with ``data``, then zeros, and flush."""
        position = 0
        for offset, length in self.runs_of(clusters):
            self.blocks.write_at(offset, data[position : position + length].ljust(length, b"\0"))
            position += length
        self.blocks.flush()

    def _wipe(self, clusters: "List[int]") -> None:
        for offset, length in self.runs_of(clusters):
            for start in range(0, length, _WIPE_BYTES):
                self.blocks.write_at(offset + start, bytes(min(_WIPE_BYTES, length - start)))
        self.blocks.flush()

    def _give_back(self, clusters: "List[int]", wipe: bool) -> None:
        if wipe:
            self._wipe(clusters)
        self.table.free(clusters)
        self.table.write_changes()

    def _enter(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        directory: Directory,
        name: str,
        old: "Optional[DirectoryEntry]",
        attributes: int,
        content: "Tuple[int, int]",
        when: datetime.datetime,
    ) -> None:
        """Let the directory say that ``name`` is at ``content`` (first cluster, size)."""
        date, time = dos_time(when)
        if old is not None:
            start = old.slot * SLOT_BYTES
            raw = self.directory_data(directory)[start : start + SLOT_BYTES]
            fresh = packed_slot(raw[:11], raw[11] | ARCHIVE, content[0], content[1], date, time)
            # Byte 12 says which parts of the name are lower case, 13 to 19 when the file was made.
            self._write_slots(directory, old.slot, fresh[:12] + raw[12:20] + fresh[20:])
            return
        short_name = self._short_name(directory, name)
        own = packed_slot(packed_short(short_name), attributes, content[0], content[1], date, time)
        self._add_slots(directory, named_slots(name, short_name, own))

    def _short_name(self, directory: Directory, name: str) -> str:
        taken = {folded(entry.short_name) for entry in self._entries(directory)}
        return ShortNames(taken).take(name)

    def _choose_slots(self, directory: Directory, count: int) -> "Tuple[int, int]":
        """(slot for a new entry of ``count`` slots, slots before it to mark as free): in one sector if it can be.

        A sector is written whole or not at all. The slot may lie past the room that a directory has, unless that is
        fixed.
        """
        data = self.directory_data(directory)
        end = _first_end(data)
        per_sector = self.geometry.sector_size // SLOT_BYTES
        start = _free_run(data, end, count, per_sector)
        if start >= 0:
            return start, 0
        room = -end % per_sector
        filler = room if room < count <= per_sector else 0
        if end + filler + count <= directory.slot_count() or directory.clusters:
            return end + filler, filler
        start = _free_run(data, end, count, directory.slot_count())
        if start < 0:
            raise FormatError("The root directory of the FAT volume is full.", "Put the file into a directory.")
        return start, 0

    def _clusters_to_add(self, directory: Directory, name: str) -> int:
        """How many clusters a directory lacks for a new entry. Raises FormatError when it cannot grow so far."""
        count = len(named_slots(name, self._short_name(directory, name), bytes(SLOT_BYTES))) // SLOT_BYTES
        start, _ = self._choose_slots(directory, count)
        missing = (start + count - directory.slot_count()) * SLOT_BYTES
        clusters = max(0, -(-missing // self.geometry.cluster_size))
        if clusters and (len(directory.clusters) + clusters) * self.geometry.cluster_size > MOST_SLOTS * SLOT_BYTES:
            raise FormatError(
                "The directory /{} is full.".format(directory.path), "Put the file into another directory."
            )
        return clusters

    def _add_slots(self, directory: Directory, slots: bytes) -> None:
        """Put a new entry into a directory, which grows where it must."""
        count = len(slots) // SLOT_BYTES
        start, filler = self._choose_slots(directory, count)
        while start + count > directory.slot_count():
            self._extend(directory)
        data = self.directory_data(directory)
        after = start + count
        if _first_end(data) < after < directory.slot_count() and data[after * SLOT_BYTES] != END:
            slots += bytes(SLOT_BYTES)  # what stands after the end must not come back to life
        free_slot = bytes([FREE]) + bytes(SLOT_BYTES - 1)
        self._write_slots(directory, start - filler, free_slot * filler + slots)

    def _extend(self, directory: Directory) -> None:
        """Give a directory one more cluster, zeroed and marked as used before the chain leads to it."""
        added = self.table.find_free(1)
        self._write_runs(added, b"")
        self.table.link(added)
        self.table.write_changes()
        self.table.append(directory.clusters[-1], added[0])
        self.table.write_changes()
        directory.clusters.append(added[0])
        directory.runs = self.runs_of(directory.clusters)

    def _write_slots(self, directory: Directory, start: int, slots: bytes) -> None:
        """Write slots sector by sector, the last one first: the first one makes the others visible."""
        size = self.geometry.sector_size
        sectors = []  # type: List[Tuple[int, bytearray]]
        for index in range(len(slots) // SLOT_BYTES):
            offset = directory.slot_offset(start + index)
            sector = offset - offset % size
            if not sectors or sectors[-1][0] != sector:
                sectors.append((sector, bytearray(self.blocks.read_at(sector, size))))
            inside = offset - sector
            sectors[-1][1][inside : inside + SLOT_BYTES] = slots[index * SLOT_BYTES : (index + 1) * SLOT_BYTES]
        for sector, content in reversed(sectors):
            self.blocks.write_at(sector, bytes(content))
            self.blocks.flush()

    def _write_info(self, free: int) -> None:
        """Put the number of free clusters into FSInfo, where the volume has one that is whole."""
        if not self.geometry.info_sector:
            return
        size = self.geometry.sector_size
        offset = self.geometry.info_sector * size
        sector = self.blocks.read_at(offset, size)
        if sector[:4] == b"RRaA" and sector[484:488] == b"rrAa" and sector[510:512] == b"\x55\xaa":
            self.blocks.write_at(offset, sector[:488] + struct.pack("<I", free) + sector[492:])
            self.blocks.flush()


def _first_end(data: bytes) -> int:
    """The slot that ends a directory, or the number of slots when it is full."""
    for slot in range(len(data) // SLOT_BYTES):
        if data[slot * SLOT_BYTES] == END:
            return slot
    return len(data) // SLOT_BYTES


def _free_run(data: bytes, end: int, count: int, per_sector: int) -> int:
    """The first of ``count`` slots in a row, before the end or from there on, that were freed; within one sector.

    -1 when there are none.
    """
    total = len(data) // SLOT_BYTES
    run = 0
    for slot in range(total):
        if slot % per_sector == 0:
            run = 0
        run = run + 1 if slot >= end or data[slot * SLOT_BYTES] == FREE else 0
        if run >= count and slot < end + count:
            return slot - count + 1
    return -1

"""Write this host's part into the image, in place: no length and no entry of a directory changes.

The order, each with a flush: serial numbers of FAT volumes; the module; then the hook and curtin's credentials are
removed; then ``ks=`` goes into the root's boot.cfg and, last, into the one that UEFI reads. So a disk at which the
power went is either complete, or starts the interactive installer, which does nothing by itself.

A golden image has no boot.cfg to edit: UUIDs of its FAT volumes come before the module, and the module's first sector
is the very last write. So a disk at which the power went is either complete, or has a plain ESXi, which UEFI starts. A
legacy BIOS starts it too, if it starts the disk at all, with one exception: boot code that finds its partition by GUID
(``formats.boot_code``) finds none after a cut between the table's entries and the first sector, right at the start.

The bytes go to their offsets on the disk, past the page cache (see ``direct``), not through the mounted file
system: it could give a file other clusters, and it writes when it likes. curtin's mount stays correct, as the sectors
of these files are written by nobody else, and directories and FATs are left alone. The exception is the serial number
of the volume that is mounted: Linux writes its boot sector on unmounting, as it has it in memory.
"""

import os
from typing import List, Optional, Tuple

from esxforge_target.formats.boot_cfg import SECTOR_SIZE, BootCfg
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import Table
from esxforge_target.formats.manifest import FileRecord, Manifest
from esxforge_target.hook.volume import HookVolume
from esxforge_target.runtime.blocks import Blocks, DiskError, Window
from esxforge_target.runtime.errors import FormatError

# curtin's configuration, with MAAS's token; and the hook itself, whose settings may hold a password's hash. The
# directory is removed last file by last file; what is needed of it is in memory by then.
LEFTOVERS = ("root/curtin-install-cfg.yaml", "curtin")


class Edits:
    """Planned writes: prepared, and so found possible, before the first write.

    ``serials``: (partition, offset, length) of the FAT volumes, which get another serial number. ``volumes``:
    (partition, offset, length, UUID) of those that get another UUID, on golden images, which have no ``boot_cfgs``.
    """

    def __init__(
        self,
        module: "Tuple[FileRecord, bytes]",
        boot_cfgs: "List[Tuple[FileRecord, bytes, bytes]]",
        serials: "List[Tuple[int, int, int]]",
        volumes: "Optional[List[Tuple[int, int, int, bytes]]]" = None,
    ) -> None:
        self.module = module
        self.boot_cfgs = boot_cfgs
        self.serials = serials
        self.volumes = volumes or []


def slot_of(manifest: Manifest, path: str) -> FileRecord:
    """Return the record of a file that is rewritten. Raises FormatError if the image has none."""
    record = manifest.file(path)
    if record is None or not record.at_deploy:
        raise FormatError("The image has no {} to be written to.".format(path), "Build the image again.")
    return record


def boot_cfg_edit(disk: Blocks, record: FileRecord, words: "List[str]") -> "Tuple[FileRecord, bytes, bytes]":
    """Return (record, boot.cfg now, boot.cfg with further kernel options). Raises FormatError if they do not fit."""
    now = disk.read_at(record.offset, record.length)
    cfg = BootCfg.parse(now)
    if any(word.lower().startswith("ks=") for word in cfg.kernelopt):
        raise FormatError(
            "{} already starts an installation: this image was prepared before.".format(record.path),
            "Redeploy the machine, so that the image is written again.",
        )
    return record, now, cfg.fill_reserved_kernelopt(cfg.kernelopt + words)


def fat_volumes(disk: Blocks, table: Table) -> "List[Tuple[int, int, int]]":
    """Return (partition, offset, length) of each partition that holds a FAT volume; in bytes."""
    found = []
    for number, _ in table.partitions:
        offset, length = table.byte_range(number)
        try:
            FatVolume(Window(disk, offset, length))
        except FormatError:
            continue
        found.append((number, offset, length))
    return found


def personalise(disk: Blocks, volume: HookVolume, edits: Edits) -> "List[str]":
    """Write it all, in the order above. Return lines on what was done. Raises DiskError if the disk fails."""
    record, data = edits.module
    lines = _renew_serials(disk, volume, edits.serials)
    for number, offset, length, renewed in edits.volumes:
        FatEditor(Window(disk, offset, length)).set_vmware_uuid(renewed)
        lines.append("partition {}: its volume has a UUID of its own".format(number))
    _write_module(disk, record, data)
    if edits.boot_cfgs:
        _start_module(disk, record, data)
    for path in LEFTOVERS:
        gone = volume.destroy_tree(path)
        lines += ["{}: overwritten and removed".format(one) for one in gone]
    if not edits.boot_cfgs:
        _start_module(disk, record, data)
    lines.append("{}: this host's module, {} bytes, written and read back".format(record.path, record.length))
    for record, before, after in edits.boot_cfgs:
        for at in _changed_sectors(before, after):
            disk.write_at(record.offset + at, after[at : at + SECTOR_SIZE])
            disk.flush()
        _verify(disk, record, after)
        lines.append("{}: starts this host's installation".format(record.path))
    return lines


def _renew_serials(disk: Blocks, volume: HookVolume, places: "List[Tuple[int, int, int]]") -> "List[str]":
    for _, offset, length in places:
        FatEditor(Window(disk, offset, length)).set_serial(os.urandom(4))
    numbers = ", ".join(str(number) for number, _, _ in places)
    try:
        volume.set_serial(os.urandom(4))
    except DiskError as error:  # nothing goes by this number: no reason to stop
        return ["the volume of the hook keeps the image's serial number: {}".format(error.message)]
    return ["partition {}: FAT volumes have serial numbers of their own".format(numbers)]


def _write_module(disk: Blocks, record: FileRecord, data: bytes) -> None:
    """Replace a module except for its first sector, which ``_start_module`` writes.

    Until then that sector is zeros: not a gzip, so the loader takes the file as it is, and in a tar it is the end mark.
    The installer then starts without the module. A part of a gzip file would stop the loader instead.
    """
    size = disk.sector_size
    disk.write_at(record.offset, bytes(size))
    disk.flush()
    disk.write_at(record.offset + size, data[size:])
    disk.flush()
    _verify(disk, record, data, size)


def _start_module(disk: Blocks, record: FileRecord, data: bytes) -> None:
    disk.write_at(record.offset, data[: disk.sector_size])
    disk.flush()
    _verify(disk, record, data)


def _changed_sectors(before: bytes, after: bytes) -> "List[int]":
    starts = range(0, len(after), SECTOR_SIZE)
    return [at for at in starts if before[at : at + SECTOR_SIZE] != after[at : at + SECTOR_SIZE]]


def _verify(disk: Blocks, record: FileRecord, data: bytes, start: int = 0) -> None:
    if disk.read_at(record.offset + start, len(data) - start) != data[start:]:
        raise DiskError(
            "{} reads back different from what was written.".format(record.path),
            "The boot disk is failing: replace it.",
        )

"""Capture a disk on which ESXi is installed as an image that MAAS deploys. The disk itself is only read.

Two passes over the stored data: the first hashes it, as the manifest precedes most of what it describes; the second
compresses and compares it, so that a disk that changes meanwhile is noticed.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esxforge import __version__
from esxforge.errors import FormatError, ImageError
from esxforge.events import Decision, Listener, Notice
from esxforge.formats.segments import Bytes, FileRange, Hashes, Late, Segment
from esxforge.image.captured_data import cut_table, fat_data, fat_parts, joined, opaque_data, segments_with_offsets
from esxforge.image.captured_edits import Places, lay_over
from esxforge.image.details import ascii_text, recipe_details
from esxforge.image.image_files import PRIVATE, BuildResult, DiskImage, ImageFiles, reserve_image, write_image
from esxforge.image.installed_disk import InstalledDisk, Life, examine, window
from esxforge.image.overlay import Overlay
from esxforge.image.verify import FARTHEST_HOOK_BYTES
from esxforge.local.reading import check_file
from esxforge.recipe.load import named_files
from esxforge.recipe.model import Recipe
from esxforge.vm.disks import unpack_command
from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.esxi.banks import MODULE
from esxforge_target.formats.boot_code import renewed_sector
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.gpt import VMFS, VMK_DIAGNOSTIC
from esxforge_target.formats.manifest import MANIFEST_PATH, NO_HASH, FileRecord, Manifest
from esxforge_target.runtime.blocks import DiskError, FileBlocks

_NAMESPACE = uuid.UUID("2f3a7d0c-9c1b-5a58-8a0e-4a4f0f3b6d11")
# Magic numbers of disks that are not raw (QEMU: block/*.c and docs/interop).
_FORMATS = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"KDMV", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vpc"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"QED\0", "qed"),
)
_GZIP = b"\x1f\x8b"
_SHARED = (
    "the UUID of the OSDATA volume (VMFS-L), or of what a 6.x installer formats besides FAT",
    "what VMware's installer, or whoever used the disk, wrote into files",
)
_SHARED_BY_STARTED = (
    "SSH host keys and the host's certificate",
    "host name, MAC address of vmk0, system UUID, until the agent renews what it can",
    "UUIDs of FAT volumes other than boot banks",
)


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """``output``: None for vmware-esxi-<version>-<build>.dd.gz (.raw) here. ``allow_booted``: accept a system that ran.
    ``mode``: the image's permissions."""

    output: Path | None = None
    overwrite: bool = False
    allow_booted: bool = False
    mode: int = PRIVATE


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a disk that was built here: ``details`` of the installer image, and the options of the build."""

    details: Mapping[str, Any]
    settings: ImageSettings


def capture_disk(
    disk: Path, recipe: Recipe, settings_of: Callable[[str], ImageSettings], options: CaptureOptions, listener: Listener
) -> BuildResult:
    """Capture a disk that a person installed. ``settings_of`` makes the hosts' settings for a release."""
    check_raw(disk)
    with _opened(disk) as blocks:
        found = examine(blocks, str(disk))
        _check_life(found, disk, options, listener)
        output = options.output or Path(default_name(found, recipe))
        inputs = {"the disk": disk, **named_files(recipe)}
        with reserve_image(output, overwrite=options.overwrite, mode=options.mode, inputs=inputs) as files:
            origin = Origin(_details(found, recipe), settings_of(str(found.release)))
            return capture(disk, blocks, found, recipe, origin, files=files, listener=listener)


def capture(
    disk: Path,
    blocks: FileBlocks,
    found: InstalledDisk,
    recipe: Recipe,
    origin: Origin,
    *,
    files: ImageFiles,
    listener: Listener,
    sbom: Callable[[str], bytes] | None = None,
) -> BuildResult:
    """Write the image of an installed disk. Raises a :class:`ForgeError` and then leaves no output behind."""
    for problem in found.problems:
        listener(Notice(f"{disk}: {problem} The image gets a complete table.", warning=True))
    if not found.starts_by_uefi:
        listener(
            Notice(
                f"{disk}: its system partition has no EFI program, so the image starts by legacy BIOS only.",
                warning=True,
            )
        )
    if not found.osdata_formatted:
        text = f"{disk}: partition 7 (OSDATA) was never formatted: did the installation come to its end?"
        listener(Notice(text, warning=True))
    listener(Decision(f"{disk}: ESXi {found.build}, in the boot bank on partition {found.boot_bank}"))
    verdict = "starts" if found.bios.starts else "does not start"
    listener(Decision(f"{disk}: {verdict} by legacy BIOS: {found.bios.reason}"))
    try:
        captured = _Captured(disk, blocks, found, origin, listener)
    except (FormatError, DiskError) as error:
        raise ImageError(f"{disk}: {error.message}", error.hint) from error
    image = DiskImage(
        captured.pieces(),
        captured.watched(),
        lambda: captured.manifest,
        source=None,
        raw=recipe.image.format == "raw",
    )
    return write_image(files, image, listener, sbom)


class _Captured:
    """The image's disk: its table, its data, and its manifest, which is part of it."""

    def __init__(
        self, disk: Path, blocks: FileBlocks, found: InstalledDisk, origin: Origin, listener: Listener
    ) -> None:
        self._disk = disk
        identity = _identity(found, origin)
        numbers = iter(range(1 << 20))

        def new_uuid() -> uuid.UUID:
            # The same disk and recipe give the same image; each host draws its own again.
            return uuid.uuid5(_NAMESPACE, f"{identity} {next(numbers)}")

        self.table = cut_table(found.table).with_new_guids(new_uuid)
        self._mbr = renewed_sector(found.mbr, found.table, self.table)
        self._tell_what_is_left_out(found, listener)
        overlay = Overlay(blocks, found.table.sector_size)
        self._data = opaque_data(disk, found, self.table, listener)
        length = self._room_for_manifest(found, overlay, origin)
        self._places = lay_over(overlay, found, origin.settings, length, new_uuid, listener=listener)
        own = f"{self._places.hook}/{MANIFEST_PATH}"
        for volume in found.volumes:
            self._data.add(fat_data(disk, overlay, volume, skipped=own))
        self.manifest = self._manifest(found, origin)
        hook = FatEditor(window(overlay, found.volume(self._places.hook)))
        ((offset, _),) = hook.extents(MANIFEST_PATH)
        place = found.volume(self._places.hook).offset + offset
        if place + length > FARTHEST_HOOK_BYTES:
            raise ImageError(
                f"The EFI system partition is full, and in the boot bank on partition {self._places.hook} the hook "
                f"would start at byte {place}: verify and upload search no further than {FARTHEST_HOOK_BYTES}.",
                "Free 2 MB on the EFI system partition, or reinstall ESXi.",
            )
        self._data.placed.append((place, Bytes(self.manifest.to_bytes(length))))

    def pieces(self) -> list[Segment]:
        """Return the disk in order. The last piece is made late, when everything before it has been hashed again."""
        head, tail = self.table.primary_bytes(self._mbr), self.table.backup_bytes()
        placed: list[tuple[int, Segment]] = [(0, Bytes(head)), *self._data.placed]
        return [
            *joined(placed, 0, self.table.backup_offset),
            Late(len(tail), lambda hashes: self._checked(hashes, tail)),
        ]

    def watched(self) -> list[FileRecord]:
        """Return the records of what is hashed during the pass."""
        return self.manifest.files

    def _checked(self, hashes: Hashes, tail: bytes) -> bytes:
        changed = [record.path for record in self.manifest.files if hashes.files.get(record.path) != record.sha256]
        if changed:
            raise ImageError(
                f"{self._disk} changed while it was read: {', '.join(changed[:5])}.",
                "Is its virtual machine still running? Power it off and capture it again.",
            )
        return tail

    def _room_for_manifest(self, found: InstalledDisk, overlay: Overlay, origin: Origin) -> int:
        """Return the bytes to reserve for the manifest, before it is known: what is there now, and our own files."""
        records = list(self._data.files)
        structures = [FileRecord(f"1/directory /curtin {index}", 1 << 40, 1 << 40, NO_HASH) for index in range(8)]
        for volume in found.volumes:
            for part in fat_parts(overlay, volume):
                record = FileRecord(part.path, 1 << 40, part.length, NO_HASH)
                (structures if part.is_structure else records).append(record)
        records += [FileRecord(f"1/curtin/placeholder {index}", 1 << 40, 1 << 40, NO_HASH) for index in range(8)]
        places = Places(1, found.boot_bank, tuple(range(len(found.volumes))))
        return self._described(found, origin, records, structures, places).length_needed()

    def _manifest(self, found: InstalledDisk, origin: Origin) -> Manifest:
        slot = f"{self._places.slot}/{MODULE}".upper()
        files = [record.replace(at_deploy=record.path.upper() == slot) for record in self._data.files]
        size = self.table.sector_size
        mbr = self.table.primary_bytes(self._mbr)[:size]
        structures = [FileRecord("boot record", 0, size, hashlib.sha256(mbr).hexdigest()), *self._data.structures]
        return self._described(found, origin, files, structures, self._places)

    def _described(
        self,
        found: InstalledDisk,
        origin: Origin,
        files: list[FileRecord],
        structures: list[FileRecord],
        places: Places,
    ) -> Manifest:
        offset, length = self.table.byte_range(places.hook)
        return Manifest(
            kind="golden",
            release=origin.settings.release,
            sector_size=self.table.sector_size,
            raw_size=self.table.total_sectors * self.table.sector_size,
            disk_guid=str(self.table.disk_guid),
            partition_offset=offset,
            partition_length=length,
            files=sorted(files, key=lambda record: record.offset),
            details={
                **origin.details,
                "golden": {
                    "build": found.build,
                    "life": found.life.value,
                    "boot_bank": found.boot_bank,
                    "firmware": [
                        *(["UEFI"] if found.starts_by_uefi else []),
                        *(["BIOS"] if found.bios.starts else []),
                    ],
                    "bios": found.bios.document(),
                    "renewed_volumes": list(places.renewed),
                    "shared_by_all_hosts": list(_SHARED + (_SHARED_BY_STARTED if found.life is not Life.FRESH else ())),
                    "structures": [
                        {"path": one.path, "offset": one.offset, "length": one.length, "sha256": one.sha256}
                        for one in structures
                    ],
                },
            },
        )

    def _tell_what_is_left_out(self, found: InstalledDisk, listener: Listener) -> None:
        for number, partition in found.table.partitions:
            if partition.type_guid not in (VMFS, VMK_DIAGNOSTIC):
                continue
            offset, length = found.table.byte_range(number)
            stored = _stored_bytes(self._disk, offset, offset + length)
            if partition.type_guid == VMFS:
                listener(
                    Notice(
                        f"partition {number}: the datastore of {length} bytes ({stored} of them stored) is left out; "
                        "each host gets the datastores that MAAS asks for."
                    )
                )
            elif stored:
                listener(Decision(f"partition {number}: {stored} bytes of core dumps are left out"))


def _stored_bytes(disk: Path, start: int, end: int) -> int:
    total = 0
    for offset, segment in segments_with_offsets(disk):
        if isinstance(segment, FileRange):
            total += max(0, min(end, offset + segment.length) - max(start, offset))
    return total


def check_raw(disk: Path) -> None:
    """Raise :class:`ImageError` or :class:`InputError` for a disk that cannot be read, or is not raw."""
    with _opened(disk) as blocks:
        head = blocks.read_at(0, min(blocks.size, 512))
    for offset, magic, name in _FORMATS:
        if head[offset : offset + len(magic)] == magic:
            target = disk.with_name((disk.name if disk.suffix == ".raw" else disk.stem) + ".raw")
            command = ["qemu-img", "convert", "-O", "raw", str(disk), str(target)]
            raise ImageError(
                f"{disk} is a {name} disk; capturing reads raw ones.", f"Convert it first: {shlex.join(command)}"
            )
    if head[:2] == _GZIP:
        raise ImageError(f"{disk} is a gzip.", f"Unpack it first: {unpack_command(disk)}")


def _opened(disk: Path) -> FileBlocks:
    check_file(disk, block_devices=True)
    try:
        return FileBlocks(str(disk))
    except DiskError as error:
        raise ImageError(error.message, error.hint) from error


def _check_life(found: InstalledDisk, disk: Path, options: CaptureOptions, listener: Listener) -> None:
    if found.life is Life.FRESH:
        return
    what = (
        f"{disk}: the ESXi on it was started before"
        if found.life is Life.STARTED
        else f"{disk}: the ESXi on it may have been started before (what it saved is encrypted, or unreadable)"
    )
    shared = "All hosts would share " + "; ".join(_SHARED_BY_STARTED) + "."
    if not options.allow_booted:
        raise ImageError(
            f"{what}. {shared}",
            "Capture a disk before its first start (power the machine off when the installer asks to reboot), or "
            "accept that with --allow-booted.",
        )
    listener(Notice(f"{what}. {shared}", warning=True))


def _details(found: InstalledDisk, recipe: Recipe) -> dict[str, Any]:
    version = str(found.release)
    return {
        "tool": {"name": "esxforge", "version": __version__},
        "release": {
            "version": version,
            "build": str(found.release.build or ""),
            "update": "",
            "profile": "",
            "vendor": "",
            "source": "boot.cfg of the installed disk",
        },
        "vibs": [],
        "recipe": recipe_details(recipe),
        "maas": {
            "name": recipe.maas.name or f"esxi/{version}",
            "title": ascii_text(recipe.maas.title or f"VMware ESXi {version}"),
        },
    }


def _identity(found: InstalledDisk, origin: Origin) -> str:
    """Return an identity: the same for the same disk, recipe and tool."""
    told = [
        origin.details,
        origin.settings.to_json(),
        found.table.primary_bytes(found.mbr).hex(),
        [volume.uuid.hex() for volume in found.volumes],
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def default_name(found: InstalledDisk, recipe: Recipe) -> str:
    """Return vmware-esxi-<version>-<build>-golden.dd.gz (.raw)."""
    release = found.release
    parts = ["vmware-esxi", str(release), *([str(release.build)] if release.build else []), "golden"]
    return "-".join(parts) + (".raw" if recipe.image.format == "raw" else ".dd.gz")

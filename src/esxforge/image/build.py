"""Build an installer image: ISO and recipe in, one file out, in one pass.

The disk: GPT, one EFI system partition from 1 MiB on (FAT32), backup GPT. The manifest is the last file of the volume,
so that it can hold the hashes of all before it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esxforge.errors import ImageError, RecipeError
from esxforge.events import Decision, Listener, Notice
from esxforge.formats.fat_layout import FatLayout, layout, smallest_volume_bytes
from esxforge.formats.gzip_member import backend_name
from esxforge.formats.segments import Bytes, Hashes, ImageFile, Late, Segment, Zeros
from esxforge.image.add_ons import AddOns, add_ons_of
from esxforge.image.boot_volume import boot_volume_files
from esxforge.image.details import details_of, identity_of
from esxforge.image.host_settings import settings_for
from esxforge.image.image_files import PRIVATE, BuildResult, DiskImage, reserve_image, write_image
from esxforge.media.installer import InstallerMedia, open_installer
from esxforge.recipe.load import named_files
from esxforge.recipe.model import Recipe
from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.formats.gpt import EFI_SYSTEM, GptPartition, Table
from esxforge_target.formats.manifest import MANIFEST_PATH, NO_HASH, FileRecord, Manifest

_MIB = 1 << 20
_LABEL = "ESXFORGE"
# Room for what curtin writes to the volume: its configuration and its log.
_SLACK_BYTES = 16 * _MIB
_NAMESPACE = uuid.UUID("6f0a8c0e-5c5d-5f0e-9d8f-3d9b6a1c7e42")
# Placeholder for the manifest in the layout until its bytes can be made.


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """``output``: None for vmware-esxi-<version>-<build>.dd.gz (.raw) in the working directory. ``mode``: the image's
    permissions."""

    output: Path | None = None
    overwrite: bool = False
    sbom: bool = False
    mode: int = PRIVATE


@dataclass(frozen=True, slots=True)
class ImageDisk:
    """An entire disk as segments, ready to be written, and the manifest that its late piece will complete."""

    segments: Sequence[Segment]
    watched: Sequence[FileRecord]
    manifest: Manifest
    made: list[Manifest]


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An installer image ready to build: everything was checked, nothing was written. ``files``: its boot volume,
    without the manifest."""

    media: InstallerMedia
    recipe: Recipe
    settings: ImageSettings
    add_ons: AddOns
    output: Path
    inputs: Mapping[str, Path]
    files: Sequence[ImageFile[Segment]]
    disk: ImageDisk

    @property
    def image(self) -> DiskImage:
        """Disk to be written."""
        raw = self.recipe.image.format == "raw"
        return DiskImage(self.disk.segments, self.disk.watched, lambda: self.disk.made[0], self.media.path, raw=raw)


def build_installer_image(iso: Path, recipe: Recipe, options: BuildOptions, listener: Listener) -> BuildResult:
    """Build the image. Raises a subclass of :class:`ForgeError`, and then leaves no output behind."""
    planned = plan_installer_image(iso, recipe, options.output, listener)
    with reserve_image(planned.output, overwrite=options.overwrite, mode=options.mode, inputs=planned.inputs) as files:
        sbom = sbom_maker(planned.media, planned.add_ons) if options.sbom else None
        return write_image(files, planned.image, listener, sbom)


def plan_installer_image(iso: Path, recipe: Recipe, output: Path | None, listener: Listener) -> PlannedImage:
    """Read and check everything that an image is made of. Raises a :class:`ForgeError`; nothing is written."""
    if recipe.image.kind != "installer":
        raise RecipeError(
            ["image.kind: this makes installer images; golden ones are made by a virtual machine."],
            "Say --kind installer.",
        )
    media = open_installer(iso)
    for notice in media.notices:
        listener(Notice(notice, warning=True))
    listener(Decision(f"{iso}: ESXi {media.release.name}, from {media.release.source}; file names from {media.tree}"))
    settings = settings_for(recipe, media, listener)
    add_ons = add_ons_of(recipe, media, listener)
    settings = settings.replace(modules=add_ons.for_host())
    output = output or Path(_default_name(media, recipe))
    files = boot_volume_files(media, recipe, settings, add_ons, listener)
    disk = disk_of(media, recipe, add_ons, files)
    listener(
        Decision(
            f"disk of {disk.manifest.raw_size} bytes in sectors of {disk.manifest.sector_size}, "
            f"GUID {disk.manifest.disk_guid}; {len(disk.manifest.files)} files"
        )
    )
    packed = f"compressed by {backend_name()}" if recipe.image.format == "ddgz" else "a sparse raw disk"
    listener(Decision(f"output: {output}, {packed}"))
    return PlannedImage(media, recipe, settings, add_ons, output, {"the ISO": iso, **named_files(recipe)}, files, disk)


def sbom_maker(media: InstallerMedia, add_ons: AddOns) -> Callable[[str], bytes]:
    """Return a function that makes the SBOM of an image from its SHA-256."""
    from esxforge.image.sbom import sbom_json  # noqa: PLC0415 - slow to import, and seldom asked for

    return lambda sha256: sbom_json(media, add_ons, sha256)


def disk_of(media: InstallerMedia, recipe: Recipe, add_ons: AddOns, files: Sequence[ImageFile[Segment]]) -> ImageDisk:
    """Lay out the disk. A pure function but for the ISO's extents, which stay where they are."""
    sector = recipe.image.sector_size
    identity = identity_of(media, recipe, add_ons, files)
    details = details_of(media, recipe, add_ons)
    blank = _manifest(recipe, details, files, None, None)
    length = blank.length_needed() + 16 * (len(files) + 8)  # places are numbers of more digits once they are known
    made: list[Manifest] = []

    def make(hashes: Hashes) -> bytes:
        _check_unchanged(add_ons, hashes)
        records = [record.replace(sha256=hashes.files[record.path]) for record in manifest.files]
        complete = {**manifest.details, "iso": {**manifest.details["iso"], "sha256": hashes.source}}
        made.append(manifest.replace(files=records, details=complete))
        return made[0].to_bytes(length)

    fat_files = [*files, ImageFile(MANIFEST_PATH, Late(length, make))]
    volume_bytes = smallest_volume_bytes(
        fat_files, sector_size=sector, slack_bytes=_SLACK_BYTES, label=_LABEL, directories=("root",)
    )
    volume = layout(
        fat_files,
        volume_bytes=volume_bytes,
        sector_size=sector,
        fat_bits=32,
        hidden_sectors=_MIB // sector,
        label=_LABEL,
        volume_id=uuid.uuid5(_NAMESPACE, identity + " volume").int & 0xFFFFFFFF,
        directories=("root",),
    )
    table = _table(identity, volume_bytes, sector)
    manifest = _manifest(recipe, details, files, table, volume)
    return ImageDisk(_segments(table, volume), manifest.files, manifest, made)


def _check_unchanged(add_ons: AddOns, hashes: Hashes) -> None:
    """Check that the written bytes are the checked ones. Raises :class:`ImageError`."""
    for module in add_ons.modules:
        if hashes.files[module.path] != module.payload.sha256:
            raise ImageError(
                f"{module.payload.source.path} changed while the image was written.", "Build the image again."
            )


def _table(identity: str, volume_bytes: int, sector: int) -> Table:
    first = _MIB // sector
    total = (2 * _MIB + volume_bytes) // sector
    disk_guid = uuid.uuid5(_NAMESPACE, identity + " disk")
    partition = GptPartition(
        EFI_SYSTEM,
        uuid.uuid5(_NAMESPACE, identity + " partition"),
        first,
        first + volume_bytes // sector - 1,
        "esxforge",
    )
    return Table.empty(disk_guid, sector, total).with_partition(1, partition)


def _segments(table: Table, volume: FatLayout) -> list[Segment]:
    primary = table.primary_bytes()
    offset, length = table.byte_range(1)
    return [
        Bytes(primary),
        Zeros(offset - len(primary)),
        *volume.segments,
        Zeros(table.backup_offset - offset - length),
        Bytes(table.backup_bytes()),
    ]


def _manifest(
    recipe: Recipe,
    details: dict[str, Any],
    files: Sequence[ImageFile[Segment]],
    table: Table | None,
    volume: FatLayout | None,
) -> Manifest:
    """Return the manifest without hashes; without ``table`` and ``volume`` also without offsets, to learn its size."""
    raw_size = table.total_sectors * table.sector_size if table else 0
    records = [
        FileRecord(
            item.path,
            _MIB + volume.offsets[item.path] if volume else 0,
            item.size,
            NO_HASH,
            item.at_deploy,
        )
        for item in files
    ]
    return Manifest(
        kind=recipe.image.kind,
        release=details["release"]["version"],
        sector_size=recipe.image.sector_size,
        raw_size=raw_size,
        disk_guid=str(table.disk_guid) if table else "",
        partition_offset=_MIB,
        partition_length=raw_size - 2 * _MIB,
        files=records,
        details=details,
    )


def _default_name(media: InstallerMedia, recipe: Recipe) -> str:
    parts = ["vmware-esxi", media.release.version, *([media.release.build] if media.release.build else [])]
    return "-".join(parts) + (".raw" if recipe.image.format == "raw" else ".dd.gz")

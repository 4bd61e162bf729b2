"""Build an installer image: ISO and recipe in, one file out, in one pass.

The disk: GPT, one EFI system partition from 1 MiB on (FAT32), backup GPT. The manifest is the last file of the volume,
so that it can hold the hashes of all before it.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esxforge import __version__
from esxforge.errors import OutputError, RecipeError
from esxforge.events import Decision, Listener, Notice
from esxforge.formats.fat_layout import FatLayout, layout, smallest_volume_bytes
from esxforge.formats.gzip_member import backend_name
from esxforge.formats.segments import Bytes, Hashes, ImageFile, Late, Segment, Zeros
from esxforge.image.boot_volume import boot_volume_files
from esxforge.image.details import details_of, identity_of
from esxforge.image.host_settings import settings_for
from esxforge.image.stream import Written, write_gzip, write_raw
from esxforge.local.output import check_free, whole_file
from esxforge.media.installer import InstallerMedia, open_installer
from esxforge.recipe.model import Recipe
from esxforge_target.formats.gpt import EFI_SYSTEM, GptPartition, Table
from esxforge_target.formats.manifest import MANIFEST_PATH, NO_HASH, FileRecord, Manifest

_MIB = 1 << 20
_LABEL = "ESXFORGE"
# Room for what curtin writes to the volume: its configuration and its log.
_SLACK_BYTES = 16 * _MIB
_NAMESPACE = uuid.UUID("6f0a8c0e-5c5d-5f0e-9d8f-3d9b6a1c7e42")
# Stands for the manifest in the layout until its bytes can be made.


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """``output``: None for vmware-esxi-<version>-<build>.dd.gz (.raw) in the working directory."""

    output: Path | None = None
    overwrite: bool = False
    sbom: bool = False


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The image that was built. ``size`` and ``raw_size`` in bytes; ``sha256`` that of the output file."""

    image: Path
    manifest_file: Path
    sbom_file: Path | None
    size: int
    raw_size: int
    sha256: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ImageDisk:
    """A whole disk as segments, ready to be written, and the manifest that its late piece will complete."""

    segments: Sequence[Segment]
    watched: Sequence[FileRecord]
    manifest: Manifest
    made: list[Manifest]


def build_installer_image(iso: Path, recipe: Recipe, options: BuildOptions, listener: Listener) -> BuildResult:
    """Build the image. Raises a :class:`ForgeError` of some kind, and then leaves no output behind."""
    if recipe.image.kind != "installer":
        raise RecipeError(
            ["image.kind: this makes installer images; golden ones are made by a virtual machine."],
            "Say --kind installer.",
        )
    media = open_installer(iso)
    for notice in media.notices:
        listener(Notice(notice, warning=True))
    listener(Decision(f"{iso}: ESXi {media.release.name}, told by {media.release.source}; names from {media.tree}"))
    settings = settings_for(recipe, media.release, listener)
    output = options.output or Path(_default_name(media, recipe))
    manifest_file = output.with_name(output.name + ".manifest.json")
    sbom_file = output.with_name(output.name + ".sbom.json") if options.sbom else None
    _check_outputs(iso, output, [manifest_file, *([sbom_file] if sbom_file else [])], options)
    disk = disk_of(media, recipe, boot_volume_files(media, recipe, settings, listener))
    listener(
        Decision(
            f"disk of {disk.manifest.raw_size} bytes in sectors of {disk.manifest.sector_size}, "
            f"GUID {disk.manifest.disk_guid}; {len(disk.manifest.files)} files"
        )
    )
    packed = f"compressed by {backend_name()}" if recipe.image.format == "ddgz" else "a sparse raw disk"
    listener(Decision(f"output: {output}, {packed}"))
    with ExitStack() as outputs:
        image = outputs.enter_context(whole_file(output, overwrite=options.overwrite))
        write = write_raw if recipe.image.format == "raw" else write_gzip
        written = write(image, disk.segments, source=iso, watched=disk.watched, listener=listener)
        # All of it is on the disk before anything gets a name; the image takes its own last, as the opposite order of
        # entering says, when its companions have theirs.
        image.flush()
        os.fsync(image.fileno())
        document = _companion(disk.made[0], output, written, recipe)
        beside = outputs.enter_context(whole_file(manifest_file, overwrite=True))
        beside.write((json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
        if sbom_file is not None:
            from esxforge.image.sbom import sbom_json  # noqa: PLC0415 - slow to import, and seldom asked for

            outputs.enter_context(whole_file(sbom_file, overwrite=True)).write(sbom_json(media, written.sha256))
    return BuildResult(output, manifest_file, sbom_file, written.size, written.raw_size, written.sha256, document)


def disk_of(media: InstallerMedia, recipe: Recipe, files: Sequence[ImageFile[Segment]]) -> ImageDisk:
    """Lay out the disk. A pure function but for the ISO's extents, which stay where they are."""
    sector = recipe.image.sector_size
    identity = identity_of(media, recipe, files)
    blank = _manifest(media, recipe, files, None, None)
    length = blank.length_needed() + 16 * (len(files) + 8)  # places are numbers of more digits once they are known
    made: list[Manifest] = []

    def make(hashes: Hashes) -> bytes:
        records = [record.replace(sha256=hashes.files[record.path]) for record in manifest.files]
        details = {**manifest.details, "iso": {**manifest.details["iso"], "sha256": hashes.source}}
        made.append(manifest.replace(files=records, details=details))
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
    manifest = _manifest(media, recipe, files, table, volume)
    return ImageDisk(_segments(table, volume), manifest.files, manifest, made)


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
    media: InstallerMedia,
    recipe: Recipe,
    files: Sequence[ImageFile[Segment]],
    table: Table | None,
    volume: FatLayout | None,
) -> Manifest:
    """The manifest without hashes; without ``table`` and ``volume`` also without places, to see how long it will be."""
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
        release=media.release.version,
        sector_size=recipe.image.sector_size,
        raw_size=raw_size,
        disk_guid=str(table.disk_guid) if table else "",
        partition_offset=_MIB,
        partition_length=raw_size - 2 * _MIB,
        files=records,
        details=details_of(media, recipe),
    )


def _default_name(media: InstallerMedia, recipe: Recipe) -> str:
    parts = ["vmware-esxi", media.release.version, *([media.release.build] if media.release.build else [])]
    return "-".join(parts) + (".raw" if recipe.image.format == "raw" else ".dd.gz")


def _check_outputs(iso: Path, output: Path, companions: Sequence[Path], options: BuildOptions) -> None:
    check_free(output, overwrite=options.overwrite)
    for path in (output, *companions):
        if path.exists() and path.samefile(iso):
            raise OutputError(f"{path} is the ISO itself; it is never overwritten.", "Name another output with -o.")
    for companion in companions:
        if companion.is_dir():
            raise OutputError(f"{companion} is a directory; a file of that name is to be written.", "Move it away.")


def _companion(manifest: Manifest, output: Path, written: Written, recipe: Recipe) -> dict[str, Any]:
    """What stands beside the image: the manifest, and what it cannot know of itself."""
    image: dict[str, Any] = {"name": output.name, "size": written.size, "sha256": written.sha256}
    if recipe.image.format == "ddgz":
        image["gzip"] = backend_name()
    return {**manifest.document(), "image": image, "written_by": f"esxforge {__version__}"}

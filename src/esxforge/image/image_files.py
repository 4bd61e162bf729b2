"""Writes an image and the files beside it, for every kind of image: its manifest and, if asked for, its bill of
materials (SBOM).

Names are reserved before the work begins, which takes minutes for a golden image: what is in the way is known then, and
two runs never write the same files. The image can be read by its owner alone unless another mode is asked for, since it
holds the hash of root's password; manifest and SBOM hold no secrets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esxforge import __version__
from esxforge.events import Listener
from esxforge.formats.gzip_member import backend_name
from esxforge.formats.segments import Segment
from esxforge.image.stream import Written, write_gzip, write_raw
from esxforge.local.output import Reservation, check_names, reserve
from esxforge_target.formats.manifest import FileRecord, Manifest

PRIVATE = 0o600
"""The mode of an image: only its owner reads it."""
_MANIFEST, _SBOM = ".manifest.json", ".sbom.json"


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
class ImageFiles:
    """The reserved names of an image and its companions; ``mode`` is the image's."""

    image: Path
    manifest: Path
    sbom: Path
    mode: int
    reservation: Reservation


@dataclass(frozen=True, slots=True)
class DiskImage:
    """A disk to be written. ``manifest`` is called once all segments have passed; ``source`` is the file whose SHA-256
    is computed on the way; ``raw``: as a sparse disk, not as a gzip."""

    segments: Sequence[Segment]
    watched: Sequence[FileRecord]
    manifest: Callable[[], Manifest]
    source: Path | None
    raw: bool


@contextmanager
def reserve_image(
    image: Path, *, overwrite: bool, mode: int = PRIVATE, inputs: Mapping[str, Path] | None = None
) -> Iterator[ImageFiles]:
    """Reserve the names of an image and its companions. Raises OutputError as :func:`esxforge.local.output.reserve`."""
    manifest, sbom = _companions(image)
    with reserve(image, (manifest, sbom), overwrite=overwrite, inputs=inputs) as reservation:
        yield ImageFiles(image, manifest, sbom, mode, reservation)


def check_image_names(image: Path, *, size: int, overwrite: bool, inputs: Mapping[str, Path] | None = None) -> None:
    """Raise what :func:`reserve_image` and writing an image of ``size`` bytes would raise now; nothing is written."""
    check_names(image, _companions(image), size=size, overwrite=overwrite, inputs=inputs)


def _companions(image: Path) -> tuple[Path, Path]:
    return image.with_name(image.name + _MANIFEST), image.with_name(image.name + _SBOM)


def write_image(
    files: ImageFiles, disk: DiskImage, listener: Listener, sbom: Callable[[str], bytes] | None = None
) -> BuildResult:
    """Write the image, its manifest and, with ``sbom``, its SBOM, made from the image's SHA-256.

    Raises :class:`~esxforge.errors.ForgeError` of some kind; then the old files are still there, or none.
    """
    modes = {files.image: files.mode, files.manifest: None, **({files.sbom: None} if sbom else {})}
    with files.reservation.write(modes) as streams:
        write = write_raw if disk.raw else write_gzip
        written = write(
            streams[files.image], disk.segments, source=disk.source, watched=disk.watched, listener=listener
        )
        document = _document(disk.manifest(), files.image.name, written, raw=disk.raw)
        streams[files.manifest].write((json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
        if sbom is not None:
            streams[files.sbom].write(sbom(written.sha256))
    return BuildResult(
        files.image,
        files.manifest,
        files.sbom if sbom is not None else None,
        written.size,
        written.raw_size,
        written.sha256,
        document,
    )


def _document(manifest: Manifest, name: str, written: Written, *, raw: bool) -> dict[str, Any]:
    """The manifest beside the image: the one inside, and what that cannot know."""
    image: dict[str, Any] = {"name": name, "size": written.size, "sha256": written.sha256}
    if not raw:
        image["gzip"] = backend_name()
    return {**manifest.document(), "image": image, "written_by": f"esxforge {__version__}"}

"""An image on its way to MAAS: what it is called there, and what is checked before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from esxforge.errors import ImageError, MaasError
from esxforge.formats.image_names import name_problem, title_problem
from esxforge.maas.boot_resources import FILETYPE
from esxforge_target.runtime.documents import shown

_ARCHITECTURE = re.compile(r"[a-z0-9]+/[a-z0-9._-]+")


@dataclass(frozen=True)
class UploadImage:
    """A verified image file. ``size`` in bytes and ``sha256`` (hexadecimal) are those of the ``.dd.gz`` file itself."""

    path: Path
    size: int
    sha256: str
    name: str
    title: str
    architecture: str = "amd64/generic"


def check_image(image: UploadImage) -> None:
    """Refuse what MAAS would refuse, or take and break on later. Raises MaasError."""
    if problem := name_problem(image.name):
        raise MaasError(
            f"{shown(image.name)} cannot be the name of an ESXi image in MAAS: {problem}.", "Give another with --name."
        )
    if problem := title_problem(image.title):
        raise MaasError(f"{shown(image.title)} cannot be a title: {problem}.", "Give another with --title.")
    if not _ARCHITECTURE.fullmatch(image.architecture):
        raise MaasError(f"“{image.architecture}” is not a MAAS architecture.", "It looks like amd64/generic.")
    if image.size <= 0 or not re.fullmatch(r"[0-9a-f]{64}", image.sha256):
        raise ImageError(f"The image {image.path} has no size, or no sha256.", "Build it again.")


def equivalent_command(image: UploadImage, profile: str | None) -> list[str]:
    """The arguments with which MAAS's own CLI uploads the same; ``$PROFILE`` where no profile is known."""
    return [
        "maas",
        profile or "$PROFILE",
        "boot-resources",
        "create",
        f"name={image.name}",
        f"title={image.title}",
        f"architecture={image.architecture}",
        f"filetype={FILETYPE}",
        f"content@={image.path}",
    ]

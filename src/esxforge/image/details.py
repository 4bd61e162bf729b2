"""Details in a manifest for people: tool, ISO, release, VIBs, the recipe without its secrets, names for MAAS."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from esxforge import __version__
from esxforge.formats.segments import Bytes, ImageFile, Segment
from esxforge.image.add_ons import AddOns
from esxforge.image.boot_volume import LARGEST_EXTRA_BYTES
from esxforge.image.secure_boot import loader_details
from esxforge.local.reading import read_file
from esxforge.media.installer import InstallerMedia
from esxforge.recipe.model import Recipe
from esxforge.recipe.setting import document
from esxforge_target.formats.manifest import NO_HASH


def details_of(media: InstallerMedia, recipe: Recipe, add_ons: AddOns) -> dict[str, Any]:
    """Return the details; the ISO's SHA-256 is zeros until it is known."""
    release = media.release
    return {
        "tool": {"name": "esxforge", "version": __version__},
        "iso": {"name": _file_name(media.path), "size": media.size, "sha256": NO_HASH},
        "release": {
            "version": release.version,
            "build": release.build,
            "update": release.update,
            "profile": ascii_text(release.profile),
            "vendor": ascii_text(release.vendor),
            "source": release.source,
        },
        "vibs": [{"name": vib.name, "version": vib.version, "vendor": vib.vendor} for vib in media.vibs],
        "secure_boot": loader_details(media),
        **({"add_ons": add_ons.details()} if add_ons.vibs else {}),
        "recipe": recipe_details(recipe),
        "maas": {
            "name": recipe.maas.name or f"esxi/{release.version}",
            "title": recipe.maas.title or f"VMware ESXi {release.update or release.version}",
        },
    }


def identity_of(media: InstallerMedia, recipe: Recipe, add_ons: AddOns, files: Sequence[ImageFile[Segment]]) -> str:
    """Return the same for the same ISO, recipe and tool, independent of place and time: GUIDs are derived from it.

    The ISO's hash is not known before the pass, so its size, volume and extents are used instead.
    """
    told = [
        details_of(media, recipe, add_ons),
        recipe.image.sector_size,
        media.volume_id,
        [(file.path, file.content.offset, file.content.length) for file in media.files],
        [_digest(item.content.data) for item in files if isinstance(item.content, Bytes)],
    ]
    return _digest(json.dumps(told, sort_keys=True).encode())


def recipe_details(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as it was used: files by name and hash, since paths differ between machines; no secret."""
    password = recipe.root_password
    given = next((name for name in ("hash", "file", "random") if getattr(password, name)), "kickstart")
    image, install = document(recipe.image), document(recipe.install)
    del image["format"]
    return {
        "image": image,
        "install": {**install, "kickstart": _file(recipe.install.kickstart)},
        "root_password": {"given_as": given, "public_key": _file(password.public_key)},
        **({"golden": document(recipe.golden)} if recipe.image.kind == "golden" else {}),
        "files": [{"path": extra.path, **_known(extra.source)} for extra in recipe.files],
        "add": [{"name": _file_name(one.file), "vibs": list(one.vibs)} for one in recipe.add],
        "vcenter": {
            "server": recipe.vcenter.server,
            "datacenter": recipe.vcenter.datacenter,
            "verified_by": "thumbprint" if recipe.vcenter.thumbprint else "CA",
        }
        if recipe.vcenter
        else None,
    }


def _file(path: Path | None) -> dict[str, Any] | None:
    return None if path is None else {"name": _file_name(path), **_known(path)}


def _known(path: Path) -> dict[str, Any]:
    data = read_file(path, largest=LARGEST_EXTRA_BYTES, pipes=True)
    return {"size": len(data), "sha256": _digest(data)}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _file_name(path: Path) -> str:
    """Return the file's name, independent of the locale's encoding: bytes that are not UTF-8 as ``\\xff``."""
    return ascii_text(os.fsencode(path.name).decode("utf-8", "backslashreplace"))


def ascii_text(text: str) -> str:
    """Return plain ASCII, as required in a manifest."""
    return text.encode("ascii", "backslashreplace").decode("ascii")

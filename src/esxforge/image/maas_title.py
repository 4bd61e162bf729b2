"""Titles of images in MAAS: they give the version that built the image, and what a deployment needs to know.

MAAS stores nothing else of an image that people, or a plan before the deployment, could look at. Written as
``VMware ESXi 8.0U3e (esxforge 0.9.0, SSH key needed)``, and read again from that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GOLDEN, SECTORS_4096, KEY_NEEDED = "golden", "4Kn disks", "SSH key needed"
_LONGEST = 255  # MAAS's field
_MARKS = re.compile(r"\(esxforge (?P<version>[0-9][0-9A-Za-z.+-]{0,40})(?P<marks>(?:, [^,()]{1,40})*)\)\s*\Z")


@dataclass(frozen=True)
class TitleMarks:
    """``version`` of esxforge that built the image. The others say what the image needs."""

    version: str
    golden: bool
    sectors_4096: bool
    key_needed: bool


def title_of(title: str, details: Mapping[str, Any], kind: str) -> str:
    """The title for MAAS. ``details`` and ``kind`` are the manifest's; ``title`` is the person's or the release's."""
    recipe = _mapping(details.get("recipe"))
    marks = [
        *([GOLDEN] if kind == "golden" else []),
        *([SECTORS_4096] if _mapping(recipe.get("image")).get("sector_size") == 4096 else []),
        *([KEY_NEEDED] if _key_needed(recipe) else []),
    ]
    tail = ", ".join([f"esxforge {_mapping(details.get('tool')).get('version', '0')}", *marks])
    return f"{title[: _LONGEST - len(tail) - 3].rstrip()} ({tail})"


def _key_needed(recipe: Mapping[str, Any]) -> bool:
    """True where an SSH key in MAAS is the only way to log in, as the hook judges (hook/credentials.py)."""
    password, install = _mapping(recipe.get("root_password")), _mapping(recipe.get("install"))
    other_ways = password.get("public_key") or install.get("ssh_keys") or recipe.get("vcenter")
    return password.get("given_as") == "random" and not other_ways


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def read_title(title: str) -> TitleMarks | None:
    """Parse a title; None for one that esxforge did not write."""
    found = _MARKS.search(title)
    if found is None:
        return None
    marks = found["marks"].split(", ")
    return TitleMarks(found["version"], GOLDEN in marks, SECTORS_4096 in marks, KEY_NEEDED in marks)

"""Tar modules, and the gzip around them, for the building side: the same code that runs on the target."""

from __future__ import annotations

from esxforge_target.formats.stored_gzip import (
    ALIGNMENT,
    member_extent,
    stored_gzip,
    stored_length,
    stored_offset,
    with_member,
)
from esxforge_target.formats.tar_module import FILE, FOLDER, LINK, OTHER, Entry, build, file, folder, link, read

__all__ = [
    "ALIGNMENT",
    "FILE",
    "FOLDER",
    "LINK",
    "OTHER",
    "Entry",
    "build",
    "file",
    "folder",
    "link",
    "member_extent",
    "read",
    "stored_gzip",
    "stored_length",
    "stored_offset",
    "with_member",
]

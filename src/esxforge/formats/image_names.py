"""Names and titles of images in MAAS: what MAAS takes, and what people and terminals can read."""

from __future__ import annotations

import re

LONGEST = 255
# MAAS answers 500 for esxi/8/3 and takes “esxi/” and blanks, which break later; without esxi/ it is another system.
_NAME = re.compile(r"esxi/[A-Za-z0-9][A-Za-z0-9._-]*\Z")
NAME_FORM = "esxi/ and a release of letters, digits, dots, underscores and hyphens, like esxi/8.0.3"


def name_problem(name: str) -> str:
    """Why MAAS must not get an image of this name, or ""."""
    if len(name) > LONGEST:
        return f"it has more than {LONGEST} characters"
    return "" if _NAME.match(name) else f"it must be {NAME_FORM}"


def title_problem(title: str) -> str:
    """Why this is no title, or "". Control characters and those that turn the direction of text are not allowed."""
    if not title.strip():
        return "it is empty"
    if len(title) > LONGEST:
        return f"it has more than {LONGEST} characters"
    return "" if title.isprintable() else "it holds characters that cannot be shown"

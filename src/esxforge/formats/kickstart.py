"""Kickstarts for the building side: the same code that runs on the target."""

from __future__ import annotations

from esxforge_target.formats.kickstart import (
    ALIASES,
    MOST_COMMANDS,
    SECTIONS,
    Blank,
    Command,
    Kickstart,
    Section,
    words_of,
)
from esxforge_target.formats.kickstart_merge import Additions, kept_install_options, merge

__all__ = [
    "ALIASES",
    "MOST_COMMANDS",
    "SECTIONS",
    "Additions",
    "Blank",
    "Command",
    "Kickstart",
    "Section",
    "kept_install_options",
    "merge",
    "words_of",
]

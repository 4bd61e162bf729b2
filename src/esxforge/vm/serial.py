"""The serial console's log: its text without terminal control, whole or the end of it."""

from __future__ import annotations

import re
from pathlib import Path

# ECMA-48 control sequences, operating system commands, and the other escapes; then what remains of control characters.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")
_CONTROLS = re.compile(r"[^\t\n\x20-\x7e\x80-\U0010ffff]")


def plain_text(raw: bytes) -> str:
    """Readable text: no escape sequences, no control characters, lines ended by a newline alone."""
    text = _ESCAPES.sub("", raw.decode("utf-8", "replace"))
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def read(path: Path, limit: int = 1 << 20) -> str:
    """The last ``limit`` bytes of a serial log as plain text; empty when there is none yet."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - limit))
            return plain_text(stream.read(limit))
    except FileNotFoundError:
        return ""


def last_lines(text: str, count: int = 25) -> str:
    """The last ``count`` lines that are not blank."""
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-count:])

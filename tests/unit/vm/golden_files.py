"""Golden files of what is made for QEMU and libvirt; ESXFORGE_RENEW_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

DIRECTORY = Path(__file__).parents[2] / "data" / "vm"


def check_golden(name: str, text: str) -> None:
    """Compare ``text`` with the golden file ``name``, or renew the file."""
    path = DIRECTORY / name
    if os.environ.get("ESXFORGE_RENEW_GOLDEN") == "1":
        path.write_text(text, "utf-8")
    assert path.is_file(), f"there is no golden file {path}: run with ESXFORGE_RENEW_GOLDEN=1, then look at it"
    assert text == path.read_text("utf-8")

"""The user's directories: the home, and the one for temporary files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def home() -> Path:
    """The home directory. A user who has none (in a container, say) gets a path at which there is nothing."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")  # as in Debian's list of users


def temporary() -> Path:
    """The directory for temporary files: ``TMPDIR`` if that is set, even where it cannot be used, else the system's.

    :mod:`tempfile` passes over a ``TMPDIR`` that is missing or full, and 32 GiB would go to ``/tmp`` without a word.
    Raises OSError where the system has none that can be written to.
    """
    return Path(os.environ.get("TMPDIR") or tempfile.gettempdir()).absolute()

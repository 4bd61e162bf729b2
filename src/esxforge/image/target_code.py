"""The code that an image carries to the host: one deterministic zip, and the script that curtin starts."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from esxforge.errors import ImageError

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)

# curtin runs this by its #! line, as root, without arguments. It is all that stands outside the zip.
HOOK_SCRIPT = b"""#!/usr/bin/env python3
# The hook of this image: curtin starts it once the image is on the disk. See esxforge_target.hook in target.zip.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "target.zip"))

from esxforge_target.hook.main import main

sys.exit(main())
"""


def target_zip() -> bytes:
    """``esxforge_target`` and PyYAML's pure part as a zip that Python imports from; the same code, the same bytes.

    Stored, not compressed, with fixed times: zlib's output differs between machines.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for package in ("esxforge_target", "yaml"):
            for name, data in _sources(package):
                entry = zipfile.ZipInfo(name, _FIXED_TIME)
                entry.external_attr = 0o644 << 16
                entry.create_system = 3
                archive.writestr(entry, data)
    return packed.getvalue()


def _sources(package: str) -> Iterator[tuple[str, bytes]]:
    """(path in the zip, content) of each Python file of an installed package, in order."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImageError(f"The Python package {package} is not installed.", "Install esxforge again.")
    directory = Path(spec.submodule_search_locations[0])
    for path in sorted(directory.rglob("*.py")):
        yield f"{package}/{path.relative_to(directory).as_posix()}", path.read_bytes()

"""The code that an image carries to the host: one deterministic zip, and the script that curtin starts."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from esxforge.errors import ImageError

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)

# curtin runs this by its #! line, as root, without arguments. It is all that stands outside the zip, so it does what is
# needed where that was cut: a sentence, and no token of MAAS left on the disk. Python 3.5.
HOOK_SCRIPT = b"""#!/usr/bin/env python3
# The hook of this image: curtin starts it once the image is on the disk. See esxforge_target.hook in target.zip.
import os
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
CODE = os.path.join(HERE, "target.zip")
TOKEN = os.path.join(os.path.dirname(HERE), "root", "curtin-install-cfg.yaml")


def say(line):
    print("esxforge: " + line.encode("ascii", "backslashreplace").decode("ascii"), flush=True)


def damage():
    try:
        with zipfile.ZipFile(CODE) as archive:
            broken = archive.testzip()
    except Exception as error:
        return str(error)
    return broken and broken + " has a wrong checksum"


def wipe_token():
    # The machine is not deployed, but what curtin left on its disk could still sign requests to MAAS.
    try:
        with open(TOKEN, "r+b") as file:
            file.write(bytes(os.path.getsize(TOKEN)))
            file.flush()
            os.fsync(file.fileno())
        os.remove(TOKEN)
        say("MAAS's token was wiped from this disk")
    except FileNotFoundError:
        pass
    except OSError as error:
        say("note: MAAS's token stays on this disk ({}): release the machine, then it is void".format(error.strerror))


def main():
    broken = damage()
    if broken:
        say("this host was NOT prepared:")
        say("  curtin/target.zip on the boot disk is damaged ({}):".format(broken))
        say("  the image was cut short or damaged on its way.")
        say("what to do: Deploy again; if it happens again, check the image with: esxforge verify.")
        return 1
    sys.dont_write_bytecode = True
    sys.path.insert(0, CODE)
    from esxforge_target.hook.main import main as prepare

    return prepare()


status = 1
try:
    status = main()
finally:
    if status:
        wipe_token()
sys.exit(status)
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

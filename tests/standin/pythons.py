"""The real Pythons of this machine, for running what runs on a target."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def find_python(version: str) -> str:
    """A program of Python ``version`` ("3.6"), from PATH or pyenv; skips the test when there is none."""
    import pytest  # the maker of the stand-in ESXi asks for Pythons too, without tests

    program = python_of(version)
    if program is None:
        pytest.skip(f"no Python {version} on this machine")
    return program


def python_of(version: str) -> str | None:
    """The same; None when there is none."""
    root = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")))
    candidates = [str(path) for path in sorted(root.glob(f"versions/{version}.*/bin/python"))]
    on_path = shutil.which(f"python{version}")
    for program in [*candidates, *([on_path] if on_path else [])]:
        question = "import sys; print('%d.%d' % sys.version_info[:2])"
        asked = subprocess.run([program, "-c", question], capture_output=True, text=True, check=False)
        if asked.stdout.strip() == version:
            return program
    return None


def run_on(
    program: str, script: Path, *arguments: str, path: list[Path], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run ``script`` with only ``path`` to import from; warnings of ours are errors."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [program, "-W", "error", str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        input=stdin,
        env=environment,
        timeout=60,
    )

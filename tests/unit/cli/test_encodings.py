"""Terminals and file names of other encodings: no character ends in a traceback, JSON stays JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from esxforge.standin_iso.iso import make_standin_iso

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}


def _esxforge(*arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "esxforge", *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("environment", [{}, ASCII], ids=["UTF-8", "ASCII"])
@pytest.mark.parametrize("name", [b"b\xc3\xbccher 1.iso", b"bad\xff.iso"])
def test_names_of_any_bytes_are_built_and_shown(name: bytes, environment: dict[str, str], tmp_path: Path) -> None:
    iso = os.fsencode(tmp_path) + b"/" + name
    make_standin_iso(Path(os.fsdecode(iso)), release="8.0")
    built = _esxforge(
        "build", iso, "-o", iso + b".dd.gz", "--accept-eula", "--root-password-random", "-v", **environment
    )
    assert built.returncode == 0, built.stderr
    for path in (iso, iso + b".dd.gz"):
        document = json.loads(_esxforge("inspect", path, "--json", **environment).stdout)
        assert os.fsencode(document["path"]) == path or environment
        assert b"8.0.3" in _esxforge("inspect", path, **environment).stdout
    assert b": intact. " in _esxforge("verify", iso + b".dd.gz", **environment).stdout


@pytest.mark.parametrize("verb", ["build", "recipe", "doctor", "libvirt-xml"])
def test_help_can_be_read_on_a_terminal_of_ascii(verb: str) -> None:
    shown = _esxforge(verb, "--help", **ASCII)
    assert shown.returncode == 0
    assert b"Traceback" not in shown.stderr

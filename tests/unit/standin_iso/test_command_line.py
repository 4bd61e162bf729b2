"""``esxforge standin-iso`` as a person calls it."""

from __future__ import annotations

import sys
from pathlib import Path

from esxforge.local.processes import Finished, run
from esxforge.media.installer import open_installer


def esxforge(*arguments: str) -> Finished:
    return run([sys.executable, "-m", "esxforge", *arguments], timeout=60, check=False)


def test_it_writes_an_iso_and_refuses_to_overwrite_it(tmp_path: Path) -> None:
    out = str(tmp_path / "esxi.iso")
    done = esxforge("standin-iso", out, "--release", "6.7", "--size", "3")
    assert done.status == 0
    assert "stand-in for ESXi 6.7, 2.8 MiB" in done.stderr
    assert open_installer(Path(out)).release.version == "6.7.0"
    again = esxforge("standin-iso", out)
    assert again.status == 1
    assert "exists already" in again.stderr
    assert "--force" in again.stderr
    assert esxforge("standin-iso", out, "--force").status == 0
    assert open_installer(Path(out)).release.version == "8.0.3"


def test_wrong_usage_is_told_apart_from_failure(tmp_path: Path) -> None:
    assert esxforge("standin-iso", str(tmp_path / "x.iso"), "--release", "5.5").status == 2
    failed = esxforge("standin-iso", str(tmp_path / "absent" / "x.iso"))
    assert failed.status == 1
    assert "does not exist" in failed.stderr
    assert "Traceback" not in failed.stderr

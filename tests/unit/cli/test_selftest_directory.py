"""``selftest --keep DIRECTORY``: whose the directory is, and what is said of it after Ctrl-C."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from esxforge.cli.selftest import _directory
from esxforge.errors import InterruptedRunError


def test_only_its_owner_reads_what_is_kept(tmp_path: Path) -> None:
    with _directory(tmp_path / "kept") as directory:
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_an_interrupted_run_says_what_it_leaves(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError, match="kept"), _directory(tmp_path / "kept") as directory:
        (directory / "disk.raw").write_bytes(b"x")
        raise KeyboardInterrupt
    assert (tmp_path / "kept" / "disk.raw").exists()

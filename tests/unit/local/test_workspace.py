"""Work directories: private, gone afterwards, kept after the failures that are to be looked at."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from esxforge.errors import ForgeError, OutputError, ProcessError
from esxforge.local.workspace import allocated_bytes, work_directory


def test_the_directory_is_private_and_goes_away(tmp_path: Path) -> None:
    with work_directory(tmp_path) as directory:
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        (directory / "sub").mkdir()
        (directory / "sub" / "file").write_bytes(b"x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ForgeError("x"), SystemExit(1)])
def test_it_goes_away_after_errors_too(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), work_directory(tmp_path, keep_after=(ProcessError,)):
        raise error
    assert not list(tmp_path.iterdir())


def test_it_stays_after_a_failure_to_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ProcessError), work_directory(tmp_path, keep_after=(ProcessError,)) as directory:
        (directory / "log").write_bytes(b"why")
        raise ProcessError("x")
    assert (directory / "log").read_bytes() == b"why"


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="none"), work_directory(tmp_path / "none"):
        pass


def test_holes_take_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as stream:
        stream.truncate(1 << 30)
    assert allocated_bytes(path) < 1 << 20
    path.write_bytes(b"x" * (1 << 20))
    assert allocated_bytes(path) >= 1 << 20
    assert allocated_bytes(tmp_path / "none") == allocated_bytes(None) == 0

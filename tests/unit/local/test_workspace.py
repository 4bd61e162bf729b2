"""Work directories: private, gone afterwards, kept after the failures that are to be looked at."""

from __future__ import annotations

import stat
import subprocess
import sys
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


_HOLD = """
import sys, time
from pathlib import Path
from esxforge.local.workspace import work_directory
with work_directory(Path(sys.argv[1])) as directory:
    (directory / "disk.raw").write_bytes(b"x" * 1000)
    print(directory, flush=True)
    time.sleep(60)
"""


def _running(place: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", _HOLD, place], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_directories_of_killed_runs_are_swept_and_others_are_not(tmp_path: Path) -> None:
    killed, dead = _running(tmp_path)
    live, alive = _running(tmp_path)
    with pytest.raises(ProcessError), work_directory(tmp_path, keep_after=(ProcessError,)) as kept:
        raise ProcessError("x")
    strangers = [tmp_path / "esxforge-mine", tmp_path / "esxforge-0123456789ab"]
    for stranger in strangers:
        stranger.mkdir()
    try:
        killed.kill()
        killed.wait(30)
        assert dead.is_dir()
        with work_directory(tmp_path):
            assert not dead.exists()
            assert (alive / "disk.raw").is_file()
            assert kept.is_dir()
            assert all(stranger.is_dir() for stranger in strangers)
    finally:
        live.terminate()
        live.wait(30)
        assert live.stdout
        assert killed.stdout
        live.stdout.close()
        killed.stdout.close()


def test_the_sweep_follows_no_link_and_takes_nothing_that_is_not_a_directory(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"x")
    for number, target in enumerate((precious, tmp_path / "none")):
        name = f"esxforge-{number:012x}"
        (tmp_path / f".{name}.lock").write_bytes(b"")
        (tmp_path / name).symlink_to(target)
    (tmp_path / ".esxforge-00000000000f.lock").symlink_to(precious / "file")
    with work_directory(tmp_path):
        pass
    assert (precious / "file").read_bytes() == b"x"


def test_holes_take_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as stream:
        stream.truncate(1 << 30)
    assert allocated_bytes(path) < 1 << 20
    path.write_bytes(b"x" * (1 << 20))
    assert allocated_bytes(path) >= 1 << 20
    assert allocated_bytes(tmp_path / "none") == allocated_bytes(None) == 0

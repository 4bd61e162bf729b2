"""Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from esxforge.errors import OutputError
from esxforge.local.output import whole_file


def _without_nameless_files(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777, **more: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return real(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", refuse)


@pytest.fixture(params=["nameless", "named partial"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of writing: with and without ``O_TMPFILE``."""
    if request.param == "named partial":
        _without_nameless_files(monkeypatch)
    return str(request.param)


@pytest.mark.usefixtures("kind")
def test_a_finished_file_has_its_name_and_nothing_else_is_left(tmp_path: Path) -> None:
    with whole_file(tmp_path / "image") as stream:
        stream.write(b"all of it")
        assert not (tmp_path / "image").exists()
    assert (tmp_path / "image").read_bytes() == b"all of it"
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


@pytest.mark.usefixtures("kind")
def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole_file(tmp_path / "image") as stream:
        stream.write(b"half of it")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("kind")
def test_an_existing_output_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already") as caught, whole_file(tmp_path / "image"):
        pass
    assert "--force" in caught.value.hint
    assert (tmp_path / "image").read_bytes() == b"precious"


@pytest.mark.usefixtures("kind")
def test_overwriting_keeps_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"old")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "image", overwrite=True) as stream:
        stream.write(b"new")
        raise RuntimeError
    assert (tmp_path / "image").read_bytes() == b"old"
    with whole_file(tmp_path / "image", overwrite=True) as stream:
        stream.write(b"new")
    assert (tmp_path / "image").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


def test_an_output_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="meanwhile"), whole_file(tmp_path / "image") as stream:
        stream.write(b"ours")
        (tmp_path / "image").write_bytes(b"theirs")
    assert (tmp_path / "image").read_bytes() == b"theirs"


def test_no_space_left_is_said_with_the_amount_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"No space left for .*image after 2 MiB") as caught:
        with whole_file(tmp_path / "image") as stream:
            stream.write(bytes(2 << 20))
            stream.flush()
            raise OSError(errno.ENOSPC, "No space left on device")
    assert "-o" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("written", [100, 5 << 20])
def test_a_full_disk_is_said_even_where_the_rest_is_still_buffered(tmp_path: Path, written: int) -> None:
    script = (
        "import errno, resource, sys; from pathlib import Path; from esxforge.local.output import whole_file\n"
        "from esxforge.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n"
        "try:\n"
        "    with whole_file(Path(sys.argv[1])) as stream:\n"
        "        stream.write(bytes(int(sys.argv[2])))\n"
        "        stream.seek(10)\n"
        "except OutputError as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "image", str(written)], capture_output=True, text=True, check=True
    )
    assert f"Could not write {tmp_path / 'image'}: File too large; nothing of it was kept." in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_and_a_directory_as_output_are_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"), whole_file(tmp_path / "no" / "image"):
        pass
    with pytest.raises(OutputError, match="is a directory"), whole_file(tmp_path):
        pass


def test_sigkill_in_the_middle_leaves_nothing_under_the_final_name_and_the_next_run_works(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from esxforge.local.output import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'x' * 100000); stream.flush(); print('half', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "image")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "image").exists()
    with whole_file(tmp_path / "image") as stream:
        stream.write(b"whole")
    assert (tmp_path / "image").read_bytes() == b"whole"

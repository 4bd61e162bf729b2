"""``esxforge selftest`` as a person starts it: what it refuses at once, and a run that gets nowhere."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from esxforge.standin_iso.iso import make_standin_iso
from vm.traces import processes_naming

pytestmark = pytest.mark.vm
SELFTEST = [sys.executable, "-m", "esxforge", "selftest"]
SLOW = ["--accel", "tcg", "--memory", "512", "--accept-eula", "--timeout", "10"]


@pytest.fixture
def iso(tmp_path: Path) -> Path:
    """A stand-in that installs nothing: its boot program powers off."""
    path = tmp_path / "s.iso"
    make_standin_iso(path, release="8.0")
    return path


def environment(directory: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(directory), "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


def run(*arguments: object, directory: Path) -> subprocess.CompletedProcess[str]:
    command = [*SELFTEST, *map(str, arguments)]
    return subprocess.run(command, env=environment(directory), capture_output=True, text=True, check=False, timeout=300)


def test_nothing_starts_without_the_licence_accepted(iso: Path, work: Path) -> None:
    done = run("--iso", iso, "--accel", "tcg", directory=work)
    assert done.returncode == 1
    assert "--accept-eula" in done.stderr


def test_what_would_be_in_the_way_is_told_before_the_work(iso: Path, work: Path, tmp_path: Path) -> None:
    (tmp_path / "r.json").touch()
    done = run("--iso", iso, *SLOW, "--report", tmp_path / "r.md", directory=work)
    assert done.returncode == 1
    assert "exists already" in done.stderr
    done = run("--iso", iso, *SLOW, "--keep", tmp_path, directory=work)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    done = run("--iso", tmp_path / "none.iso", *SLOW, directory=work)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not list(work.iterdir())


def test_a_run_that_gets_nowhere_says_so_and_leaves_nothing(iso: Path, work: Path, tmp_path: Path) -> None:
    done = run("--iso", iso, *SLOW, "--json", "--report", tmp_path / "r", directory=work)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert told["ok"] is False
    assert told["standin"] is True
    assert told["summary"]["contradicted"] == 0
    assert told["claims"][0]["status"] in ("seen", "not seen")
    text = (tmp_path / "r.md").read_text("utf-8")
    # A name of one or two letters is in every text.
    for personal in (str(tmp_path), str(work), *([platform.node()] if len(platform.node()) > 2 else [])):
        assert personal not in text
        assert personal not in done.stdout
    assert not list(work.iterdir())
    assert processes_naming(str(work)) == []


def test_an_interrupt_leaves_nothing(iso: Path, work: Path) -> None:
    command = [*SELFTEST, "--iso", str(iso), *SLOW]
    with subprocess.Popen(command, env=environment(work), stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 120
            while not list(work.glob("esxforge-*/qemu.log")) and time.monotonic() < deadline:
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, said
    assert not list(work.iterdir())
    assert processes_naming(str(work)) == []

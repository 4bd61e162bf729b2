"""``--log-file``: everything with its time, nothing secret, and a message that names it when something failed."""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import typer.main

from esxforge import __version__, events
from esxforge.cli.log_file import LogFile
from esxforge.cli.main import app
from esxforge.standin_iso.iso import make_standin_iso
from standin.maas_region import ADMIN_KEY, FakeRegion, serve

HASH = "$6$saltsalt$" + "a" * 86
_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|DEBUG|NOTICE|WARNING|ERROR) ")


def _run(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "esxforge", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def iso(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("iso") / "s.iso"
    make_standin_iso(path, release="8.0")
    return str(path)


def test_it_has_versions_command_decisions_steps_and_the_end(tmp_path: Path, iso: str) -> None:
    done = _run(tmp_path, "build", iso, "--accept-eula", "--root-password-hash", HASH, "--log-file", "run.log")
    assert done.returncode == 0, done.stderr
    assert "run.log" not in done.stdout + done.stderr
    log = (tmp_path / "run.log").read_text()
    assert all(_LINE.match(line) for line in log.splitlines())
    for piece in (
        f"INFO    esxforge {__version__}, Python {sys.version.split()[0]}, Linux-",
        f"INFO    command: esxforge build {iso} --accept-eula --root-password-hash '[secret]' --log-file run.log",
        "DEBUG   kickstart: esxforge's own",
        "INFO    writing the image: started, ",
        "INFO    writing the image: done",
        "INFO    exit status 0, after ",
    ):
        assert piece in log
    assert HASH not in log
    assert stat.S_IMODE((tmp_path / "run.log").stat().st_mode) == 0o600


def test_a_failure_names_the_log_which_has_the_error_and_what_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text("before\n")
    done = _run(tmp_path, "verify", "absent", "--json", "--log-file", "run.log")
    assert done.returncode == 1
    assert done.stderr.endswith("  Log: run.log\n")
    assert json.loads(done.stdout)["error"]["log"] == "run.log"
    log = (tmp_path / "run.log").read_text().splitlines()
    assert log[0] == "before"
    assert " ERROR   input: " in "\n".join(log)
    assert " INFO    exit status 1, after " in log[-1]


def test_a_wrong_combination_of_options_is_an_error_in_the_log(tmp_path: Path, iso: str) -> None:
    done = _run(tmp_path, "build", iso, "--watch", "--log-file", "run.log")
    assert done.returncode == 2
    log = (tmp_path / "run.log").read_text()
    assert "ERROR   usage: " in log
    assert "exit status 2" in log
    assert "Traceback" not in log


def test_requests_to_maas_are_in_it_and_no_key(tmp_path: Path) -> None:
    with serve(FakeRegion()) as url:
        done = _run(tmp_path, "images", "list", "--log-file", "run.log", MAAS_URL=url, MAAS_API_KEY=ADMIN_KEY)
        assert done.returncode == 0, done.stderr
        done = _run(
            tmp_path, "images", "list", "--maas-url", url.replace("://", "://me:word@"), "--log-file", "run.log"
        )
        assert done.returncode == 1
    log = (tmp_path / "run.log").read_text()
    assert f"DEBUG   MAAS: GET {url}/api/2.0/version/ → 200" in log
    assert not [part for part in ADMIN_KEY.split(":") if part in log]
    assert "word" not in log


@pytest.mark.parametrize("kind", ["directory", "fifo", "link", "device", "missing directory"])
def test_what_is_not_a_regular_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to("target")
        case "device":
            path = Path("/dev/null")
        case _:
            path = tmp_path / "absent" / "log"
    done = _run(tmp_path, "recipe", "example", "--log-file", str(path), "--log-file", str(path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "--log-file" in done.stderr
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("content", [bytes(4096), b"\x1f\x8b\x08\x00" + b"x" * 5000], ids=["disk", "gzip"])
def test_an_image_named_by_mistake_stays_as_it_is(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(content)
    done = _run(tmp_path, "verify", "disk", "--log-file", "disk")
    assert done.returncode == 1
    assert "disk is not a text file" in done.stderr
    assert (tmp_path / "disk").read_bytes() == content


def test_a_log_that_a_power_cut_left_with_zeros_is_still_a_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"2026-11-28T03:04:05.678Z INFO    exit status 0\n" + bytes(512))
    assert _run(tmp_path, "recipe", "example", "--log-file", "log").returncode == 0


def test_two_runs_do_not_write_to_one_log_at_the_same_time(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = _run(tmp_path, "recipe", "example", "--log-file", "log")
    assert done.returncode == 1
    assert "Another run of esxforge is writing log" in done.stderr


def test_a_log_on_a_full_disk_does_not_end_the_run(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        log = LogFile(tmp_path / "log", full)
        log.write("INFO", "text")
    assert log.problem == os.strerror(28)


def test_texts_from_outside_cannot_forge_a_line(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as stream:
        log = LogFile(tmp_path / "log", stream)
        log.on_event(events.Notice("one\n2026-01-01T00:00:00.000Z INFO    exit status 0\x1b[2J", warning=True))
        log.on_event(events.BytesDone("step", 5))
    first, second = (tmp_path / "log").read_text().splitlines()
    assert first.endswith(" WARNING one")
    assert second == "    2026-01-01T00:00:00.000Z INFO    exit status 0\\x1b[2J"


def _verbs(command: Any) -> list[Any]:
    below = getattr(command, "commands", None)
    return [command] if below is None else [verb for inner in below.values() for verb in _verbs(inner)]


def test_every_verb_has_it() -> None:
    verbs = _verbs(typer.main.get_command(app))
    assert len(verbs) > 15
    assert all("--log-file" in {name for option in verb.params for name in option.opts} for verb in verbs)


def test_times_are_utc(tmp_path: Path) -> None:
    before = datetime.now(timezone.utc)
    _run(tmp_path, "recipe", "example", "--log-file", "log", TZ="Asia/Tokyo")
    shown = datetime.fromisoformat((tmp_path / "log").read_text().split("Z ", 1)[0] + "+00:00")
    assert abs(shown - before) < timedelta(hours=1)

"""Commands end in time, whatever they do, and take with them what they started."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import esxforge_target
from esxforge_target.runtime.commands import COULD_NOT_START, TIMED_OUT, ProcessRunner, Result
from standin.pythons import find_python, run_on


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_output_status_and_stdin_of_a_command() -> None:
    result = ProcessRunner().run(["sh", "-c", "cat; echo err >&2; exit 3"], stdin="tëxt")
    assert result == Result(3, "tëxt", "err\n")


def test_a_command_that_is_not_there_is_a_result() -> None:
    result = ProcessRunner().run(["/nonexistent/esxcli"])
    assert result.status == COULD_NOT_START
    assert "/nonexistent/esxcli" in result.stderr


def test_a_grandchild_that_keeps_the_pipe_open_does_not_hold_the_runner(tmp_path: Path) -> None:
    script = 'sleep 300 & echo $! > "$0"; echo told >&2; sleep 300'
    result = ProcessRunner().run(["sh", "-c", script, str(tmp_path / "pid")], timeout=0.5)
    assert result.status == TIMED_OUT
    assert "told" in result.stderr
    assert "not finished after 0.5 seconds" in result.stderr
    grandchild = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while not _gone(grandchild) and time.monotonic() < deadline:
        os.sched_yield()
    assert _gone(grandchild)


PLAIN_LOCALE = """
import sys
from esxforge_target.cloud_data.files import HostFiles
from esxforge_target.runtime.commands import ProcessRunner
name = "donn\\u00e9es \\udce9"
result = ProcessRunner().run(["sh", "-c", 'printf %s "$1" | od -An -tx1', "sh", name])
assert result.stdout.split() == "64 6f 6e 6e c3 a9 65 73 20 e9".split(), result
files = HostFiles(sys.argv[1])
files.write("/donn\\u00e9es/x", b"y")
assert files.read("/donn\\u00e9es/x") == b"y"
"""


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.13"])
def test_arguments_and_paths_are_utf_8_whatever_the_locale(tmp_path: Path, version: str) -> None:
    """ESXi's start scripts have no locale, and Python 3.5 and 3.6 then take ASCII only."""
    (tmp_path / "script.py").write_text(PLAIN_LOCALE)
    package = Path(esxforge_target.__file__).parents[1]
    result = run_on(find_python(version), tmp_path / "script.py", str(tmp_path), path=[package])
    assert result.returncode == 0, result.stderr
    assert os.listdir(os.fsencode(tmp_path)).count("données".encode()) == 1  # noqa: PTH208

"""Commands end in time, whatever they do, and take with them what they started."""

from __future__ import annotations

import os
import time
from pathlib import Path

from esxforge_target.runtime.commands import COULD_NOT_START, TIMED_OUT, ProcessRunner, Result


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

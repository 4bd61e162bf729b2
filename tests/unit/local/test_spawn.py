"""Programs that run on: started, and ended whatever they do about it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from esxforge.errors import ProcessError
from esxforge.local import processes

PYTHON = sys.executable


def _alive(pid: int) -> bool:
    """Whether the process is there and is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_ends_by_its_own_status() -> None:
    process = processes.spawn(["sh", "-c", "exit 7"])
    process.wait(20)
    assert processes.end(process, patience=1) == 7


def test_a_running_program_is_asked_to_end() -> None:
    process = processes.spawn(["sleep", "1000"])
    assert processes.end(process, patience=20) == -signal.SIGTERM


def test_a_program_that_ignores_that_is_killed_with_its_children() -> None:
    # The child says its id, so both are known to run and to ignore SIGTERM.
    script = "trap '' TERM; sh -c \"trap '' TERM; echo \\$\\$; while :; do sleep 1000; done\" & wait"
    process = processes.spawn(["sh", "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        child = int(process.stdout.readline())
        assert processes.end(process, patience=0.05) == -signal.SIGKILL
        assert process.stdout.read() == b""  # the last holder of the pipe is gone
    assert not _alive(child)


def test_a_stopped_program_is_killed() -> None:
    process = processes.spawn(["sleep", "1000"])
    os.kill(process.pid, signal.SIGSTOP)
    # The SIGTERM that waits for it to go on may count first.
    assert processes.end(process, patience=0.05) in (-signal.SIGKILL, -signal.SIGTERM)


def test_ending_twice_does_no_harm() -> None:
    process = processes.spawn(["true"])
    first = processes.end(process, patience=20)
    assert processes.end(process, patience=20) == first


def test_a_program_that_is_not_there_is_told_by_name() -> None:
    with pytest.raises(ProcessError, match="no-such-program"):
        processes.spawn(["no-such-program"])


def test_descriptors_are_passed_on_and_no_others() -> None:
    reader, writer = os.pipe()
    try:
        process = processes.spawn(["sh", "-c", f"echo hello > /proc/self/fd/{writer}"], pass_fds=[writer])
        os.close(writer)
        with os.fdopen(reader, closefd=False) as stream:
            assert stream.read() == "hello\n"
        processes.end(process, patience=20)
    finally:
        os.close(reader)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is not installed")
def test_it_does_not_outlive_us_even_when_we_are_killed() -> None:
    code = (
        "import sys, time; from esxforge.local import processes;"
        "p = processes.spawn(['sleep', '1000']); print(p.pid, flush=True); time.sleep(1000)"
    )
    parent = subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
        descriptor = os.pidfd_open(child)
        try:
            # Only once setpriv has become the program is the wish to die with us in place.
            while not Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"sleep"):
                pass
            parent.kill()
            parent.wait(20)
            ready, _, _ = select.select([descriptor], [], [], 20)
            assert ready, "the program is still there"
        finally:
            os.close(descriptor)

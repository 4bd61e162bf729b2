"""Start processes of the target; only the reader of disks (inventory.disk_guids) has a child of its own besides."""

import os
import signal
import subprocess
from typing import Dict, List

from esxforge_target.runtime.values import Value

COULD_NOT_START = 127
TIMED_OUT = 124
_SECONDS_TO_DIE = 5.0


class Result(Value):
    """Result of a command: exit status (124: not finished in time, 127: not there) and its output as text."""

    __slots__ = ("status", "stdout", "stderr")

    def __init__(self, status: int, stdout: str = "", stderr: str = "") -> None:
        self.status = status
        self.stdout = stdout
        self.stderr = stderr


class Runner:
    """Runs commands. The seam at which tests put a fake ESXi."""

    def run(self, arguments: List[str], timeout: float = 60.0, stdin: str = "") -> Result:
        """Run ``arguments`` (no shell) to its end, at most ``timeout`` seconds. Never raises for a failed command."""
        raise NotImplementedError


class ProcessRunner(Runner):
    """Runs real processes with our environment and the C locale."""

    def run(self, arguments: List[str], timeout: float = 60.0, stdin: str = "") -> Result:
        environment = dict(os.environ)  # type: Dict[str, str]
        environment["LC_ALL"] = "C"
        try:
            process = subprocess.Popen(
                # As bytes: old Pythons encode arguments by the locale, which has no é where it is C.
                [one.encode("utf-8", "surrogateescape") for one in arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return Result(COULD_NOT_START, "", "{}: {}".format(arguments[0], error.strerror or error))
        try:
            out, err = process.communicate(stdin.encode("utf-8"), timeout=timeout)
        except subprocess.TimeoutExpired:
            return Result(TIMED_OUT, "", "{}\nnot finished after {:g} seconds".format(_end(process), timeout).strip())
        return Result(process.returncode, _text(out), _text(err))


def _end(process: "subprocess.Popen[bytes]") -> str:
    """Kill a process with all that it started; return its output on stderr, if that can still be had.

    A process that cannot be killed (it waits for a dead disk) is left behind: waiting for it would hold us, too.
    """
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    try:
        return _text(process.communicate(timeout=_SECONDS_TO_DIE)[1])
    except subprocess.TimeoutExpired:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return ""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")

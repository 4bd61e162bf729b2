"""The one place that starts processes: argument lists, an explicit environment, and failures that can be pasted."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TypeAlias

from esxforge.errors import ProcessError

_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR")
_SHOWN_OUTPUT_CHARACTERS = 4000
_INSTALL = "Install it with your system's packages; “esxforge doctor” lists what is needed."
_BY_HAND = "Run the command by hand to see more."

Process: TypeAlias = "subprocess.Popen[bytes]"
StillRunning: TypeAlias = subprocess.TimeoutExpired
NOTHING = subprocess.DEVNULL


@dataclass(frozen=True, slots=True)
class Finished:
    """Result of a program: its exit status (negative: the signal that ended it) and its output."""

    arguments: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables for a started program: a few of ours, the C locale, and ``extra``."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8"} | dict(extra or {})


def find_program(name: str, *, hint: str) -> str:
    """Return the path of a program. Raises a :class:`ProcessError` whose hint says how to get it."""
    path = shutil.which(name)
    if path is None:
        raise ProcessError(f"The program “{name}” is not installed, or not on PATH.", hint)
    return path


def run(
    arguments: Sequence[str],
    *,
    timeout: float,
    check: bool = True,
    extra_environment: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Finished:
    """Run a program to its end and return its output as text.

    ``timeout`` is in seconds. Raises :class:`ProcessError` when the program cannot be started, does not end in time or,
    with ``check``, exits other than 0; the message carries the command in a form that can be pasted into a shell.
    """
    pasteable = shlex.join(arguments)
    try:
        done = subprocess.run(
            list(arguments),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=environment(extra_environment),
        )
    except FileNotFoundError as error:
        raise ProcessError(f"The program “{arguments[0]}” is not installed, or not on PATH.", _INSTALL) from error
    except OSError as error:
        raise ProcessError(f"Could not start: {pasteable}: {error.strerror or error}", _BY_HAND) from error
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"Not finished after {timeout:g} seconds: {pasteable}", _BY_HAND) from error
    if check and done.returncode != 0:
        output = (done.stderr.strip() or done.stdout.strip())[-_SHOWN_OUTPUT_CHARACTERS:]
        raise ProcessError(f"Exit status {done.returncode} from: {pasteable}\n{output}", _BY_HAND)
    return Finished(tuple(arguments), done.returncode, done.stdout, done.stderr)


def spawn(
    arguments: Sequence[str],
    *,
    stdin: IO[bytes] | int | None = subprocess.DEVNULL,
    stdout: IO[bytes] | int | None = subprocess.DEVNULL,
    stderr: IO[bytes] | int | None = None,
    pass_fds: Sequence[int] = (),
    extra_environment: Mapping[str, str] | None = None,
) -> Process:
    """Start a program that runs on; the caller ends it with :func:`end`.

    It gets a process group of its own, so that Ctrl-C reaches it through us and a signal reaches its children too.
    Where util-linux is installed the kernel ends it when we die, SIGKILL included; call from a thread that lives as
    long as the program, since the kernel watches the thread. None for a stream: the one we have ourselves. Raises
    :class:`ProcessError` when it cannot be started.
    """
    guard = shutil.which("setpriv")
    # exec keeps the process id, and the setting: what we hold is the program itself.
    command = [guard, "--pdeathsig", "KILL", "--", *arguments] if guard else list(arguments)
    if shutil.which(arguments[0]) is None:  # else setpriv would start, and fail where nobody looks
        raise ProcessError(f"The program “{arguments[0]}” is not installed, or not on PATH.", _INSTALL)
    try:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=tuple(pass_fds),
            env=environment(extra_environment),
            start_new_session=True,
        )
    except OSError as error:
        raise ProcessError(f"Could not start: {shlex.join(arguments)}: {error.strerror or error}", _BY_HAND) from error


def end(process: Process, *, patience: float) -> int:
    """End a program from :func:`spawn`: SIGTERM, and after ``patience`` seconds SIGKILL to its entire group.

    Returns its exit status (negative: the signal that ended it).
    """
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    # The group may outlive its leader; its number is not given to others while a member lives.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()

"""The one place that starts processes: argument lists, an explicit environment, and failures that can be pasted."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from esxforge.errors import ProcessError

_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR")
_SHOWN_OUTPUT_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program left behind: its exit status (negative: the signal that ended it) and its output."""

    arguments: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables a started program sees: a few of ours, the C locale, and ``extra``."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8"} | dict(extra or {})


def find_program(name: str, *, hint: str) -> str:
    """The path of a program, or a :class:`ProcessError` whose hint says how to get it."""
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
        raise ProcessError(f"The program “{arguments[0]}” is not installed, or not on PATH.") from error
    except OSError as error:
        raise ProcessError(f"Could not start: {pasteable}: {error.strerror or error}") from error
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"Not finished after {timeout:g} seconds: {pasteable}") from error
    if check and done.returncode != 0:
        output = (done.stderr.strip() or done.stdout.strip())[-_SHOWN_OUTPUT_CHARACTERS:]
        raise ProcessError(f"Exit status {done.returncode} from: {pasteable}\n{output}")
    return Finished(tuple(arguments), done.returncode, done.stdout, done.stderr)

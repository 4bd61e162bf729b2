"""``--log-file FILE``: every event of a run, its errors and its end, with the time, for whoever reads it afterwards.

A line looks like ``2026-11-28T03:04:05.678Z WARNING others can read the API key: …``; further lines of one message
are indented. The file is appended to, so that it is there whatever ends the run, and several runs can share it one
after the other. No secret is written: those on the command line, and whatever looks like one, are replaced.
"""

from __future__ import annotations

import inspect
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from esxforge import __version__, events
from esxforge.cli.option_groups import with_parameters
from esxforge.errors import ForgeError, InterruptedRunError
from esxforge.recipe.model import Recipe
from esxforge.recipe.setting import flags_of
from esxforge_target.runtime.visible import visible

_CUT = "[secret]"
_LOOKS_SECRET = (
    re.compile(r"\$[0-9a-z]{1,3}\$[^\s'\"]+"),  # a crypt hash
    re.compile(r"(?<=://)[^/\s@]+@"),  # user and password in a URL
    re.compile(r"\b[A-Za-z0-9]{18}:[A-Za-z0-9]{18}:[A-Za-z0-9]{32}\b"),  # an API key of MAAS
)
_OPTION = Parameter(
    "log_file",
    Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        typer.Option(
            "--log-file",
            help="Append a debug log with timestamps to this file.",
            show_default=False,
            readable=False,
        ),
    ],
)


class LogFile:
    """An open log. A log that cannot be written any more does not end the run: that is said once, at its end."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self.problem = ""
        self._stream = stream

    def write(self, level: str, text: str) -> None:
        """Append one message."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines = visible(_without_secrets(text)).rstrip("\n").replace("\n", "\n    ")
        try:
            self._stream.write(f"{now} {level:<7} {lines}\n".encode("utf-8", "backslashreplace"))
        except OSError as error:
            self.problem = error.strerror or str(error)

    def on_event(self, event: events.Event) -> None:
        """Append an event."""
        match event:
            case events.StepStarted(step, total):
                self.write("INFO", f"{step}: started" + (f", {total} bytes" if total is not None else ""))
            case events.StepFinished(step):
                self.write("INFO", f"{step}: done")
            case events.Notice(text, warning):
                self.write("WARNING" if warning else "NOTICE", text)
            case events.Decision(text) | events.Detail(text):
                self.write("DEBUG", text)


_current: list[LogFile] = []
_last: list[Path] = []


def current() -> LogFile | None:
    """The log of the verb that runs, if it has one."""
    return _current[-1] if _current else None


def last() -> Path | None:
    """The log of the verb that ran, if it had one: failure messages name it."""
    return _last[-1] if _last else None


def both(shown: events.Listener) -> events.Listener:
    """``shown``, and the log where there is one."""
    log = current()
    if log is None:
        return shown

    def listen(event: events.Event) -> None:
        log.on_event(event)
        shown(event)

    return listen


def logged(verb: Callable[..., Any]) -> Callable[..., Any]:
    """``verb``, which takes keywords, with ``--log-file``."""

    @wraps(verb)
    def run(*, log_file: Path | None, **values: Any) -> Any:
        with _log(log_file):
            return verb(**values)

    return with_parameters(run, [*inspect.signature(verb).parameters.values(), _OPTION])


@contextmanager
def _log(path: Path | None) -> Iterator[None]:
    _last.clear()
    if path is None:
        yield
        return
    from esxforge.local.output import open_log

    with open_log(path, "--log-file") as stream:
        log = LogFile(path, stream)
        _current.append(log)
        _last.append(path)
        began = time.monotonic()
        status = "exit status 1"
        try:
            import platform

            log.write("INFO", f"esxforge {__version__}, Python {platform.python_version()}, {platform.platform()}")
            log.write("INFO", f"command: {_command(sys.argv)}")
            log.write("INFO", f"directory: {Path.cwd()}")
            yield
            status = "exit status 0"
        except typer.Exit as exit_:
            status = f"exit status {exit_.exit_code}"
            raise
        except ForgeError as error:
            log.write("ERROR", f"{error.code}: {error.message}" + (f"\n{error.hint}" if error.hint else ""))
            status = "interrupted" if isinstance(error, InterruptedRunError) else status
            raise
        except (KeyboardInterrupt, typer.Abort):
            status = "interrupted"
            raise
        except typer.BadParameter as error:
            log.write("ERROR", f"usage: {error.format_message()}")
            status = "exit status 2"
            raise
        except Exception as error:
            import traceback

            log.write("ERROR", "".join(traceback.format_exception(error)))
            raise
        finally:
            _current.pop()
            log.write("INFO", f"{status}, after {time.monotonic() - began:.1f} seconds")
            if log.problem:
                sys.stderr.write(f"warning: the log {path} is not complete: {log.problem}.\n")


def _command(words: Sequence[str]) -> str:
    """The command line, without the values of secret flags."""
    secret = {key.setting.flag for verb in ("build", "capture") for key in flags_of(Recipe, verb) if key.setting.secret}
    shown: list[str] = []
    for word in words[1:]:
        name, equals, _ = word.partition("=")
        if shown and shown[-1] in secret:
            shown.append(_CUT)
        else:
            shown.append(f"{name}={_CUT}" if equals and name in secret else word)
    return shlex.join(["esxforge", *shown])


def _without_secrets(text: str) -> str:
    for pattern in _LOOKS_SECRET:
        text = pattern.sub(_CUT, text)
    return text

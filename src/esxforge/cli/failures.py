"""The output of a command that failed: sentences for people on stderr and, with ``--json``, a document on stdout.

::

    {"error": {"code": "output.exists", "message": "…", "hint": "…", "place": "/srv/esxi.dd.gz", "problems": []}}

``code`` stays the same when sentences change. ``place`` is the file, option or address that the error is about, or
null. ``problems`` holds each one where several were found at once; ``message`` is all of them. With ``--log-file``
there is ``log``, too: its path. A verb whose result says itself what is wrong (``plan``, ``kickstart check``,
``doctor``, ``selftest``) prints that result instead.

``deploy`` and ``follow`` print one object a line; there it is an event, with the machine that it is about or null::

    {"event": "error", "machine": "esx01.maas", "error": {"code": "maas", …}}
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer

from esxforge.cli import log_file
from esxforge.cli.render import print_json
from esxforge.errors import ForgeError

# typer exports no base class of the errors in a command line; it is click's, or typer's own copy of it.
UsageError: type[Any] = typer.BadParameter.__mro__[2]
_INTERRUPTED = "Interrupted, by Ctrl-C or a signal."
_VERBS_OF_LINES = ("deploy", "follow")


def wants_json(arguments: Sequence[str]) -> bool:
    """True if ``--json`` is among the options. Looked for by hand, since the command line itself may be wrong."""
    options = list(arguments)
    return "--json" in (options[: options.index("--")] if "--" in options else options)


def print_failure(error: BaseException | int, arguments: Sequence[str]) -> None:
    """Write the error document for an exception, or for an exit status without a result: 130 is for Ctrl-C."""
    if any(argument in _VERBS_OF_LINES for argument in arguments[:1]):
        print_line(failure_event(error))
    else:
        print_json({"error": _document(error)})


def failure_event(error: BaseException | int, machine: str | None = None) -> dict[str, Any]:
    """The event of a failure, for the verbs that print one object a line."""
    return {"event": "error", "machine": machine, "error": _document(error)}


def print_line(document: Any) -> None:
    """Write one JSON object as a line, at once."""
    sys.stdout.write(json.dumps(document, sort_keys=True) + "\n")
    sys.stdout.flush()


def _document(error: BaseException | int) -> dict[str, Any]:
    if isinstance(error, ForgeError):
        problems = list(getattr(error, "problems", None) or getattr(error, "reasons", None) or ())
        return _fields(error.code, error.message, error.hint, error.place, problems)
    if isinstance(error, UsageError):
        return _fields("usage", error.format_message(), "See --help.", _option(error))
    if isinstance(error, OSError):
        return _fields("system", str(error.strerror or error), "Check the system.", str(error.filename or ""))
    if isinstance(error, int | KeyboardInterrupt | typer.Abort):
        return _fields("interrupted", _INTERRUPTED, "Run the command again.")
    return _fields(
        "internal", f"{type(error).__name__} in esxforge itself.", "Report it, with the traceback on stderr."
    )


def _option(error: Exception) -> str:
    """The option as people write it, or the argument's name; empty where the error is about neither."""
    hint = getattr(error, "param_hint", None)
    if hint:
        return str(hint)
    parameter = getattr(error, "param", None)
    spellings = [name for name in getattr(parameter, "opts", ()) if name.startswith("--")]
    return str(spellings[0] if spellings else getattr(parameter, "name", None) or "")


def _fields(code: str, message: str, hint: str, place: str = "", problems: Sequence[str] = ()) -> dict[str, Any]:
    fields = {"code": code, "message": message, "hint": hint, "place": place or None, "problems": list(problems)}
    log = log_file.last()
    return fields if log is None else {**fields, "log": str(log)}

"""How a followed deployment looks: a live table on a terminal, lines elsewhere, one JSON object a line for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone

from esxforge.cli import log_file
from esxforge.cli.failures import print_line
from esxforge.cli.following_lines import Lines
from esxforge.deployment.follow import Ended, Happened, Silent, Update


@contextmanager
def display(machines: Sequence[str], *, as_json: bool) -> Iterator[Callable[[Update], None]]:
    """Yields the function to call with each update. ``--log-file`` gets them, too."""
    log = log_file.current()
    with _display(machines, as_json=as_json) as show:
        if log is None:
            yield show
            return
        write = Lines(machines, lambda line: log.write("INFO", line)).show

        def both(update: Update) -> None:
            write(update)
            show(update)

        yield both


@contextmanager
def _display(machines: Sequence[str], *, as_json: bool) -> Iterator[Callable[[Update], None]]:
    if as_json:
        yield lambda update: print_line(_document(update))
    elif sys.stdout.isatty():
        from esxforge.cli.following_live import live  # rich is slow to import

        with live(machines) as show:
            yield show
    else:
        yield Lines(machines).show


def _document(update: Update) -> dict[str, object]:
    match update:
        case Happened(machine, event, phase):
            return {
                "event": "phase" if phase else "log",
                "machine": machine,
                "phase": phase or event.phase or None,
                "level": event.level,
                "type": event.type,
                "origin": event.origin or "maas",
                "text": event.text,
                "at": None if event.at is None else _iso(event.at),
                "number": list(event.number) if event.number else None,
            }
        case Silent(machine, seconds, reason):
            return {"event": "silent" if seconds else "answers", "machine": machine, "reason": reason}
        case Ended():
            return {
                "event": "end",
                "machine": update.machine,
                "outcome": update.outcome.value,
                "status": update.status_name,
                "addresses": list(update.addresses),
                "reason": update.reason,
                "log": update.log.splitlines(),
                "times": update.progress.times(ended=True).document(),
            }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

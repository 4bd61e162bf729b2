"""Events and errors become what a person, or a program, sees.

People's text goes to stderr, so that with ``--json`` stdout carries one JSON document and nothing else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from esxforge import events
from esxforge.cli import log_file
from esxforge.cli.lines import LineDisplay
from esxforge.errors import ForgeError
from esxforge_target.runtime.visible import visible_json


def print_json(document: Any) -> None:
    """Write one JSON document to stdout, keys in order, so that the same result is the same text."""
    text = visible_json(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:  # a locale without these characters
        text = json.dumps(document, indent=2, sort_keys=True)
    sys.stdout.write(text + "\n")


def print_error(error: ForgeError) -> None:
    """Write an error and its hint to stderr."""
    sys.stderr.write(f"esxforge: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")


@contextmanager
def listener(*, verbose: bool = False, quiet: bool = False) -> Iterator[events.Listener]:
    """A listener that shows events on stderr: a bar on a terminal, plain lines elsewhere.

    Notices are always shown unless ``quiet``; decisions with ``verbose`` only. ``--log-file`` gets all events.
    """
    display = LineDisplay(verbose=verbose, quiet=quiet)
    if sys.stderr.isatty():
        from esxforge.cli.progress import ProgressDisplay  # rich is slow to import

        display = ProgressDisplay(verbose=verbose, quiet=quiet)
    with display:
        yield log_file.both(display.on_event)

"""Events as lines of text on stderr: for logs, where progress would be noise. Quick to import."""

from __future__ import annotations

import sys
from types import TracebackType

from esxforge import events


class LineDisplay:
    """Shows notices, and with ``verbose`` decisions, while used as a context manager."""

    def __init__(self, *, verbose: bool, quiet: bool) -> None:
        self._verbose = verbose
        self._quiet = quiet

    def __enter__(self) -> LineDisplay:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        sys.stderr.flush()

    def on_event(self, event: events.Event) -> None:
        """Show one event."""
        match event:
            case events.StepFinished(step) if self._verbose:
                self._say(f"{step}: done")
            case events.Notice(text, warning):
                self._say(f"{'warning' if warning else 'note'}: {text}")
            case events.Decision(text) if self._verbose:
                self._say(text)

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._write(text)

    def _write(self, text: str) -> None:
        sys.stderr.write(text + "\n")

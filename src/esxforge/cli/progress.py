"""Progress on a terminal: a bar with bytes, rate and time left."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from esxforge import events
from esxforge.cli.console import FilteredConsole
from esxforge.cli.lines import LineDisplay
from esxforge_target.runtime.visible import visible

_WITH_RATE = 80
_BYTES, _RATE, _TIME = len("1,000.0/1,023.0 MiB"), len("1000.0 MiB/s"), len("0:00:00")
_LONGEST_NAME = 26
_SHORTEST_BAR, _LONGEST_BAR = 4, 40


def columns(width: int) -> list[ProgressColumn]:
    """The columns that fit on one line: a narrow terminal has a short bar and no rate, and cuts the step's name."""
    rates = [TransferSpeedColumn(Column(no_wrap=True))] if width >= _WITH_RATE else []
    left = width - _BYTES - _TIME - len(rates) * (_RATE + 1) - 3
    bar = max(_SHORTEST_BAR, min(_LONGEST_BAR, left - _LONGEST_NAME))
    name = Column(no_wrap=True, overflow="ellipsis", max_width=max(1, left - bar))
    return [
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar),
        DownloadColumn(binary_units=True, table_column=Column(no_wrap=True)),
        *rates,
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
    ]


class ProgressDisplay(LineDisplay):
    """Also shows bars, while used as a context manager. rich honours ``NO_COLOR`` and dumb terminals."""

    def __init__(self, *, verbose: bool, quiet: bool) -> None:
        super().__init__(verbose=verbose, quiet=quiet)
        self._console = FilteredConsole(sys.stderr, soft_wrap=True)
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            *columns(self._console.width),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            transient=True,
            redirect_stdout=False,  # rich would read escape sequences in what others write
            redirect_stderr=False,
        )

    def __enter__(self) -> ProgressDisplay:
        self._progress.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on_event(self, event: events.Event) -> None:
        """Show one event."""
        match event:
            case events.StepStarted(step, total):
                self._tasks[step] = self._progress.add_task(visible(step), total=total)
            case events.BytesDone(step, done):
                if step in self._tasks:
                    self._progress.update(self._tasks[step], completed=done)
            case events.StepFinished(step):
                task = self._tasks.pop(step, None)
                if task is not None:
                    self._progress.remove_task(task)
        super().on_event(event)

    def _write(self, text: str) -> None:
        self._console.print(text)

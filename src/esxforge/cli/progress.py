"""Progress on a terminal: a bar with bytes, rate and time left."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from esxforge import events
from esxforge.cli.console import FilteredConsole
from esxforge.cli.lines import LineDisplay
from esxforge_target.runtime.visible import visible


class ProgressDisplay(LineDisplay):
    """Also shows bars, while used as a context manager. rich honours ``NO_COLOR`` and dumb terminals."""

    def __init__(self, *, verbose: bool, quiet: bool) -> None:
        super().__init__(verbose=verbose, quiet=quiet)
        self._console = FilteredConsole(sys.stderr, soft_wrap=True)
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
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

"""A followed deployment on a terminal: events scroll by, below them a line for each machine that is kept up to date."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.live import Live
from rich.table import Table
from rich.text import Text

from esxforge.cli.console import FilteredConsole
from esxforge.cli.following_lines import Lines
from esxforge.deployment.follow import Ended, Happened, Silent, Update
from esxforge.deployment.phase_times import duration
from esxforge.deployment.progress import sentence_of
from esxforge_target.runtime.visible import one_line


@dataclass
class _Row:
    phase: str = "waiting for MAAS's first event"
    since: float = field(default_factory=time.monotonic)
    end: str = ""


@dataclass
class _Table:
    """Rendered at each refresh, so that the clocks in it run."""

    rows: dict[str, _Row]
    began: float
    silent: set[str] = field(default_factory=set)

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for machine, row in self.rows.items():
            spent = "" if row.end else duration(now - row.since)
            table.add_row(Text(one_line(machine)), Text(one_line(row.end or row.phase)), Text(spent))
        silent = "MAAS does not answer" if self.silent else ""
        table.add_row(Text("in all", style="dim"), Text(silent, style="dim"), Text(duration(now - self.began)))
        return table


@contextmanager
def live(machines: Sequence[str]) -> Iterator[Callable[[Update], None]]:
    """Yields the function to call with each update. rich honours ``NO_COLOR`` and dumb terminals."""
    console = FilteredConsole(sys.stdout, soft_wrap=True)
    table = _Table({machine: _Row() for machine in machines}, time.monotonic())
    lines = Lines(machines, lambda line: console.print(Text(line)))

    def show(update: Update) -> None:
        match update:
            case Happened(machine, _, phase) if phase is not None and machine in table.rows:
                table.rows[machine] = _Row(sentence_of(phase))
            case Silent(machine, seconds):
                (table.silent.add if seconds else table.silent.discard)(machine)
            case Ended() if update.machine in table.rows:
                table.silent.discard(update.machine)
                table.rows[update.machine].end = update.outcome.value
        lines.show(update)

    # Redirected, rich would read escape sequences in what others write.
    with Live(
        table, console=console, refresh_per_second=2, transient=True, redirect_stdout=False, redirect_stderr=False
    ):
        yield show

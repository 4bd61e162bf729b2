"""The lines of a followed deployment: one an event, then how it ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence

from esxforge.deployment.follow import Ended, Happened, Silent, Update
from esxforge.deployment.phase_times import PhaseTimes, duration
from esxforge.deployment.progress import Outcome, sentence_of
from esxforge_target.runtime.visible import one_line

_WORDS = {
    Outcome.DEPLOYED: "Deployed",
    Outcome.FAILED: "Failed deployment",
    Outcome.ABORTED: "The deployment was ended by someone else",
    Outcome.RUNNING: "Deploying",
    Outcome.UNKNOWN: "How the deployment ends is not known",
}


class Lines:
    """One line an event, with the time in UTC, and the machine's name where there are several."""

    def __init__(self, machines: Sequence[str], write: Callable[[str], None] | None = None) -> None:
        self._several = len(machines) > 1
        self._write = write or _to_stdout

    def show(self, update: Update) -> None:
        """Show one update."""
        match update:
            case Happened(machine, event, _):
                for line in self._event(update):
                    self._say(machine, event.at, line)
            case Silent(machine, seconds, reason):
                text = f"MAAS does not answer: {reason} Trying on." if seconds else "MAAS answers again."
                name = f"{machine}: " if self._several else ""
                self._write(one_line(f"note: {name}{text}"))
            case Ended():
                for line in end_lines(update):
                    self._write(f"{update.machine}: {line}" if self._several and line else line)

    def _event(self, happened: Happened) -> Iterator[str]:
        event, phase = happened.event, happened.phase
        if event.origin == "esxforge":
            first, _, rest = event.text.partition("\n")
            mark = "FAILED: " if event.is_error else ""
            yield f"{event.phase or 'esxforge'}: {mark}{first}"
            if rest and not event.is_error:
                yield from (f"  {line}" for line in rest.splitlines())
        elif phase is not None:
            yield sentence_of(phase)
        elif event.is_error or event.level == "WARNING":
            yield f"{event.type}: {event.text}".rstrip(": ")

    def _say(self, machine: str, at: float | None, line: str) -> None:
        when = time.strftime("%H:%M:%S", time.gmtime(at)) if at is not None else "--:--:--"
        name = f"{machine}  " if self._several else ""
        self._write(one_line(f"{when}  {name}{line}"))


def _to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def end_lines(ended: Ended) -> Iterator[str]:
    """How it ended: addresses and times, or the reason and the end of the log."""
    yield ""
    times = ended.progress.times(ended=True)
    took = f" after {duration(times.end)}" if times.end is not None else ""
    shows = "last showed" if ended.outcome is Outcome.UNKNOWN else "shows"
    yield one_line(f"{_WORDS[ended.outcome]}{took}; MAAS {shows} “{ended.status_name or 'nothing'}”.")
    if ended.outcome is Outcome.DEPLOYED:
        yield one_line("Addresses: " + (", ".join(ended.addresses) or "MAAS tells none"))
    else:
        yield one_line(f"Reason: {ended.reason or 'MAAS does not say; look into its event log (level DEBUG)'}")
        if ended.log:
            yield "The end of the log:"
            yield from (f"  {one_line(line)}" for line in ended.log.splitlines())
    yield from phase_lines(times)


def phase_lines(times: PhaseTimes) -> Iterator[str]:
    """A line for each phase with its time."""
    if times.starts:
        yield "Phases:"
        yield from (f"  {one_line(name):<26} {duration(seconds):>12}" for name, _, seconds in times.lengths())

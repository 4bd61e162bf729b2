"""Run a machine that ends by itself: follow its phases, show its screen, and report whatever goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from esxforge.errors import ForgeError
from esxforge.events import BytesDone, Listener, Notice, StepFinished, StepStarted
from esxforge.host.workspace import allocated_bytes
from esxforge.vm import serial
from esxforge.vm.diagnosis import Ending, Evidence, diagnose
from esxforge.vm.failure import FailureReport, MachineFailedError
from esxforge.vm.hardware import Accelerator, Machine, SerialToFile, SerialToSocket
from esxforge.vm.machine import RunningMachine
from esxforge.vm.phases import SENTENCES, Phase, phase_of
from esxforge.vm.watch import WatchPage, watch_page

_GROWTH_IS_RECENT = 120.0


@dataclass(frozen=True, slots=True)
class Limits:
    """``seconds``: for the whole run. ``restarts``: how many are normal (firmware may restart once on its first start).
    ``tick``: seconds between two looks."""

    seconds: float
    restarts: int = 3
    tick: float = 1.0


def run_until_power_off(
    machine: Machine,
    folder: Path,
    limits: Limits,
    *,
    listener: Listener,
    watch: bool = False,
) -> float:
    """Run ``machine`` until its guest powers it off; returns the seconds it took.

    The first disk's growth and the serial log tell the phase; each is an event. With ``watch`` a local page shows the
    screen, and its address is a notice. Raises :class:`MachineFailedError` when it ends otherwise, or not in time.
    """
    with _page(machine, listener, wanted=watch) as page, RunningMachine(machine, folder) as running:
        observer = _Observer(running, listener, page)
        while True:
            state = running.follow(limits.tick)
            observer.look()
            ending = state.ending
            if ending is None and state.restarts > limits.restarts:
                ending = Ending.RESTART_LOOP
            if ending is None and observer.seconds > limits.seconds:
                ending = Ending.TIMED_OUT
            if ending is Ending.POWERED_OFF:
                running.wait_for_exit(30)
                observer.finished()
                return observer.seconds
            if ending is not None:
                raise MachineFailedError(observer.report(ending))


class _Observer:
    """Looks at a running machine from outside, and remembers what it saw."""

    def __init__(self, running: RunningMachine, listener: Listener, page: WatchPage | None) -> None:
        self._running = running
        self._listener = listener
        self._page = page
        self._log = _serial_log(running.machine)
        self._disk = running.machine.disks[0].path if running.machine.disks else None
        self._disk_at_start = self._disk_size = allocated_bytes(self._disk)
        self._started = time.monotonic()
        self._last_growth = float("-inf")
        self._phase = Phase.FIRMWARE
        self._picture: bytes | None = None
        listener(StepStarted(SENTENCES[self._phase]))

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def look(self) -> None:
        """See how far it is, and tell."""
        text = self._serial_text()
        size = allocated_bytes(self._disk)
        if size > self._disk_size:
            self._last_growth = self.seconds
        self._disk_size = size
        phase = phase_of(text, size - self._disk_at_start, self._phase)
        if phase is not self._phase:
            self._listener(StepFinished(SENTENCES[self._phase]))
            self._listener(StepStarted(SENTENCES[phase]))
            self._phase = phase
        if phase is Phase.WRITING:
            self._listener(BytesDone(SENTENCES[phase], size - self._disk_at_start))
        # A picture a tick costs 15 ms, and there is a last one even when QEMU goes all at once.
        with suppress(ForgeError, OSError):
            self._picture = self._running.screenshot()
        if self._page:
            self._page.show(f"{SENTENCES[phase]}.", serial.last_lines(text, 200), self._picture)

    def finished(self) -> None:
        """The machine powered off."""
        self._listener(StepFinished(SENTENCES[self._phase]))

    def report(self, ending: Ending) -> FailureReport:
        """All that is known, with the last picture written to the folder."""
        evidence = Evidence(
            ending,
            serial=self._serial_text(),
            qemu_output=self._running.output,
            exit_status=self._running.exit_status,
            phase=self._phase,
            accelerated=self._running.machine.accelerator is Accelerator.KVM,
            recent_growth=self.seconds - self._last_growth < _GROWTH_IS_RECENT,
        )
        return FailureReport(
            evidence,
            diagnose(evidence),
            self._running.command_line,
            self._running.folder,
            self.seconds,
            serial_log=self._log if self._log and self._log.exists() else None,
            screenshot=self._write_picture(),
        )

    def _write_picture(self) -> Path | None:
        if not self._picture:
            return None
        path = self._running.folder / "last-screen.png"
        try:
            path.write_bytes(self._picture)
        except OSError:  # the folder's disk may be what is full
            return None
        return path

    def _serial_text(self) -> str:
        return serial.read(self._log) if self._log else ""


def _serial_log(machine: Machine) -> Path | None:
    match machine.serial:
        case SerialToFile(path):
            return path
        case SerialToSocket(log=path):
            return path
    return None


@contextmanager
def _page(machine: Machine, listener: Listener, *, wanted: bool) -> Iterator[WatchPage | None]:
    if not wanted:
        yield None
        return
    with watch_page(f"esxforge: {machine.name}") as page:
        listener(Notice(f"Watch the screen at {page.address}"))
        yield page

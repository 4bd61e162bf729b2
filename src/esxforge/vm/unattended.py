"""Run a machine that ends by itself: follow its phases, show its screen, and report whatever goes wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from esxforge.errors import ForgeError
from esxforge.events import BytesDone, Listener, Notice, StepFinished, StepStarted
from esxforge.local.workspace import allocated_bytes
from esxforge.vm import serial
from esxforge.vm.diagnosis import Ending, FailureEvidence, diagnose, error_box
from esxforge.vm.failure import FailureReport, MachineFailedError
from esxforge.vm.hardware import Accelerator, Machine, SerialToFile, SerialToSocket, SerialToTerminal, Vnc
from esxforge.vm.machine import NotStartedError, RunningMachine
from esxforge.vm.phases import SENTENCES, Phase, phase_of
from esxforge.vm.watch import WatchPage, watch_page

_GROWTH_IS_RECENT = 120.0
_BOX_IS_DRAWN = 3.0


@dataclass(frozen=True, slots=True)
class Limits:
    """``seconds``: for the whole run. ``restarts``: how many are normal (firmware may restart once on its first start).
    ``tick``: seconds between two looks. ``silent``: seconds without a word on the serial console and without growth of
    the disk. ``restart_after_writing``: False where a restart, once the disk is being written, ends the run.
    ``error_box_ends``: True where an error box of the installer's does, as nobody is there to press a key."""

    seconds: float
    restarts: int = 3
    tick: float = 1.0
    silent: float = math.inf
    restart_after_writing: bool = True
    error_box_ends: bool = False


def run_until_power_off(
    machine: Machine,
    directory: Path,
    limits: Limits,
    *,
    listener: Listener,
    watch: bool = False,
) -> FailureReport:
    """Run ``machine`` until its guest powers it off, or a person at its console; returns all that was seen, for those
    who find that it did not do its work.

    The first disk's growth and the serial log tell the phase; each is an event. With ``watch`` a local page shows the
    screen, and its address is a notice. Raises :class:`MachineFailedError` when it ends otherwise, or not in time.
    """
    with _page(machine, listener, desired=watch) as page, _started(RunningMachine(machine, directory)) as running:
        observer = _Observer(running, listener, page)
        if machine.vnc is not None:
            protected = "with a password" if machine.vnc.password else "without a password"
            listener(Notice(f"VNC display on {machine.vnc.where}, {protected}", warning=not _is_safe(machine.vnc)))
        # Ctrl-A x on a serial console in the terminal is the person's own end.
        by_console = isinstance(machine.serial, SerialToTerminal)
        while True:
            state = running.follow(limits.tick)
            observer.look()
            ending = state.ending or observer.ending(limits)
            if ending in (Ending.POWERED_OFF, Ending.QUIT, Ending.DIED):
                running.wait_for_exit(30)
            if ending is Ending.POWERED_OFF or (ending is Ending.QUIT and by_console):
                observer.finished()
                return observer.report(ending)
            if ending is not None:
                raise MachineFailedError(observer.report(ending))


def _is_safe(display: Vnc) -> bool:
    return display.is_local or bool(display.password)


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
        self._last_word = 0.0
        self._text_length = 0
        self._restarts_before_writing = 0
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
        length = self._log.stat().st_size if self._log and self._log.exists() else 0
        if length != self._text_length:
            self._text_length, self._last_word = length, self.seconds
        self._disk_size = size
        phase = phase_of(text, size - self._disk_at_start, self._phase)
        if phase < Phase.WRITING:
            self._restarts_before_writing = self._running.state.restarts
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

    def ending(self, limits: Limits) -> Ending | None:
        """Why the run is to end here, if so."""
        restarts = self._running.state.restarts
        if restarts > limits.restarts:
            return Ending.RESTART_LOOP
        if not limits.restart_after_writing and restarts > self._restarts_before_writing:
            return Ending.RESTARTED
        if limits.error_box_ends and self._is_at_error_box():
            return Ending.ASKED
        if self.seconds > limits.seconds:
            return Ending.TIMED_OUT
        if self.seconds - max(self._last_growth, self._last_word) > limits.silent:
            return Ending.STALLED
        return None

    def _is_at_error_box(self) -> bool:
        """Return whether it is drawn to its end: a box comes in pieces."""
        return self.seconds - self._last_word > _BOX_IS_DRAWN and bool(error_box(self._serial_text()))

    def finished(self) -> None:
        """The machine powered off."""
        self._listener(StepFinished(SENTENCES[self._phase]))

    def report(self, ending: Ending) -> FailureReport:
        """All that is known, with the last picture written to the directory."""
        evidence = FailureEvidence(
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
            self._running.directory,
            self.seconds,
            serial_log=self._log if self._log and self._log.exists() else None,
            screenshot=self._write_picture(),
        )

    def _write_picture(self) -> Path | None:
        if not self._picture:
            return None
        path = self._running.directory / "last-screen.png"
        try:
            path.write_bytes(self._picture)
        except OSError:  # the directory's disk may be what is full
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
def _started(machine: RunningMachine) -> Iterator[RunningMachine]:
    """The machine, running. One that does not start has failed like one that ends later, and is told like that."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(machine)
        except NotStartedError as error:
            raise MachineFailedError(_not_started(machine, error)) from error
        yield running


def _not_started(machine: RunningMachine, error: NotStartedError) -> FailureReport:
    evidence = FailureEvidence(
        Ending.STALLED if error.exit_status is None else Ending.DIED,
        qemu_output=machine.output or str(error.__cause__),
        exit_status=error.exit_status,
        accelerated=machine.machine.accelerator is Accelerator.KVM,
    )
    return FailureReport(evidence, diagnose(evidence), machine.command_line, machine.directory, 0.0)


@contextmanager
def _page(machine: Machine, listener: Listener, *, desired: bool) -> Iterator[WatchPage | None]:
    if not desired:
        yield None
        return
    with watch_page(f"esxforge: {machine.name}") as page:
        listener(Notice(f"Watch the screen at {page.address}"))
        yield page

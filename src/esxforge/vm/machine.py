"""Life of a virtual machine: a context manager that leaves no process, socket or file of its own behind."""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from esxforge.errors import ProcessError
from esxforge.local import processes
from esxforge.local.interrupts import put_off
from esxforge.vm import screen
from esxforge.vm.diagnosis import Ending
from esxforge.vm.hardware import Machine, SerialToSocket, SerialToTerminal, qemu_arguments
from esxforge.vm.qmp import Qmp, QmpError

_START_LIMIT = 60.0
_SHOWN_OUTPUT_CHARACTERS = 4000
# Every other reason is this computer's: a signal to QEMU, its window closed, an error of its own.
_SHUTDOWNS = {
    "guest-shutdown": Ending.POWERED_OFF,
    "guest-reset": Ending.RESTARTED,
    "guest-panic": Ending.PANICKED,
    "host-qmp-quit": Ending.QUIT,
}


@dataclass(frozen=True, slots=True)
class MachineState:
    """State reported by QEMU so far: how the run ended (None: it has not), and how often the guest restarted."""

    ending: Ending | None = None
    restarts: int = 0


def next_state(state: MachineState, event: Mapping[str, Any]) -> MachineState:
    """Return the state after one QMP event. Pure; the events are described in QEMU's QMP reference."""
    data = event.get("data") or {}
    match event.get("event"):
        case "RESET" if data.get("guest", True):
            return replace(state, restarts=state.restarts + 1)
        case "SHUTDOWN":
            return replace(state, ending=state.ending or _SHUTDOWNS.get(data.get("reason", ""), Ending.DIED))
        case "GUEST_PANICKED":
            return replace(state, ending=Ending.PANICKED)
        case "BLOCK_IO_ERROR" if data.get("nospace") or "No space left" in str(data.get("reason", "")):
            return replace(state, ending=Ending.NO_SPACE)
        case "STOP":
            return replace(state, ending=state.ending or Ending.PAUSED)
    return state


class NotStartedError(ProcessError):
    """QEMU did not start. ``exit_status``: None if it runs, but does not answer."""

    def __init__(self, message: str, hint: str, exit_status: int | None) -> None:
        super().__init__(message, hint)
        self.exit_status = exit_status


class RunningMachine:
    """A running QEMU.

    ``directory`` must exist; QEMU's own messages (``qemu.log``), its temporary files and pictures go there. Every
    failure to start raises :class:`NotStartedError` with QEMU's exit status, a command line that can be pasted, and
    its messages.
    """

    def __init__(self, machine: Machine, directory: Path) -> None:
        self.machine = machine
        self.directory = directory
        self.state = MachineState()
        self._log = directory / "qemu.log"
        self._process: processes.Process | None = None
        self._qmp: Qmp | None = None

    def __enter__(self) -> RunningMachine:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def command_line(self) -> str:
        """QEMU's command, to be pasted into a shell: complete except for the inherited control channel."""
        return shlex.join(qemu_arguments(replace(self.machine, qmp_fd=None)))

    @property
    def process_id(self) -> int | None:
        """QEMU's process id, None before its start."""
        return self._process.pid if self._process else None

    @property
    def exit_status(self) -> int | None:
        """QEMU's exit status; negative: the signal that ended it; None: it runs."""
        return self._process.poll() if self._process else None

    @property
    def output(self) -> str:
        """End of QEMU's own messages."""
        try:
            return self._log.read_text("utf-8", "replace")[-_SHOWN_OUTPUT_CHARACTERS:].strip()
        except FileNotFoundError:
            return ""

    @property
    def qmp(self) -> Qmp:
        """Control channel. Raises :class:`QmpError` if the machine does not run."""
        if self._qmp is None:
            raise QmpError("The virtual machine does not run.", "Start it again.")
        return self._qmp

    def screenshot(self) -> bytes:
        """Return the screen as PNG. Raises :class:`QmpError`."""
        return screen.screenshot(self.qmp, self.directory)

    def follow(self, wait: float) -> MachineState:
        """Process events, for up to ``wait`` seconds or until there are some; return the new state."""
        if self.state.ending is None or self.exit_status is None:
            self._take_events(wait)
        if self.state.ending is None and self.exit_status is not None:
            # Its last messages may have come before it went.
            self._take_events(0.1)
            if self.state.ending is None:
                self.state = replace(self.state, ending=Ending.DIED)
        return self.state

    def wait_for_exit(self, limit: float) -> None:
        """Wait until QEMU, which has announced its exit, is gone. After ``limit`` seconds it is ended."""
        if self._process is not None:
            with suppress(processes.StillRunning):
                self._process.wait(limit)
            with put_off():
                processes.end(self._process, patience=2)

    def _take_events(self, wait: float) -> None:
        deadline = time.monotonic() + wait
        while True:
            # Short waits: QEMU's death ends no wait of its own.
            events = self.qmp.events(max(0.0, min(0.2, deadline - time.monotonic())))
            for event in events:
                self.state = next_state(self.state, event)
            if events or self.exit_status is not None or time.monotonic() >= deadline:
                return

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with put_off():
            self._qmp = Qmp(ours)
            with theirs, self._log.open("wb") as log:
                terminal = isinstance(self.machine.serial, SerialToTerminal)
                self._process = processes.spawn(
                    qemu_arguments(replace(self.machine, qmp_fd=theirs.fileno())),
                    stdin=None if terminal else processes.NOTHING,
                    stdout=None if terminal else log,
                    stderr=log,
                    pass_fds=[theirs.fileno()],
                    # QEMU keeps what is written to a medium in a file there, and leaves it behind when it is killed.
                    extra_environment={"TMPDIR": str(self.directory)},
                )
        try:
            self._qmp.connect(limit=_START_LIMIT)
            if self.machine.vnc is not None and self.machine.vnc.password:
                arguments = {"protocol": "vnc", "password": self.machine.vnc.password}
                self._qmp.execute("set_password", arguments, limit=_START_LIMIT)
            self._qmp.execute("cont", limit=_START_LIMIT)
        except QmpError as error:
            raise self._not_started(error) from error

    def _not_started(self, error: QmpError) -> NotStartedError:
        process = self._process
        if process is not None:
            # The channel breaks a moment before the exit status is known.
            with suppress(processes.StillRunning):
                process.wait(5)
        status = "still running" if self.exit_status is None else f"exit status {self.exit_status}"
        return NotStartedError(
            f"QEMU did not start ({status}): {self.output or error.message}\n{self.command_line}",
            "“esxforge doctor --kind golden” checks what QEMU needs.",
            self.exit_status,
        )

    def _end(self) -> None:
        with put_off():
            try:
                if self._process is not None:
                    processes.end(self._process, patience=5)
            finally:
                if self._qmp is not None:
                    self._qmp.close()
                if isinstance(self.machine.serial, SerialToSocket):
                    # QEMU removes it on an orderly end only.
                    self.machine.serial.socket.unlink(missing_ok=True)

"""Run the virtual host until enough was seen: its phases with times, pictures of its screen, and how it ended."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from esxforge.errors import ForgeError
from esxforge.events import Decision, Listener, step
from esxforge.local.workspace import allocated_bytes
from esxforge.selftest.evidence import Boot, Stage, Stop
from esxforge.vm import serial
from esxforge.vm.causes import SAID_ON_CONSOLE, Cause
from esxforge.vm.diagnosis import Ending, FailureEvidence, diagnose
from esxforge.vm.hardware import Accelerator, Machine, SerialToFile
from esxforge.vm.machine import RunningMachine
from esxforge.vm.phases import Phase, phase_of
from esxforge.vm.watch import WatchPage

SENTENCES = {
    Stage.INTERACTIVE: "start the image as built: the interactive installer",
    Stage.INSTALL: "start the personalised image: the unattended installation",
    Stage.FIRST_BOOT: "start the installed host, and cut its power at the agent's first word",
    Stage.SECOND_BOOT: "start it again: the agent works, up to Deployed",
    Stage.LATER_BOOT: "start the finished host once more",
    Stage.GOLDEN_BUILD: "build a golden image",
    Stage.GOLDEN_BIOS: "start that host by legacy BIOS, up to its kernel",
    Stage.GOLDEN_BOOT: "start a host from the golden image, up to Deployed",
    Stage.SECURE_INSTALL: "start the personalised image with Secure Boot on",
    Stage.SECURE_BOOT: "start what it installed, with Secure Boot on",
}
_INSTALLS = (Stage.INSTALL, Stage.SECURE_INSTALL)
# A machine that says one of these and then nothing more goes no further by itself.
_FINAL = {Cause.CPU_NOT_SUPPORTED, Cause.KICKSTART_REFUSED, Cause.MEDIA_DAMAGED, Cause.CRASHED}
# Messages of our steps in the installer when they stop it, with the lines that follow.
_OURS = re.compile(r"^.*(?:ESXi was NOT installed:|would NOT be set up for MAAS:)(?:\n.*\S.*)*", re.MULTILINE)
_SILENCE_AFTER_AN_ERROR = 60.0
# A host may take minutes to shut down. Without KVM it is a stand-in, which ignores the button.
_POWER_OFF_PATIENCE = {Accelerator.KVM: 180.0, Accelerator.TCG: 20.0}
# OVMF may restart the machine once when its variables are new.
_FIRMWARE_RESTARTS = 2
_ENDINGS = {Ending.RESTARTED: Stop.RESTARTED, Ending.POWERED_OFF: Stop.POWERED_OFF}


class Finish(str, Enum):
    """How to end a machine that was seen enough of."""

    CUT = "the power is cut"
    BUTTON = "the power button is pressed"


@dataclass(slots=True)
class Progress:
    """State of a running machine. ``seconds``: since its start."""

    seconds: float = 0.0
    console: str = ""
    phase: Phase = Phase.FIRMWARE
    marks: list[tuple[Phase, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BootPlan:
    """One run. ``limit`` in seconds; ``enough`` is asked repeatedly; ``settle``: seconds to go on after that.

    ``machine`` must not be allowed to restart: its disks are looked at in between.
    """

    stage: Stage
    machine: Machine
    directory: Path
    limit: float
    enough: Callable[[Progress], bool] = lambda _progress: False
    settle: float = 0.0
    finish: Finish = Finish.CUT
    tick: float = 1.0


def run_boot(plan: BootPlan, listener: Listener, page: WatchPage | None = None) -> Boot:
    """Run it. Failures of the machine are in the result; raises only if QEMU cannot be started at all."""
    with step(listener, SENTENCES[plan.stage]):
        for attempt in range(_FIRMWARE_RESTARTS + 1):
            observer = _Observer(plan, page, attempt)
            with RunningMachine(observer.machine, plan.directory) as running:
                boot = observer.run(running)
            if boot.stop is Stop.RESTARTED and not boot.reached(Phase.BOOT_LOADER) and attempt < _FIRMWARE_RESTARTS:
                listener(Decision("the firmware restarted the machine; it is started again"))
                continue
            break
    listener(Decision(f"{plan.stage.value}: {boot.stop.value} after {boot.seconds:.0f} seconds. {boot.diagnosis}"))
    return boot


class _Observer:
    """Follows one run of QEMU."""

    def __init__(self, plan: BootPlan, page: WatchPage | None, attempt: int) -> None:
        self._plan = plan
        self._page = page
        self._log = plan.directory / f"{plan.stage.value}{f'-{attempt + 1}' if attempt else ''}.serial.log"
        self.machine = _with_log(plan.machine, self._log)
        self._disk = plan.machine.disks[0].path
        self._before = allocated_bytes(self._disk)
        self._started = time.monotonic()
        self._grew = 0
        self._spoke = 0.0
        self._progress = Progress()
        self._picture = b""
        self._screens: dict[str, bytes] = {}

    def run(self, running: RunningMachine) -> Boot:
        enough_at: float | None = None
        while True:
            state = running.follow(self._plan.tick)
            self._look(running)
            now = self._progress.seconds
            if state.ending is not None:
                running.wait_for_exit(30)
                return self._boot(_ENDINGS.get(state.ending, Stop.FAILED), running, state.ending)
            if enough_at is None and self._plan.enough(self._progress):
                enough_at = now
            if enough_at is not None and now - enough_at >= self._plan.settle:
                self._finish(running)
                return self._boot(Stop.ENOUGH, running, None)
            if enough_at is None and now > self._plan.limit:
                return self._boot(Stop.TIMED_OUT, running, Ending.TIMED_OUT)
            if self._is_stuck():
                return self._boot(Stop.STUCK, running, Ending.TIMED_OUT)

    def _look(self, running: RunningMachine) -> None:
        progress = self._progress
        progress.seconds = time.monotonic() - self._started
        text = serial.read(self._log)
        if text != progress.console:
            self._spoke = progress.seconds
        progress.console = text
        growth = allocated_bytes(self._disk) - self._before
        if growth > self._grew:
            self._spoke = progress.seconds
        self._grew = max(self._grew, growth)
        phase = phase_of(text, growth if self._plan.stage in _INSTALLS else 0, progress.phase)
        with suppress(ForgeError, OSError):
            self._picture = running.screenshot()
        if phase is not progress.phase:
            progress.marks.append((phase, progress.seconds))
            progress.phase = phase
            self._keep_picture(phase.name.lower().replace("_", "-"))
        if self._page:
            self._page.show(f"{SENTENCES[self._plan.stage]}.", serial.last_lines(text, 200), self._picture)

    def _is_stuck(self) -> bool:
        if self._progress.seconds - self._spoke < _SILENCE_AFTER_AN_ERROR:
            return False
        patterns = [pattern for cause, pattern in SAID_ON_CONSOLE if cause in _FINAL]
        return any(pattern.search(self._progress.console) for pattern in [*patterns, _OURS])

    def _finish(self, running: RunningMachine) -> None:
        if self._plan.finish is not Finish.BUTTON:
            return
        # A guest that ignores the button loses its power when the block ends.
        with suppress(ForgeError):
            running.qmp.execute("system_powerdown")
            deadline = time.monotonic() + _POWER_OFF_PATIENCE[self.machine.accelerator]
            while running.follow(self._plan.tick).ending is None:
                if time.monotonic() > deadline:
                    return
            running.wait_for_exit(30)

    def _keep_picture(self, name: str) -> None:
        if self._picture:
            self._screens[f"{self._plan.stage.value}-{name}.png"] = self._picture

    def _boot(self, stop: Stop, running: RunningMachine, ending: Ending | None) -> Boot:
        self._keep_picture("end")
        for name, picture in self._screens.items():
            with suppress(OSError):
                (self._plan.directory / name).write_bytes(picture)
        progress = self._progress
        sentence = ""
        if ending is not None and stop not in (Stop.RESTARTED, Stop.POWERED_OFF):
            sentence = self._diagnosis(running, ending)
        return Boot(
            self._plan.stage,
            stop,
            progress.seconds,
            tuple(progress.marks),
            progress.console,
            tuple(self._screens),
            # An overlay grows by its own tables too; whether anything was written to it is checked elsewhere.
            written=0 if self._plan.stage is Stage.INTERACTIVE else self._grew,
            diagnosis=sentence,
        )

    def _diagnosis(self, running: RunningMachine, ending: Ending) -> str:
        ours = _OURS.search(self._progress.console)
        if ours:
            return " ".join(ours[0].replace("esxforge:", " ").split())
        found = diagnose(
            FailureEvidence(
                ending,
                serial=self._progress.console,
                qemu_output=running.output,
                exit_status=running.exit_status,
                phase=self._progress.phase,
                accelerated=self.machine.accelerator is Accelerator.KVM,
                recent_growth=self._progress.seconds - self._spoke < _SILENCE_AFTER_AN_ERROR,
            )
        )
        return found.sentence


def _with_log(machine: Machine, log: Path) -> Machine:
    return replace(machine, serial=SerialToFile(log), restart_allowed=False)

"""Match a failed machine to one of the known causes. Pure: evidence in, cause out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from esxforge.vm.causes import (
    BEFORE_THE_KERNEL,
    DIAGNOSES,
    ERROR_BOX,
    KERNEL_LOG_LINE,
    PASSING_IN_KERNEL_LOG,
    PROMPT,
    SAID_BY_QEMU,
    SAID_ON_CONSOLE,
    WAITS_FOR_A_KEY,
    Cause,
    Diagnosis,
)
from esxforge.vm.phases import Phase, phase_of


class Ending(str, Enum):
    """How a machine's run ended."""

    POWERED_OFF = "powered off"
    RESTARTED = "restarted instead of powering off"
    RESTART_LOOP = "restarted again and again"
    TIMED_OUT = "did not power off in time"
    ASKED = "stopped at an error box of the installer"
    STALLED = "said and wrote nothing for too long"
    PAUSED = "was stopped by QEMU"
    NO_SPACE = "ran out of disk space on this computer"
    PANICKED = "reported a crash"
    DIED = "lost its QEMU process"
    QUIT = "was ended from its console"


_BY_ENDING = {
    Ending.POWERED_OFF: Cause.SWITCHED_ITSELF_OFF,
    Ending.PANICKED: Cause.CRASHED,
    Ending.RESTARTED: Cause.RESTART_LOOP,
    Ending.RESTART_LOOP: Cause.RESTART_LOOP,
    Ending.ASKED: Cause.STUCK_AT_PROMPT,
}


@dataclass(frozen=True, slots=True)
class FailureEvidence:
    """Evidence of a failed run. ``exit_status``: of QEMU, negative for a signal, None if it still ran."""

    ending: Ending
    serial: str = ""
    qemu_output: str = ""
    exit_status: int | None = None
    phase: Phase = Phase.FIRMWARE
    accelerated: bool = True
    recent_growth: bool = False


def error_box(serial: str) -> str:
    """Return the text of the error box at which the installer waits for a key; empty if it does not."""
    found = ERROR_BOX.search(serial)
    if found is None or not WAITS_FOR_A_KEY.search(serial, found.end()):
        return ""
    start = serial.rfind("\n", 0, found.start()) + 1
    return "\n".join(line.strip() for line in serial[start:].splitlines() if line.strip())


def diagnose(evidence: FailureEvidence) -> Diagnosis:
    """Return the likeliest cause: by QEMU's messages first, then by the console's, then by how it ended."""
    return DIAGNOSES[_cause(evidence)]


def _cause(evidence: FailureEvidence) -> Cause:
    for cause, pattern in SAID_BY_QEMU:
        if pattern.search(evidence.qemu_output):
            return cause
    if evidence.ending is Ending.NO_SPACE:
        return Cause.HOST_DISK_FULL
    return _cause_on_console(evidence) or _cause_by_ending(evidence)


def _cause_on_console(evidence: FailureEvidence) -> Cause | None:
    without_log = KERNEL_LOG_LINE.sub("", evidence.serial)
    for cause, pattern in SAID_ON_CONSOLE:
        text = without_log if cause in PASSING_IN_KERNEL_LOG else evidence.serial
        said = list(pattern.finditer(text))
        if said and not (cause in BEFORE_THE_KERNEL and _went_on(evidence, text[said[-1].end() :])):
            return cause
    return None


def _went_on(evidence: FailureEvidence, rest: str) -> bool:
    """Return whether something started after the message of the firmware or the boot loader: by ``rest``, the later
    console output, or if that shows no start at all, by the disk's growth."""
    if phase_of(rest, 0) > Phase.FIRMWARE:
        return True
    return evidence.phase > Phase.BOOT_LOADER and phase_of(evidence.serial, 0) is Phase.FIRMWARE


def _cause_by_ending(evidence: FailureEvidence) -> Cause:
    match evidence.ending:
        case Ending.DIED | Ending.QUIT:
            # On SIGTERM and SIGINT QEMU ends normally, with status 0.
            refused = evidence.exit_status is not None and evidence.exit_status > 0
            return Cause.QEMU_REFUSED if refused else Cause.QEMU_KILLED
        case Ending.PAUSED:
            return Cause.KVM_BROKEN if evidence.accelerated else Cause.CRASHED
        case ending if ending in _BY_ENDING:
            return _BY_ENDING[ending]
        case _:
            # Only a prompt at the end is still waiting; earlier ones were answered, or timed out themselves.
            if PROMPT.search("\n".join(evidence.serial.rstrip().splitlines()[-12:])):
                return Cause.STUCK_AT_PROMPT
            return Cause.TOO_SLOW if evidence.recent_growth else Cause.SILENT

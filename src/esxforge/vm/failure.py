"""A failed machine, told so that a person can act: cause, command line, serial log, screenshot, kept directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esxforge.errors import ProcessError
from esxforge.vm.causes import Diagnosis
from esxforge.vm.diagnosis import FailureEvidence, error_box
from esxforge.vm.phases import SENTENCES
from esxforge.vm.serial import last_lines

_BOX_LINES = 20


@dataclass(frozen=True, slots=True)
class FailureReport:
    """All that is known. ``directory`` is kept; ``screenshot`` and ``serial_log`` are in it where there were any."""

    evidence: FailureEvidence
    diagnosis: Diagnosis
    command_line: str
    directory: Path
    seconds: float
    serial_log: Path | None = None
    screenshot: Path | None = None

    @property
    def text(self) -> str:
        """For a person, most useful first."""
        evidence = self.evidence
        status = "" if evidence.exit_status is None else f", QEMU's exit status {evidence.exit_status}"
        lines = [
            f"The virtual machine {evidence.ending.value} after {self.seconds:.0f} seconds{status}.",
            f"Most likely: {self.diagnosis.sentence}",
            f"It got as far as: {SENTENCES[evidence.phase]}.",
        ]
        box = error_box(evidence.serial)
        if box:
            lines += ["The installer says:", *_indented(last_lines(box, _BOX_LINES))]
        if evidence.qemu_output:
            lines += ["QEMU said:", *_indented(last_lines(evidence.qemu_output, 8))]
        if evidence.serial.strip():
            lines += ["The end of the serial log:", *_indented(last_lines(evidence.serial))]
        lines += ["Command line:", f"  {self.command_line}"]
        if self.screenshot:
            lines.append(f"Last screenshot: {self.screenshot}")
        if self.serial_log:
            lines.append(f"Serial log: {self.serial_log}")
        lines.append(f"Everything is kept in: {self.directory}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ending": self.evidence.ending.name.lower().replace("_", "-"),
            "cause": self.diagnosis.cause.value,
            "sentence": self.diagnosis.sentence,
            "hint": self.diagnosis.hint,
            "phase": self.evidence.phase.name.lower().replace("_", "-"),
            "exit_status": self.evidence.exit_status,
            "seconds": round(self.seconds, 1),
            "command_line": self.command_line,
            "directory": str(self.directory),
            "serial_log": str(self.serial_log) if self.serial_log else None,
            "screenshot": str(self.screenshot) if self.screenshot else None,
        }


class MachineFailedError(ProcessError):
    """A virtual machine did not do what it was started for. ``report`` holds everything."""

    def __init__(self, report: FailureReport) -> None:
        super().__init__(report.text, report.diagnosis.hint)
        self.report = report


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]

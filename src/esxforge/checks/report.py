"""One line of the check list, and the list as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class CheckStatus(str, Enum):
    """``MISSING`` means that it cannot work; ``ADVICE`` that it may, and what would be better."""

    OK = "ok"
    ADVICE = "advice"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Line:
    """What was looked at, what was found, what is needed, and how to fix it (empty where all is well)."""

    name: str
    found: str
    needed: str
    status: CheckStatus
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return {
            "name": self.name,
            "found": self.found,
            "needed": self.needed,
            "status": self.status.value,
            "fix": self.fix,
        }


def line(
    name: str, found: str, needed: str, fix: str, *, good: bool, otherwise: CheckStatus = CheckStatus.MISSING
) -> Line:
    """A line whose ``fix`` is only told where it is not ``good``."""
    return Line(name, found, needed, CheckStatus.OK if good else otherwise, "" if good else fix)


def missing(lines: Sequence[Line]) -> list[Line]:
    """The lines that stop us."""
    return [entry for entry in lines if entry.status is CheckStatus.MISSING]


def document(kind: str, lines: Sequence[Line]) -> dict[str, Any]:
    """The whole list for ``--json``."""
    return {"kind": kind, "ok": not missing(lines), "checks": [entry.as_dict() for entry in lines]}

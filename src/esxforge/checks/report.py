"""Lines of the check list, and the list itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class CheckStatus(str, Enum):
    """``MISSING`` means that it cannot work; ``ADVICE`` that it may, with a recommendation."""

    OK = "ok"
    ADVICE = "advice"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Line:
    """One check: its name, what was found, what is needed, and how to fix it (empty if all is well)."""

    name: str
    found: str
    needed: str
    status: CheckStatus
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the line for ``--json``."""
        return {
            "name": self.name,
            "found": self.found,
            "needed": self.needed,
            "status": self.status.value,
            "hint": self.hint,
        }


def line(
    name: str, found: str, needed: str, hint: str, *, good: bool, otherwise: CheckStatus = CheckStatus.MISSING
) -> Line:
    """Return a line whose ``hint`` is shown only if it is not ``good``."""
    return Line(name, found, needed, CheckStatus.OK if good else otherwise, "" if good else hint)


def missing(lines: Sequence[Line]) -> list[Line]:
    """Return the lines that prevent a build."""
    return [entry for entry in lines if entry.status is CheckStatus.MISSING]


def document(kind: str, lines: Sequence[Line]) -> dict[str, Any]:
    """Return the entire list for ``--json``."""
    return {"kind": kind, "ok": not missing(lines), "checks": [entry.as_dict() for entry in lines]}

"""What a check says of its claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class VerdictStatus(str, Enum):
    """``NOT_SEEN``: the moment came, and nothing showed it either way. ``NOT_REACHED``: the moment did not come."""

    SEEN = "seen"
    NOT_SEEN = "not seen"
    CONTRADICTED = "contradicted"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``evidence`` is a sentence. ``asked``: whether the run was to look at this at all; where not, no exit status
    comes of it."""

    status: VerdictStatus
    evidence: str
    asked: bool = True


def seen(evidence: str) -> Verdict:
    """It is so."""
    return Verdict(VerdictStatus.SEEN, evidence)


def not_seen(evidence: str) -> Verdict:
    """It was to be seen here, and was not; that does not yet prove the contrary."""
    return Verdict(VerdictStatus.NOT_SEEN, evidence)


def contradicted(evidence: str) -> Verdict:
    """It is otherwise."""
    return Verdict(VerdictStatus.CONTRADICTED, evidence)


def not_reached(evidence: str) -> Verdict:
    """The run did not get there."""
    return Verdict(VerdictStatus.NOT_REACHED, evidence)


def not_asked(evidence: str) -> Verdict:
    """Not a part of this run."""
    return Verdict(VerdictStatus.NOT_REACHED, evidence, asked=False)


def is_good(verdicts: Mapping[str, Verdict]) -> bool:
    """Return whether nothing was contradicted, and everything that was asked for was reached."""
    bad = (VerdictStatus.CONTRADICTED, VerdictStatus.NOT_REACHED)
    return not any(verdict.asked and verdict.status in bad for verdict in verdicts.values())

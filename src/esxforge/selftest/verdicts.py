"""Verdicts of checks on their claims."""

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
    """``evidence`` is a sentence. ``asked``: whether the run was to look at this at all; if not, it does not affect the
    exit status."""

    status: VerdictStatus
    evidence: str
    asked: bool = True


def seen(evidence: str) -> Verdict:
    """Return that the claim was seen to be true."""
    return Verdict(VerdictStatus.SEEN, evidence)


def not_seen(evidence: str) -> Verdict:
    """Return that the claim should have shown here, but did not; that does not yet prove the contrary."""
    return Verdict(VerdictStatus.NOT_SEEN, evidence)


def contradicted(evidence: str) -> Verdict:
    """Return that the claim is false."""
    return Verdict(VerdictStatus.CONTRADICTED, evidence)


def not_reached(evidence: str) -> Verdict:
    """Return that the run did not get there."""
    return Verdict(VerdictStatus.NOT_REACHED, evidence)


def not_asked(evidence: str) -> Verdict:
    """Return that the claim is not part of this run."""
    return Verdict(VerdictStatus.NOT_REACHED, evidence, asked=False)


def is_good(verdicts: Mapping[str, Verdict]) -> bool:
    """Return whether nothing was contradicted, and everything that was requested was reached."""
    bad = (VerdictStatus.CONTRADICTED, VerdictStatus.NOT_REACHED)
    return not any(verdict.asked and verdict.status in bad for verdict in verdicts.values())

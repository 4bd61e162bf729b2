"""How long each phase of a deployment or a self-test took, in one form for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PhaseTimes:
    """``starts`` pairs each phase with the seconds from the beginning to its start; ``end`` is None while it runs.

    A start before the one of the phase before it (another machine's clock) has no meaningful length.
    """

    starts: tuple[tuple[str, float], ...]
    end: float | None = None

    def lengths(self) -> list[tuple[str, float, float | None]]:
        """(phase, start, seconds); None where the seconds are not known."""
        ends: Sequence[float | None] = [*(start for _, start in self.starts[1:]), self.end]
        return [
            (name, start, None if end is None or end < start else end - start)
            for (name, start), end in zip(self.starts, ends, strict=False)
        ]

    def document(self) -> dict[str, Any]:
        """For JSON; seconds to a tenth."""
        return {
            "phases": [
                {"phase": name, "start": round(start, 1), "seconds": None if length is None else round(length, 1)}
                for name, start, length in self.lengths()
            ],
            "seconds": None if self.end is None else round(self.end, 1),
        }


def duration(seconds: float | None) -> str:
    """``4 min 05 s``, for people."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"

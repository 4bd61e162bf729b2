"""A clock that passes at once: sleeping moves it, nothing else does."""

from __future__ import annotations

from esxforge_target.runtime.clock import Clock

START = 1_790_000_000.0


class VirtualClock(Clock):
    """``wrong_by`` seconds are added to the wall clock; ``sleeps`` holds every pause that was asked for."""

    def __init__(self, wrong_by: float = 0.0) -> None:
        self.elapsed = 0.0
        self.wrong_by = wrong_by
        self.sleeps: list[float] = []

    def time(self) -> float:
        return START + self.elapsed + self.wrong_by

    def true_time(self) -> float:
        """What MAAS's clock says."""
        return START + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.elapsed += seconds

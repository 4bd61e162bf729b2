"""MAAS waits; the agent must have come to its end, or told MAAS, well before it gives up."""

from __future__ import annotations

from esxforge_target.agent import deadlines
from esxforge_target.agent.deadlines import LIMITS, MOST, Deadlines
from standin.maas_metadata import VirtualClock


def test_all_limits_together_are_at_most_fifteen_minutes() -> None:
    assert sum(seconds for _, seconds, _ in LIMITS) <= MOST == 15 * 60


def test_what_a_phase_does_not_use_is_left_to_those_after_it() -> None:
    clock = VirtualClock()
    ends = Deadlines(clock)
    clock.sleep(10)
    assert ends.left(deadlines.REACH) == 300 + 45 + 60 + 255 - 10
    clock.sleep(10_000)
    assert ends.left(deadlines.DEPLOYED) == 0


def test_the_ladder_fits_into_its_limit_even_after_the_longest_wait_for_hostd() -> None:
    (seconds,) = [seconds for phase, seconds, _ in LIMITS if phase == deadlines.REACH]
    assert seconds > deadlines.SILENCE + 2 * deadlines.FALLBACK

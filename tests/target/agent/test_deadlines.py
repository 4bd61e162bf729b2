"""MAAS waits; the agent must have come to its end, or told MAAS, well before it gives up."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge_target.agent import deadlines, work
from esxforge_target.agent.deadlines import LIMITS, MOST, Deadlines
from esxforge_target.plan.working import Trouble
from esxforge_target.runtime.commands import Result
from standin.maas_metadata import MachineStatus, VirtualClock
from standin.maas_metadata.clock import START
from target.agent.conftest import MakeSite
from target.agent.site import Away, Outage, Site, WatchedRunner
from target.agent.test_failures import with_vlan

WAIT = ["esxcli", "system", "version", "get"]


def slow_down(monkeypatch: pytest.MonkeyPatch, host: Site, late: float, seconds: float) -> None:
    """hostd answers after ``late`` seconds, and each command takes ``seconds``, or the time it is given."""
    run = WatchedRunner.run
    answered: list[bool] = []

    def slow(self: WatchedRunner, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        if arguments == WAIT and not answered:
            answered.append(True)
            host.clock.sleep(late)
        host.clock.sleep(min(seconds, timeout))
        if seconds > timeout:
            return Result(124, "", "not finished")
        return run(self, arguments, timeout, stdin)

    monkeypatch.setattr(WatchedRunner, "run", slow)


def told_at(host: Site) -> float:
    """When MAAS took the failure, in seconds after the start."""
    (failure,) = [one for one in host.maas.machine.events if one["name"] == "esxforge"]
    return float(failure["timestamp"]) - START


@pytest.mark.parametrize(("late", "seconds"), [(290.0, 3.0), (290.0, 6.0), (200.0, 6.0)])
def test_a_good_host_whose_hostd_comes_late_and_is_slow_is_deployed(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch, late: float, seconds: float
) -> None:
    host = site()
    slow_down(monkeypatch, host, late, seconds)
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED, host.log
    assert host.clock.elapsed < MOST


@pytest.mark.parametrize(("late", "seconds"), [(0.0, 4.0), (200.0, 4.0), (290.0, 2.0)])
def test_a_network_that_leads_nowhere_is_told_in_time_also_by_a_slow_host(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch, late: float, seconds: float
) -> None:
    host = site()
    with_vlan(host, 999)
    slow_down(monkeypatch, host, late, seconds)
    assert host.start() == 0
    assert host.status is MachineStatus.FAILED_DEPLOYMENT
    assert told_at(host) <= MOST


@pytest.mark.parametrize("seconds", [1.0, 5.0, 6.0])
def test_what_does_not_work_and_is_no_reason_to_fail_is_none_on_a_slow_host_either(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    host = site()
    monkeypatch.setattr(work, "not_working", lambda *_: [Trouble("eno2", False, "no link.")])
    slow_down(monkeypatch, host, 290.0, seconds)
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED, host.log
    assert "set, but not working: network eno2: no link." in host.log
    assert host.clock.elapsed < MOST


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_a_slow_host_that_is_not_as_asked_fails_with_the_difference_that_was_seen(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    host = site()
    monkeypatch.setattr(work, "network_differences", lambda *_: ["vmk0 has the MTU 1500, not 9000."])
    slow_down(monkeypatch, host, 290.0, seconds)
    host.start()
    assert host.status is MachineStatus.FAILED_DEPLOYMENT
    assert "FAILED: The host is not as MAAS asked: vmk0 has the MTU 1500, not 9000." in host.log
    assert told_at(host) <= MOST


def test_where_maas_comes_back_before_the_time_is_over_it_is_told(site: MakeSite) -> None:
    host = site()
    host.outages = [Outage(Away.MAAS, 0, MOST - 40)]
    assert host.start() == 0
    assert host.status is MachineStatus.FAILED_DEPLOYMENT
    assert told_at(host) <= MOST


def test_the_boot_bank_is_waited_for_as_long_as_hostd(site: MakeSite) -> None:
    host = site()
    cfg = host.bank / "boot.cfg"
    hidden = cfg.with_name("hidden")
    sleep = host.clock.sleep

    def pass_time(seconds: float) -> None:
        sleep(seconds)
        if host.clock.elapsed > 250 and hidden.exists():
            hidden.rename(cfg)

    cfg.rename(hidden)
    other = Path(host.fake.path("/altbootbank/boot.cfg"))
    other.unlink(missing_ok=True)
    host.clock.sleep = pass_time  # type: ignore[method-assign]
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED


def test_all_limits_together_are_at_most_fifteen_minutes() -> None:
    assert sum(seconds for _, seconds, _ in LIMITS) <= MOST == 15 * 60


def test_what_a_phase_does_not_use_is_left_to_those_after_it() -> None:
    clock = VirtualClock()
    ends = Deadlines(clock)
    clock.sleep(10)
    assert ends.left(deadlines.CONNECTIVITY) == 300 + 45 + 60 + 255 - 10
    clock.sleep(10_000)
    assert ends.left(deadlines.DEPLOYED) == 0


def test_the_ladder_fits_into_its_limit_even_after_the_longest_wait_for_hostd() -> None:
    (seconds,) = [seconds for phase, seconds, _ in LIMITS if phase == deadlines.CONNECTIVITY]
    assert seconds > deadlines.SILENCE + 2 * deadlines.FALLBACK

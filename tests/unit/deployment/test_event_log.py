"""MAAS's event log as it is: starts and failures only, late, out of order, in pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge.deployment.event_log import Event, EventLog, Ordered
from esxforge.deployment.phase_times import PhaseTimes, duration
from esxforge.deployment.progress import Outcome, Progress
from esxforge.maas.failures import TransientError
from standin.maas_region import Fault
from standin.maas_region.machines import DEPLOYED, DEPLOYING, FAILED_DEPLOYMENT, READY

from .site import Site


def ours(boot: int, count: int, phase: str = "network") -> Event:
    return Event(0, "DEBUG", "Node installation", "text", 0.0, "esxforge", phase, (boot, count))


def numbers(events: list[Event]) -> list[tuple[int, int] | None]:
    return [event.number for event in events]


def read(maas: Site, system_id: str, *, rewind: bool = True) -> list[Event]:
    with maas.client() as client:
        log = EventLog(client, system_id)
        if rewind:
            log.rewind()
        return log.new()


def test_only_the_last_deployment_is_read_however_long_the_log_is(maas: Site) -> None:
    machine = maas.machine().system_id
    nodes = maas.region.nodes
    for _ in range(2):
        nodes.log(machine, "(h2admin)", kind="User starting deployment")
        nodes.log(machine, "", level="INFO", kind="Deploying")
        for number in range(700):
            nodes.log(machine, f"'curtin' line {number}")
    found = read(maas, machine)
    assert [event.type for event in found[:2]] == ["User starting deployment", "Deploying"]
    assert len(found) == 702
    assert [event.id for event in found] == sorted(event.id for event in found)


def test_a_log_without_a_deployment_is_read_from_its_beginning(maas: Site) -> None:
    machine = maas.machine().system_id
    maas.region.nodes.log(machine, "'curtin' a")
    assert [event.text for event in read(maas, machine)] == ["a"]


def test_level_debug_is_asked_for_since_the_default_hides_most(maas: Site) -> None:
    machine = maas.machine().system_id
    maas.region.nodes.log(machine, "'esxforge' #1.01 network: sets up the network", level="DEBUG")
    (event,) = read(maas, machine)
    assert (event.origin, event.phase, event.number, event.text) == (
        "esxforge",
        "network",
        (1, 1),
        "sets up the network",
    )


@pytest.mark.parametrize(
    ("description", "parts"),
    [
        ("'curtin' configuring storage", ("curtin", "", None, "configuring storage")),
        ("'esxforge' #2.11 It failed.\n\nThe end", ("esxforge", "", (2, 11), "It failed.\n\nThe end")),
        ("'esxforge' without a number", ("esxforge", "", None, "without a number")),
        ("From 'Deploying' to 'Deployed'", ("", "", None, "From 'Deploying' to 'Deployed'")),
        ("'it's", ("", "", None, "'it's")),
        ("", ("", "", None, "")),
    ],
)
def test_texts_are_taken_apart(maas: Site, description: str, parts: tuple[object, ...]) -> None:
    machine = maas.machine().system_id
    maas.region.nodes.log(machine, description)
    (event,) = read(maas, machine)
    assert (event.origin, event.phase, event.number, event.text) == parts


def test_a_page_that_fails_loses_no_events(maas: Site) -> None:
    machine = maas.machine().system_id
    for number in range(700):
        maas.region.nodes.log(machine, f"'curtin' line {number}")
    with maas.client() as client:
        log = EventLog(client, machine)
        log.rewind()
        maas.region.faults = [Fault("GET", "busy", path="events/", at=1)]
        with pytest.raises(TransientError):
            log.new()
        assert len(log.new()) == 700
        assert not log.new()


@given(st.permutations([(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2)]), st.integers(1, 5))
def test_in_whatever_order_events_arrive_within_a_minute_ours_are_shown_in_theirs(
    arrival: list[tuple[int, int]], at_once: int
) -> None:
    ordered, shown = Ordered(), []
    for start in range(0, len(arrival), at_once):
        shown += ordered.take([ours(*number) for number in arrival[start : start + at_once]], now=0.0)
    shown += ordered.take([], now=100.0)
    assert sorted(map(str, numbers(shown))) == sorted(map(str, arrival)), "each once"
    boots = [number[0] for number in numbers(shown) if number]
    for boot in (1, 2):
        counts = [count for one, count in filter(None, numbers(shown)) if one == boot]
        late = boots.index(2) < len([one for one in boots if one == 1]) if 2 in boots else False
        assert counts == sorted(counts) or late


def test_an_event_that_never_comes_holds_the_others_for_a_while_only() -> None:
    ordered = Ordered(patience=70)
    assert numbers(ordered.take([ours(1, 1), ours(1, 3)], now=0)) == [(1, 1)]
    assert numbers(ordered.take([ours(1, 4)], now=30)) == []
    assert numbers(ordered.take([], now=71)) == [(1, 3), (1, 4)]
    assert numbers(ordered.take([ours(1, 2)], now=80)) == [(1, 2)], "late, but not lost"


def test_a_new_boot_does_not_wait_for_what_a_power_cut_took() -> None:
    ordered = Ordered()
    assert numbers(ordered.take([ours(1, 1), ours(2, 1), ours(2, 2)], now=0)) == [(1, 1), (2, 1), (2, 2)]


def test_what_still_waits_at_the_end_is_shown_in_order() -> None:
    ordered = Ordered()
    assert ordered.take([ours(1, 3), ours(1, 2)], now=0) == []
    assert numbers(ordered.rest()) == [(1, 2), (1, 3)]


def event(
    text: str, at: float | None, *, origin: str = "", phase: str = "", level: str = "DEBUG", kind: str = "t"
) -> Event:
    return Event(0, level, kind, text, at, origin, phase)


def test_phases_and_their_times_come_from_the_events() -> None:
    progress = Progress()
    for one in (
        event("", 100, kind="User starting deployment"),
        event("", 101, kind="Deploying"),
        event("curtin command install", 200, origin="curtin"),
        event("configuring storage", 210, origin="curtin"),
        event("reads the host", 1000, origin="esxforge", phase="inventory"),
        event("sets up", 1010, origin="esxforge", phase="network"),
        event("again", 1050, origin="esxforge", phase="inventory"),
    ):
        progress.take(one)
    document = progress.times(ended=True).document()
    assert [(one["phase"], one["start"], one["seconds"]) for one in document["phases"]] == [
        ("start", 0, 100),
        ("curtin", 100, 10),
        ("curtin partitioning", 110, 790),
        ("inventory", 900, 10),
        ("network", 910, 40),
    ]
    assert document["seconds"] == 950


def test_another_clock_gives_no_negative_times() -> None:
    times = PhaseTimes((("a", 0.0), ("b", -50.0)), 10.0)
    assert [length for _, _, length in times.lengths()] == [None, 60.0]
    assert (duration(None), duration(5.4), duration(245)) == ("?", "5 s", "4 min 05 s")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (DEPLOYING, Outcome.RUNNING),
        (DEPLOYED, Outcome.DEPLOYED),
        (FAILED_DEPLOYMENT, Outcome.FAILED),
        (READY, Outcome.ABORTED),
        (8, Outcome.ABORTED),
    ],
)
def test_the_outcome_is_the_machines_status(status: int, outcome: Outcome) -> None:
    assert Progress(status=status).outcome is outcome

"""MAAS's event log as the stand-in keeps it: what is stored, when, and what a query shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from esxforge.selftest.maas_machine import PREFIX, MaasMachine, MachineStatus


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 1_796_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def machine(clock: Clock) -> MaasMachine:
    return MaasMachine(clock)


def tell(machine: MaasMachine, kind: str, name: str, text: str = "text", **more: Any) -> None:
    message = {"event_type": kind, "origin": "esxforge", "name": name, "description": text, **more}
    authorization = f'OAuth oauth_token="{machine.token_key}"'
    path = f"{PREFIX}status/{machine.system_id}"
    assert machine.answer("POST", path, authorization, json.dumps(message).encode()).status == 204


def shown(machine: MaasMachine, **arguments: Any) -> list[tuple[str, str, str]]:
    return [(one["level"], one["type"], one["description"]) for one in machine.query_events(**arguments)["events"]]


def test_only_starts_and_failures_are_stored(machine: MaasMachine) -> None:
    tell(machine, "start", "esxforge/network", "begins")
    tell(machine, "finish", "esxforge/network", "went well", result="SUCCESS")
    tell(machine, "progress", "esxforge/network", "halfway")
    tell(machine, "finish", "esxforge/identity", "went wrong", result="FAIL")
    assert shown(machine, level="DEBUG") == [
        ("ERROR", "Node installation failure", "'esxforge' went wrong"),
        ("DEBUG", "Node installation", "'esxforge' begins"),
    ]


def test_a_query_shows_info_and_above_unless_asked_otherwise(machine: MaasMachine) -> None:
    tell(machine, "start", "esxforge/network")
    assert shown(machine) == []
    tell(machine, "start", "cmd-install/stage-curthooks", origin="curtin")
    assert shown(machine) == [("INFO", "Configuring OS", "")]
    with pytest.raises(ValueError, match="Unrecognised log level: debug"):
        machine.query_events(level="debug")


def test_events_wait_in_memory_and_a_failure_that_ends_all_is_listed_before_them(
    machine: MaasMachine, clock: Clock
) -> None:
    machine.events_wait = 60.0
    tell(machine, "start", "esxforge/network", "#1.01 begins")
    tell(machine, "finish", "esxforge", "#1.02 failed", result="FAIL")
    assert [text for _level, _type, text in shown(machine, level="DEBUG")] == [
        "From 'Deploying' to 'Failed deployment'",
        "Installation failed (refer to the installation log for more information).",
        "'esxforge' #1.02 failed",
    ]
    clock.now += 60
    level, kind, newest = shown(machine, level="DEBUG")[0]
    assert (level, kind, newest) == ("DEBUG", "Node status event", "'esxforge' #1.01 begins")


def test_what_waits_is_lost_when_the_region_restarts(machine: MaasMachine, clock: Clock) -> None:
    machine.events_wait = 60.0
    tell(machine, "start", "esxforge/network")
    machine.restart_region()
    clock.now += 120
    assert machine.event_log == []


@pytest.mark.parametrize(
    "now",
    [
        {"kind": "finish", "name": "cmd-install/stage-late", "origin": "curtin"},
        {"kind": "start", "name": "cmd-install", "origin": "curtin"},
        {"kind": "start", "name": "cmd-install/stage-extract"},
        {"kind": "start", "name": "esxforge/x", "files": [{"path": "log"}]},
        {"kind": "finish", "name": "esxforge"},
    ],
)
def test_some_events_do_not_wait(machine: MaasMachine, now: dict[str, Any]) -> None:
    machine.events_wait = 60.0
    machine.version, machine.node_timeout = (3, 5), 100.0
    tell(machine, now.pop("kind"), now.pop("name"), **now)
    assert machine._queue == []


def test_a_failure_after_deployed_is_an_error_of_its_own_type(machine: MaasMachine) -> None:
    machine.status = MachineStatus.DEPLOYED
    tell(machine, "finish", "esxforge/user-data", "went wrong", result="FAIL")
    assert shown(machine) == [("ERROR", "Node post-installation failure", "'esxforge' went wrong")]


@pytest.mark.parametrize("status", [MachineStatus.FAILED_DEPLOYMENT, MachineStatus.ABORTED])
def test_a_failure_that_maas_hears_after_it_gave_up_shows_at_debug_only(
    machine: MaasMachine, status: MachineStatus
) -> None:
    machine.status = status
    tell(machine, "finish", "esxforge", "went wrong", result="FAIL")
    assert shown(machine) == []
    assert shown(machine, level="DEBUG") == [("DEBUG", "Node status event", "'esxforge' went wrong")]
    assert machine.status is status


def test_pages_go_by_number_newest_first(machine: MaasMachine) -> None:
    for number in range(250):
        tell(machine, "start", "esxforge/x", str(number))

    def page(**arguments: Any) -> list[dict[str, Any]]:
        return list(machine.query_events(level="DEBUG", **arguments)["events"])

    newest = page()
    assert [one["description"] for one in newest[:2]] == ["'esxforge' 249", "'esxforge' 248"]
    assert len(newest) == 100
    before = page(before=newest[-1]["id"], limit=2)
    assert [one["description"] for one in before] == ["'esxforge' 149", "'esxforge' 148"]
    after = page(after=newest[0]["id"] - 2, limit=10)
    assert [one["description"] for one in after] == ["'esxforge' 249", "'esxforge' 248"]
    with pytest.raises(ValueError, match="greater than limit"):
        page(limit=1001)


@pytest.mark.parametrize(("version", "seconds"), [((3, 5), 100.0), ((3, 6), 200.0)])
def test_the_limit_is_node_timeout_and_twice_that_from_3_6_on(
    clock: Clock, version: tuple[int, int], seconds: float
) -> None:
    machine = MaasMachine(clock, version=version, node_timeout=100.0)
    clock.now += seconds - 1
    assert shown(machine) == []
    clock.now += 1
    ((level, kind, _text),) = shown(machine)
    assert (level, kind) == ("ERROR", "Marking node failed")
    assert machine.status is MachineStatus.FAILED_DEPLOYMENT

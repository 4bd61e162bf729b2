"""How QMP's events become the way a run ended."""

from __future__ import annotations

from typing import Any

import pytest

from esxforge.vm.diagnosis import Ending
from esxforge.vm.machine import MachineState, next_state


def _after(*events: dict[str, Any]) -> MachineState:
    state = MachineState()
    for event in events:
        state = next_state(state, event)
    return state


@pytest.mark.parametrize(
    ("event", "ending"),
    [
        ({"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-shutdown"}}, Ending.POWERED_OFF),
        ({"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}}, Ending.RESTARTED),
        ({"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-panic"}}, Ending.PANICKED),
        ({"event": "SHUTDOWN", "data": {"guest": False, "reason": "host-signal"}}, Ending.DIED),
        ({"event": "SHUTDOWN", "data": {"guest": False, "reason": "host-ui"}}, Ending.DIED),
        ({"event": "SHUTDOWN", "data": {"guest": False, "reason": "host-error"}}, Ending.DIED),
        ({"event": "SHUTDOWN", "data": {"guest": False, "reason": "host-qmp-quit"}}, Ending.QUIT),
        ({"event": "SHUTDOWN", "data": {}}, Ending.DIED),
        ({"event": "GUEST_PANICKED", "data": {"action": "pause"}}, Ending.PANICKED),
        ({"event": "BLOCK_IO_ERROR", "data": {"nospace": True, "reason": "x"}}, Ending.NO_SPACE),
        ({"event": "BLOCK_IO_ERROR", "data": {"reason": "No space left on device"}}, Ending.NO_SPACE),
        ({"event": "STOP"}, Ending.PAUSED),
        ({"event": "RESUME"}, None),
        ({"event": "NIC_RX_FILTER_CHANGED", "data": {}}, None),
        ({}, None),
    ],
)
def test_each_event_has_its_meaning(event: dict[str, Any], ending: Ending | None) -> None:
    assert _after(event).ending is ending


def test_a_stop_for_want_of_space_is_told_as_that() -> None:
    no_space = {"event": "BLOCK_IO_ERROR", "data": {"nospace": True}}
    for order in ((no_space, {"event": "STOP"}), ({"event": "STOP"}, no_space)):
        assert _after(*order).ending is Ending.NO_SPACE


def test_restarts_of_the_guest_are_counted_and_those_from_outside_are_not() -> None:
    guest, host = {"event": "RESET", "data": {"guest": True}}, {"event": "RESET", "data": {"guest": False}}
    assert _after(guest, host, guest) == MachineState(None, 2)


def test_an_ending_is_not_taken_back_by_the_shutdown_that_follows() -> None:
    panic, off = {"event": "GUEST_PANICKED"}, {"event": "SHUTDOWN", "data": {"reason": "guest-panic"}}
    assert _after(panic, off).ending is Ending.PANICKED

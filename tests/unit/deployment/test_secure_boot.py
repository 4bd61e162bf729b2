"""Which outcome a deployment with Secure Boot on looks like."""

from __future__ import annotations

import pytest

from esxforge.deployment.event_log import Event
from esxforge.deployment.secure_boot import secure_boot_outcome
from esxforge_target.contract.secure_boot_steps import INSTALLED, INSTALLER_RUNS, PHASE, TRIED

LOG = ["the image is on sda (140 GB)", f"note: {TRIED}", "this host is prepared: it is set up at the next boot"]


def event(text: str, origin: str = "esxforge") -> Event:
    """An event as MAAS lists it; our own have number and phase before the text."""
    if origin != "esxforge":
        return Event(1, "DEBUG", "x", text, None, origin)
    number, phase, said = text.split(" ", 2)
    boot, count = number.lstrip("#").split(".")
    return Event(1, "DEBUG", "x", said, None, origin, phase.rstrip(":"), (int(boot), int(count)))


@pytest.mark.parametrize(
    ("events", "log", "sentence"),
    [
        ([], LOG, "Nothing was heard after the hook"),
        ([event(INSTALLER_RUNS)], LOG, "VMware's installer started"),
        ([event(INSTALLER_RUNS)], [], "VMware's installer started"),
        ([event(INSTALLER_RUNS), event(INSTALLED)], LOG, "If the host answers at its address, ESXi is installed"),
        ([event(INSTALLED)], LOG, "Else look at its screen: the kernel stopped."),
    ],
)
def test_each_outcome_has_its_sentence_and_says_what_is_left(
    events: list[Event], log: list[str], sentence: str
) -> None:
    said = secure_boot_outcome(events, log)
    assert sentence in said
    assert "do not use the host until both are gone" in said


@pytest.mark.parametrize(
    ("events", "log"),
    [
        ([], []),
        ([], ["this host is prepared: it is set up at the next boot"]),
        ([event(INSTALLER_RUNS), event(INSTALLED), event("#1.01 inventory: ESXi runs")], LOG),
        ([event("Secure Boot", origin="curtin")], []),
    ],
)
def test_nothing_is_said_where_it_was_not_tried_or_the_agent_spoke(events: list[Event], log: list[str]) -> None:
    assert secure_boot_outcome(events, log) == ""


def test_the_installers_events_are_read_back_as_they_are_sent() -> None:
    assert event(INSTALLER_RUNS).phase == event(INSTALLED).phase == PHASE
    assert event(INSTALLER_RUNS).number == (0, 1)
    assert event(INSTALLED).number == (0, 2)

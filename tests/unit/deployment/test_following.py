"""How a followed deployment looks on a terminal."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from esxforge.cli.following import display
from esxforge.deployment.event_log import Event
from esxforge.deployment.follow import Ended, Happened, Silent
from esxforge.deployment.progress import Outcome, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal for the block: pytest puts its own stdout back between fixture and test."""
    found = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", found)
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "60")
        patch.delenv("NO_COLOR", raising=False)
        yield found


def happened(machine: str, phase: str, text: str) -> Happened:
    return Happened(machine, Event(1, "DEBUG", "t", text, 0.0, "esxforge", phase, (1, 1)), phase)


def test_each_machine_has_a_line_that_is_kept_up_to_date_and_events_scroll_above(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with terminal(monkeypatch) as shown, display(["esx01.maas", "esx02.maas"], as_json=False) as show:
        show(happened("esx01.maas", "network", "sets up the network"))
        show(Silent("esx01.maas", 0.1, "No connection."))
        show(Ended("esx02.maas", Outcome.FAILED, "Failed deployment", Progress(), reason="the reason"))
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    assert "00:00:00  esx01.maas  network: sets up the network" in plain
    assert "esx01.maas: MAAS does not answer: No connection. Trying on." in plain
    assert "esx02.maas: Reason: the reason" in plain
    last = plain[plain.rindex("in all") - 300 :]
    assert re.search(r"esx01\.maas\s+network\s+0 s", last)
    assert re.search(r"esx02\.maas\s+failed", last)


def test_text_of_events_is_no_markup_and_drives_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as shown, display(["a"], as_json=False) as show:
        show(happened("a", "network", "[red]x[/red] \x1b]0;title\x07"))
    assert "[red]x[/red]" in shown.getvalue()
    assert "\x1b]0" not in shown.getvalue()
    assert "\x07" not in shown.getvalue()

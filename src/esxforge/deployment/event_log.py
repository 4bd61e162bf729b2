"""MAAS's event log of a machine: what it lists, and the order in which things happened.

Sources: canonical/maas 3.7.3, ``api/events.py`` (at most 1000 a request, newest first; the default level INFO hides
most), ``metadataserver/api_twisted.py`` (only starts and failures are stored, most of them up to a minute later, in
order of arrival). The API shows an event's text, not its name; ours begin with a number, ``#boot.count``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from pydantic import TypeAdapter

from esxforge.maas.checked import CheckedAnswer, checked
from esxforge.maas.client import Client

_PAGE = 500
_MOST_PAGES = 20
_CREATED = "%a, %d %b. %Y %H:%M:%S"
_SAID = re.compile(r"\A'([^']{1,40})' (.*)\Z", re.DOTALL)
_NUMBERED = re.compile(r"\A#(\d{1,6})\.(\d{1,6}) (?:([a-z][a-z-]{0,30}): )?(.*)\Z", re.DOTALL)
# The type of the event with which a deployment begins.
BEGINS = ("Deploying", "User starting deployment")
LOG_MARK = "\n\nThe end of the host's log:\n"


class _Listed(CheckedAnswer):
    id: int
    level: str
    created: str
    type: str
    description: str | None


class _Page(CheckedAnswer):
    events: list[_Listed]


@dataclass(frozen=True)
class Event:
    """``at`` is in seconds since 1970 by the clock of who sent it, None where MAAS's text is not a time.

    ``origin`` is curtin, esxforge or another program, empty where MAAS itself speaks; ``phase`` and ``number`` (boot,
    count) are those of esxforge's own events.
    """

    id: int
    level: str
    type: str
    text: str
    at: float | None
    origin: str = ""
    phase: str = ""
    number: tuple[int, int] | None = None

    @property
    def is_error(self) -> bool:
        """True for a failure."""
        return self.level in ("ERROR", "CRITICAL")


def _event(listed: _Listed) -> Event:
    text = listed.description or ""
    origin, phase, number = "", "", None
    said = _SAID.match(text)
    if said is not None:
        origin, text = said[1], said[2]
        numbered = _NUMBERED.match(text) if origin == "esxforge" else None
        if numbered is not None:
            number = (int(numbered[1]), int(numbered[2]))
            phase, text = numbered[3] or "", numbered[4]
    return Event(listed.id, listed.level, listed.type, text, _time(listed.created), origin, phase, number)


def _time(text: str) -> float | None:
    try:
        return datetime.strptime(text, _CREATED).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


class EventLog:
    """Reads the events of one machine that came after those read before."""

    def __init__(self, client: Client, system_id: str) -> None:
        self._client = client
        self._system_id = system_id
        self._after: int | None = None

    def skip(self) -> None:
        """Skip the events that are in the log by now."""
        newest = self._ask(limit="1")
        self._after = max((event.id for event in newest), default=0)

    def rewind(self) -> None:
        """Read from the beginning of the machine's last deployment."""
        before: int | None = None
        for _ in range(_MOST_PAGES):
            page = self._ask(limit=str(_PAGE), **({} if before is None else {"before": str(before)}))
            begun = [event.id for event in page if event.type in BEGINS]
            if begun:
                self._after = _first_of_last(begun) - 1
                return
            if len(page) < _PAGE:  # the log begins here
                before = None
                break
            before = min(event.id for event in page)
        self._after = 0 if before is None else before - 1

    def new(self) -> list[Event]:
        """The events since the last call, in order of arrival. Where a page fails, none of them counts as read."""
        if self._after is None:
            self.skip()
        after, found = self._after or 0, list[Event]()
        while True:
            page = self._ask(limit=str(_PAGE), after=str(after))
            found += sorted(page, key=lambda event: event.id)
            after = max((event.id for event in page), default=after)
            if len(page) < _PAGE:
                self._after = after
                return found

    def _ask(self, **query: str) -> list[Event]:
        query = {"op": "query", "id": self._system_id, "level": "DEBUG", **query}
        answer = self._client.json("GET", "events/", query=query)
        return [_event(one) for one in checked(TypeAdapter(_Page), answer, "events").events]


def _first_of_last(begun: list[int]) -> int:
    """One deployment begins with two events next to one another; of the last one the first."""
    ordered = sorted(begun)
    first = ordered[-1]
    for identifier in reversed(ordered[:-1]):
        if first - identifier > 3:  # what else MAAS logs between the two
            break
        first = identifier
    return first


class Ordered:
    """Puts our own events in their order: one that overtook another waits for it, up to ``patience`` seconds.

    MAAS hands on some events at once and others up to a minute later. Some never come: they were lost when MAAS
    restarted, or with the host's power.
    """

    def __init__(self, patience: float = 70.0) -> None:
        self._patience = patience
        self._last = (0, 0)
        self._waiting: dict[tuple[int, int], tuple[Event, float]] = {}

    def take(self, events: list[Event], now: float) -> list[Event]:
        """Add what arrived; what can be shown by now (``now`` in seconds by any clock)."""
        shown = []
        for event in events:
            if event.number is None:
                shown.append(event)
            elif event.number > self._last:
                self._waiting.setdefault(event.number, (event, now))
            else:
                shown.append(event)  # too late for its place
        return shown + self._ready(now)

    def rest(self) -> list[Event]:
        """All that still waits, in order."""
        found = [self._waiting[number][0] for number in sorted(self._waiting)]
        self._waiting.clear()
        return found

    def _ready(self, now: float) -> list[Event]:
        shown = []
        for number in sorted(self._waiting):
            event, since = self._waiting[number]
            boot, count = self._last
            is_next = number == (boot, count + 1) or (number[0] > boot and number[1] == 1)
            if not is_next and now - since < self._patience:
                break
            shown.append(event)
            self._last = number
            del self._waiting[number]
        return shown

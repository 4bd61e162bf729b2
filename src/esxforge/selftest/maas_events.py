"""MAAS's event log of one machine: which events it stores, and what a query shows of them.

Source: canonical/maas 3.2 to 3.8, ``src/metadataserver/api_twisted.py`` (what is stored, and when), ``api.py``
(``add_event_to_node_event_log``: under which type), ``src/maascommon/events.py`` (levels) and
``src/maasserver/api/events.py`` (the query).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
DEFAULT_LEVEL = "INFO"
_LIMIT = 100
_MOST = 1000
_CREATED = "%a, %d %b. %Y %H:%M:%S"

FAILURES = ("FAIL", "FAILURE")
# A start of one of these names makes a line of its own, whoever sends it.
_STATUS_LINES = {
    "cmd-install/stage-partitioning": "Configuring storage",
    "cmd-install/stage-extract": "Installing OS",
    "cmd-install/stage-curthooks": "Configuring OS",
}
# These restart the time limit of MAAS up to 3.5.
RESTARTS = ("cmd-install", "cmd-install/stage-early", "cmd-install/stage-late")


def failed(message: Mapping[str, Any]) -> bool:
    """Return whether an event reports a failure."""
    return message.get("result") in FAILURES


def is_top_level(message: Mapping[str, Any]) -> bool:
    """Return whether MAAS may change the machine's status at this event's end."""
    return "/" not in message["name"]


def is_stored(message: Mapping[str, Any]) -> bool:
    """Return whether MAAS stores an event: starts and failures are; a finish with SUCCESS is not."""
    return message["event_type"] == "start" or failed(message)


def restarts_limit(message: Mapping[str, Any]) -> bool:
    """Return whether this is one of curtin's events at which MAAS restarts ``node_timeout``."""
    return (
        message["origin"] == "curtin" and message["event_type"] in ("start", "finish") and message["name"] in RESTARTS
    )


def is_handled_at_once(message: Mapping[str, Any]) -> bool:
    """Return whether an event is handled when it arrives; all others wait for the next minute, in memory."""
    curtin = message["origin"] == "curtin"
    starts = message["event_type"] == "start"
    return (
        (is_top_level(message) and message["event_type"] == "finish")
        or (curtin and starts and message["name"] == "cmd-install")
        or (restarts_limit(message) and not is_top_level(message))
        or (starts and message["name"] in _STATUS_LINES)
        or bool(message.get("files"))
    )


@dataclass(frozen=True)
class StoredEvent:
    """One line. ``created`` in seconds since 1970; ``action`` is the event's name, which no query shows."""

    id: int
    level: str
    type: str
    description: str
    created: float
    action: str = ""


@dataclass
class EventLog:
    """The lines in the order in which they were stored."""

    lines: list[StoredEvent] = field(default_factory=list)

    def add(self, level: str, kind: str, description: str, created: float, action: str = "") -> None:
        """Store a line."""
        self.lines.append(StoredEvent(1000 + len(self.lines), level, kind, description, created, action))

    def take(self, message: Mapping[str, Any], status: str, now: float) -> None:
        """Store what MAAS stores of an event that it receives while the machine has ``status``."""
        if not is_stored(message):
            return
        name, created = message["name"], float(message.get("timestamp", now))
        level, kind = "DEBUG", "Node status event"
        if status == "Deploying":
            good = message.get("result") in ("SUCCESS", None)
            level, kind = ("DEBUG", "Node installation") if good else ("ERROR", "Node installation failure")
        elif status == "Deployed" and message.get("result") == "FAIL":
            level, kind = "ERROR", "Node post-installation failure"
        if name in _STATUS_LINES and message["event_type"] == "start":
            self.add("INFO", _STATUS_LINES[name], "", created, name)
        self.add(level, kind, f"'{message['origin']}' {message['description']}", created, name)

    def query(
        self,
        *,
        level: str = DEFAULT_LEVEL,
        limit: int = _LIMIT,
        after: int | None = None,
        before: int | None = None,
        system_id: str = "",
        hostname: str = "",
    ) -> dict[str, Any]:
        """Return the answer to ``GET events/?op=query``, newest first. Raises ValueError with MAAS's text for a 400."""
        if level not in LEVELS:
            raise ValueError(f"Unrecognised log level: {level}")
        if limit > _MOST:
            raise ValueError(f"Requested number of events {limit} is greater than limit: {_MOST}")
        if after is not None and before is not None:
            raise ValueError("There is undetermined behaviour when both `after` and `before` are specified.")
        shown = [line for line in self.lines if LEVELS[line.level] >= LEVELS[level]]
        count = max(limit, 1)
        if after is not None:
            shown = [line for line in shown if line.id > after][:count]
        elif before is not None:
            shown = [line for line in shown if line.id < before][-count:]
        else:
            shown = shown[-count:]
        events = [
            {
                "username": "",
                "node": system_id,
                "hostname": hostname,
                "id": line.id,
                "level": line.level,
                "created": time.strftime(_CREATED, time.gmtime(line.created)),
                "type": line.type,
                "description": line.description,
            }
            for line in reversed(shown)
        ]
        return {"count": len(events), "events": events}

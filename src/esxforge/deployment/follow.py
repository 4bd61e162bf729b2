"""Follow deployments until each has ended. MAAS is only read: leaving does nothing to them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import ConfigDict, TypeAdapter

from esxforge.deployment.answers import DEPLOYING, HAS_CONFIGURATION
from esxforge.deployment.event_log import Event, EventLog, Ordered
from esxforge.deployment.find import not_yours
from esxforge.deployment.progress import Outcome, Progress
from esxforge.deployment.secure_boot import secure_boot_outcome
from esxforge.errors import MaasError
from esxforge.maas.checked import CheckedAnswer, checked
from esxforge.maas.client import Client
from esxforge.maas.failures import RefusedError, TransientError

POLL = 5.0
# MAAS keeps most events for up to 60 seconds before they are in its log.
LAST_EVENTS = 65.0
LONGEST_SILENCE = 1800.0
_MARK = "esxforge: "
_LOG_LINES = 20
_LARGEST_LOG = 32 << 20


class _Machine(CheckedAnswer):
    system_id: str
    fqdn: str
    status: int
    status_name: str
    ip_addresses: list[str] | None = None
    osystem: str = ""


class _Result(CheckedAnswer):
    model_config = ConfigDict(str_max_length=_LARGEST_LOG)

    name: str
    output: str | None = None


class _Results(CheckedAnswer):
    results: list[_Result]


@dataclass(frozen=True)
class Happened:
    """An event; ``phase`` is set where a phase begins with it."""

    machine: str
    event: Event
    phase: str | None


@dataclass(frozen=True)
class Silent:
    """MAAS does not answer about the machine, since ``seconds``; 0: it does again."""

    machine: str
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Ended:
    """One deployment ended, or cannot be followed any more (UNKNOWN).

    ``addresses`` are the host's; ``reason`` and ``log`` say why it failed, or is not known.
    """

    machine: str
    outcome: Outcome
    status_name: str
    progress: Progress
    addresses: tuple[str, ...] = ()
    reason: str = ""
    log: str = ""


Update: TypeAlias = Happened | Silent | Ended
Listener: TypeAlias = Callable[[Update], None]


@dataclass
class Followed:
    """A machine that is followed. ``doubt``: it is not known that its deployment began. ``lost``: why it is given up.

    ``silent_since`` is in seconds by the follower's clock.
    """

    system_id: str
    fqdn: str
    log: EventLog
    ordered: Ordered = field(default_factory=Ordered)
    progress: Progress = field(default_factory=Progress)
    status_name: str = ""
    addresses: tuple[str, ...] = ()
    ended_at: float | None = None
    silent_since: float | None = None
    doubt: MaasError | None = None
    lost: MaasError | None = None
    done: bool = False


def join(client: Client, system_id: str) -> Followed:
    """A machine whose deployment runs, or has ended. Raises MaasError for one that is not being deployed."""
    machine = _read(client, system_id)
    if machine.status not in HAS_CONFIGURATION:
        raise MaasError(
            f"{machine.fqdn} ({system_id}) is “{machine.status_name}”: it is not being deployed.",
            f"Start with: esxforge deploy {machine.fqdn}",
        )
    log = EventLog(client, system_id)
    client.patiently(log.rewind)
    return Followed(system_id, machine.fqdn, log)


class Follower:
    """Asks MAAS every ``POLL`` seconds. ``clock`` is in seconds, by any beginning."""

    def __init__(
        self, client: Client, clock: Callable[[], float], listener: Listener, last_events: float = LAST_EVENTS
    ) -> None:
        self._client = client
        self._clock = clock
        self._listener = listener
        self._last_events = last_events

    def follow(self, machines: Sequence[Followed]) -> list[Ended]:
        """Until all have ended. One that MAAS hides or loses, or of which it stays silent, ends alone, as UNKNOWN."""
        ends: list[Ended] = []
        while True:
            ends += [self._end(one) for one in machines if not one.done and self._look(one)]
            if len(ends) == len(machines):
                return ends
            self._client.wait(POLL)

    def _look(self, machine: Followed) -> bool:
        """Ask once; whether this machine's deployment is over and all its events are here."""
        try:
            found = _read(self._client, machine.system_id)
            events = machine.log.new()
        except MaasError as error:
            restarts = isinstance(error, RefusedError) and error.status >= 500
            machine.lost = self._silence(error, machine) if restarts or isinstance(error, TransientError) else error
            return machine.lost is not None
        if machine.silent_since is not None:
            machine.silent_since = None
            self._listener(Silent(machine.fqdn, 0.0))
        now = self._clock()
        self._show(machine, machine.ordered.take(events, now))
        machine.progress.status = found.status
        machine.status_name = found.status_name
        machine.addresses = tuple(found.ip_addresses or ())
        if found.status in HAS_CONFIGURATION:
            machine.doubt = None
        if found.status == DEPLOYING:
            machine.ended_at = None
            return False
        if machine.ended_at is None:
            machine.ended_at = now
        return now - machine.ended_at >= self._last_events

    def _show(self, machine: Followed, events: Sequence[Event]) -> None:
        for event in events:
            self._listener(Happened(machine.fqdn, event, machine.progress.take(event)))

    def _silence(self, error: MaasError, machine: Followed) -> MaasError | None:
        """Note that MAAS did not answer about the machine; the error that ends following it after half an hour."""
        now = self._clock()
        if machine.silent_since is None:
            machine.silent_since = now
            self._listener(Silent(machine.fqdn, 0.1, error.message))
            return None
        silent = now - machine.silent_since
        if silent < LONGEST_SILENCE:
            return None
        return MaasError(
            f"MAAS has not answered for {silent / 60:.0f} minutes: {error.message}",
            f"The deployment goes on without esxforge. Once MAAS answers: esxforge follow {machine.fqdn}",
        )

    def _end(self, machine: Followed) -> Ended:
        self._show(machine, machine.ordered.rest())
        machine.done = True
        progress = machine.progress
        outcome, unknown = progress.outcome, machine.lost or machine.doubt
        reason, log = progress.reason() if outcome is not Outcome.DEPLOYED else ("", "")
        if unknown is not None:
            outcome, reason, log = Outcome.UNKNOWN, f"{unknown.message} {unknown.hint}".strip(), ""
        if outcome in (Outcome.FAILED, Outcome.ABORTED):
            lines = _log_lines(self._client, machine.system_id)
            reason = f"{reason} {secure_boot_outcome(progress.events, lines)}".strip()
            if outcome is Outcome.FAILED and not log:
                log = "\n".join(lines[-_LOG_LINES:])
        ended = Ended(machine.fqdn, outcome, machine.status_name, progress, machine.addresses, reason, log)
        self._listener(ended)
        return ended


def _read(client: Client, system_id: str) -> _Machine:
    try:
        answer = client.json("GET", f"machines/{system_id}/")
    except RefusedError as error:
        if error.status == 403:
            raise not_yours(system_id) from None
        if error.status == 404:
            raise MaasError(
                f"MAAS has no machine {system_id} any more.", "Somebody deleted it: look into MAAS."
            ) from None
        raise
    return checked(TypeAdapter(_Machine), answer, "machine")


def _log_lines(client: Client, system_id: str) -> list[str]:
    """Of curtin's log our own lines, or else all. Empty where MAAS has none or does not tell."""
    path = f"nodes/{system_id}/results/current-installation/"
    try:
        answer = client.patiently(lambda: client.json("GET", path, query={"include_output": "1"}))
        results = checked(TypeAdapter(_Results), answer, "results").results
    except MaasError:
        return []
    texts = [_decoded(one.output) for one in results if one.name.endswith("install.log") and one.output]
    lines = texts[0].splitlines() if texts else []
    ours = [line.strip().removeprefix(_MARK) for line in lines if line.strip().startswith(_MARK)]
    return list(dict.fromkeys(ours)) or lines


def _decoded(output: str) -> str:
    try:
        return base64.b64decode(output, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""

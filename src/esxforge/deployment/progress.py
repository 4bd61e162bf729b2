"""How far a deployment is, from MAAS's event log: a pure function of events and of the machine's status."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from esxforge.deployment.answers import DEPLOYED, DEPLOYING, FAILED_DEPLOYMENT
from esxforge.deployment.event_log import BEGINS, LOG_MARK, Event
from esxforge.deployment.phase_times import PhaseTimes

# curtin 23.1.1, curtin/commands/install.py: MAAS tells the text of a stage, not its name.
_CURTIN = {
    "curtin command install": "curtin",
    "preparing for installation": "curtin early",
    "configuring storage": "curtin partitioning",
    "configuring network": "curtin network",
    "writing install sources to disk": "curtin extract",
    "configuring installed system": "curtin curthooks",
    "finalizing installation": "curtin hook",
    "executing late commands": "curtin late",
}
_OF_MAAS = {
    **dict.fromkeys(BEGINS, "start"),
    "Performing PXE boot": "network boot",
    "Loading ephemeral": "system from the network",
}
_ABORTS = ("User aborting deployment", "Aborted deployment", "User releasing node", "User marking node broken")
_SENTENCES = {
    "start": "MAAS starts the machine",
    "network boot": "it boots from the network",
    "system from the network": "it loads MAAS's system",
    "curtin": "curtin runs",
    "curtin early": "curtin prepares",
    "curtin partitioning": "curtin clears the disks and writes the image",
    "curtin network": "curtin reads the network",
    "curtin extract": "curtin looks into the image",
    "curtin curthooks": "the image's hook checks and prepares this host",
    "curtin hook": "curtin finishes",
    "curtin late": "the machine restarts into ESXi's installer, then into ESXi; nothing is reported until then",
}


class Outcome(Enum):
    """Outcome of the deployment so far."""

    RUNNING = "running"
    DEPLOYED = "deployed"
    FAILED = "failed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


def phase_of(event: Event) -> str | None:
    """The phase that an event begins; None for one that begins none."""
    if event.is_error:
        return None
    if event.origin == "curtin":
        return _CURTIN.get(event.text.strip())
    if event.origin == "esxforge":
        return event.phase or None
    return _OF_MAAS.get(event.type) if not event.origin else None


def sentence_of(phase: str) -> str:
    """A phase in words."""
    return _SENTENCES.get(phase, phase)


@dataclass
class Progress:
    """State of one deployment. ``status`` is MAAS's number of the machine's status."""

    events: list[Event] = field(default_factory=list)
    phases: list[tuple[str, float | None]] = field(default_factory=list)
    status: int | None = None
    last_at: float | None = None

    def take(self, event: Event) -> str | None:
        """Note an event; the phase that begins with it, if another than before."""
        self.events.append(event)
        if event.at is not None:
            self.last_at = max(event.at, self.last_at or event.at)
        phase = phase_of(event)
        if phase is None or phase in [name for name, _ in self.phases]:
            return None
        self.phases.append((phase, event.at))
        return phase

    @property
    def outcome(self) -> Outcome:
        """From the machine's status."""
        named = {DEPLOYED: Outcome.DEPLOYED, FAILED_DEPLOYMENT: Outcome.FAILED, DEPLOYING: Outcome.RUNNING}
        return Outcome.RUNNING if self.status is None else named.get(self.status, Outcome.ABORTED)

    def times(self, *, ended: bool) -> PhaseTimes:
        """Seconds since the first phase, by the clocks of those who sent the events."""
        known = [(name, at) for name, at in self.phases if at is not None]
        if not known:
            return PhaseTimes(())
        began = known[0][1]
        end = self.last_at - began if ended and self.last_at is not None else None
        return PhaseTimes(tuple((name, at - began) for name, at in known), end)

    def reason(self) -> tuple[str, str]:
        """Why it failed or was aborted, and the end of the host's log; empty where the event log does not say."""
        ours = [event for event in self.events if event.is_error and event.origin == "esxforge"]
        if ours:
            reason, _, log = ours[-1].text.partition(LOG_MARK)
            return reason.strip(), log
        if self.outcome is Outcome.ABORTED:
            acts = [event for event in self.events if event.type in _ABORTS]
            return "; ".join(f"{event.type} {event.text}".strip() for event in acts[-2:]), ""
        errors = [event for event in self.events if event.is_error]
        return (f"{errors[-1].type}: {errors[-1].text}".strip(": ") if errors else ""), ""

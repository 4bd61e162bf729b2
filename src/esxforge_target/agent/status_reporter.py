"""Reports to MAAS while the agent works. The log gets every line, too.

MAAS stores starts and failures only, most of them up to a minute later, and lists them in the order in which it stored
them. So the results of a successful phase are in the next start, and each event has a number.
"""

from typing import List, Tuple

from esxforge_target.agent import deadlines
from esxforge_target.agent.log import Log
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.metadata.errors import MetadataError, RejectedError, UnreachableError
from esxforge_target.runtime.clock import Clock

_LONGEST_TAIL = 2400
_MOST_WAITING = 12
# MAAS's time limit is restarted where these begin: the agent's start, the first moment at which the desired network
# leads to MAAS, and vCenter.
_RESTART_LIMIT = ("inventory", "storage", "vendor-data")

_Event = Tuple[str, str, str, str]  # event type, name, description, result


class StatusReporter:
    """Queue events while MAAS does not answer, and send them in their order once it does.

    ``boot`` is how often the agent was started on this host: the first number of each event.
    """

    def __init__(self, client: MetadataClient, log: Log, clock: Clock, boot: int = 1) -> None:
        self._client = client
        self._log = log
        self._clock = clock
        self._boot = boot
        self._count = 0
        self._figures = ""
        self._waiting = []  # type: List[_Event]
        self._refused = []  # type: List[str]
        # No second try in vain: after a silence, events wait until somebody says that MAAS answered.
        self._silent = False

    def start(self, phase: str, description: str) -> None:
        """Begin a phase. What ``done`` was given of the phases before is in this event, too."""
        self._log.announce(description)
        text = " ".join(part for part in (self._figures, description) if part)
        self._figures = ""
        self._tell("start", "esxforge/" + phase, "{}: {}".format(phase, text), "")
        if phase in _RESTART_LIMIT:
            self._restart_limit()

    def done(self, phase: str, figures: str = "") -> None:
        """End a phase that succeeded. ``figures``: a sentence for MAAS's event log, with the next start."""
        self._log.say("{}: {}".format(phase, figures or "done"))
        self._figures = " ".join(part for part in (self._figures, figures) if part)

    def failed_phase(self, phase: str, reason: str) -> None:
        """Report a phase that failed, while the deployment goes on."""
        self._log.say("{}: {}".format(phase, reason))
        self._tell("finish", "esxforge/" + phase, "{}: {}".format(phase, reason), "FAIL")

    def heard(self) -> None:
        """Note that MAAS answers (again), and send what waited."""
        self._silent = False
        self._send(deadlines.EVENT)

    def deliver(self, seconds: float) -> None:
        """Send all that waits, and try for ``seconds``."""
        self._silent = False
        self._send(seconds)

    def was_told(self, phase: str) -> bool:
        """Return whether MAAS accepted all events of this phase so far."""
        name = "esxforge/" + phase
        return name not in self._refused and name not in [event[1] for event in self._waiting]

    def failed(self, reason: str, seconds: float) -> bool:
        """Report to MAAS that the deployment failed, with the log's tail; return True once MAAS accepted it."""
        self._waiting = [one for one in self._waiting if one[1] != "esxforge"][-_MOST_WAITING:]
        text = "{}\n\nThe end of the host's log:\n{}".format(reason, self._log.tail(_LONGEST_TAIL))
        self._silent = False
        self._queue("finish", "esxforge", text, "FAIL")
        return self._send(seconds)

    def _tell(self, kind: str, name: str, text: str, result: str) -> None:
        self._queue(kind, name, text, result)
        if not self._silent:
            self._send(deadlines.EVENT)

    def _queue(self, kind: str, name: str, text: str, result: str) -> None:
        self._count += 1
        number = "#{}.{:02d}".format(self._boot, self._count)
        self._waiting.append((kind, name, "{} {}".format(number, self._log.redact(text)), result))

    def _restart_limit(self) -> None:
        if self._silent:
            return
        try:
            self._client.restart_limit(deadlines.EVENT)
        except MetadataError as error:
            self._log.say("MAAS's time limit goes on: {}".format(error.message))
            self._silent = _passes(error)

    def _send(self, seconds: float) -> bool:
        """Send what waits, in ``seconds`` for all of it; return whether all of it was accepted."""
        taken = True
        end = self._clock.monotonic() + seconds
        while self._waiting:
            kind, name, description, result = self._waiting[0]
            left = max(end - self._clock.monotonic(), deadlines.EVENT)
            try:
                self._client.report(kind, name, description, result or None, left)
            except MetadataError as error:
                if _passes(error):
                    self._log.say("MAAS has not been notified yet: {}".format(error.message))
                    self._silent = True
                    return False
                self._log.say("MAAS did not take an event: {}".format(error.message))
                self._refused.append(name)
                taken = False
            del self._waiting[0]
        return taken


def _passes(error: MetadataError) -> bool:
    """Return whether MAAS may accept the same event later."""
    if isinstance(error, RejectedError):
        return error.status >= 500 or error.status in (408, 409, 425, 429)
    return isinstance(error, UnreachableError)

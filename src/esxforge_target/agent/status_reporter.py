"""What MAAS is told while the agent works, so that its event log reads as a reporter. The log gets every line, too."""

from typing import List, Tuple

from esxforge_target.agent import deadlines
from esxforge_target.agent.log import Log
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.metadata.errors import MetadataError, RejectedError, UnreachableError
from esxforge_target.runtime.clock import Clock

_LONGEST_TAIL = 2400

_Event = Tuple[str, str, str, str]  # event type, name, description, result


class StatusReporter:
    """Events wait while MAAS does not answer, and are sent in their order once it does."""

    def __init__(self, client: MetadataClient, log: Log, clock: Clock) -> None:
        self._client = client
        self._log = log
        self._clock = clock
        self._waiting = []  # type: List[_Event]
        self._refused = []  # type: List[str]
        # Nobody is asked twice in vain: after a silence, events wait until somebody says that MAAS was heard.
        self._silent = False

    def start(self, phase: str, description: str) -> None:
        """A phase begins: this is what MAAS's event log shows."""
        self._log.announce(description)
        self._tell("start", "esxforge/" + phase, description, "")

    def finish(self, phase: str, description: str = "done", good: bool = True) -> None:
        """A phase ended. A failure is shown in MAAS's event log and changes no status."""
        self._log.say("{}: {}".format(phase, description))
        self._tell("finish", "esxforge/" + phase, description, "SUCCESS" if good else "FAIL")

    def heard(self) -> None:
        """MAAS answers (again): what waited is told."""
        self._silent = False
        self._send(deadlines.EVENT)

    def deliver(self, seconds: float) -> None:
        """Tell all that waits, and try for ``seconds``."""
        self._silent = False
        self._send(seconds)

    def was_told(self, phase: str) -> bool:
        """Whether MAAS took all events of this phase so far."""
        name = "esxforge/" + phase
        return name not in self._refused and name not in [event[1] for event in self._waiting]

    def failed(self, reason: str, seconds: float) -> bool:
        """Tell MAAS that the deployment failed, with the log's tail; True once MAAS took it."""
        self._waiting = [one for one in self._waiting if one[0] == "start"][-12:]
        text = "{}\n\nThe end of the host's log:\n{}".format(self._log.redact(reason), self._log.tail(_LONGEST_TAIL))
        self._silent = False
        self._waiting.append(("finish", "esxforge", text, "FAIL"))
        return self._send(seconds)

    def _tell(self, kind: str, name: str, description: str, result: str) -> None:
        self._waiting.append((kind, name, self._log.redact(description), result))
        if not self._silent:
            self._send(deadlines.EVENT)

    def _send(self, seconds: float) -> bool:
        """Send what waits, in ``seconds`` for all of it; whether all of it was taken."""
        taken = True
        end = self._clock.monotonic() + seconds
        while self._waiting:
            kind, name, description, result = self._waiting[0]
            left = max(end - self._clock.monotonic(), deadlines.EVENT)
            try:
                self._client.report(kind, name, description, result or None, left)
            except MetadataError as error:
                if _passes(error):
                    self._log.say("MAAS was not told yet: {}".format(error.message))
                    self._silent = True
                    return False
                self._log.say("MAAS did not take an event: {}".format(error.message))
                self._refused.append(name)
                taken = False
            del self._waiting[0]
        return taken


def _passes(error: MetadataError) -> bool:
    """Whether MAAS may take the same event later."""
    if isinstance(error, RejectedError):
        return error.status >= 500 or error.status in (408, 409, 425, 429)
    return isinstance(error, UnreachableError)

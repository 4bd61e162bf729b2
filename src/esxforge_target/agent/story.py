"""What MAAS is told while the agent works, so that its event log reads as a story. The log gets every line, too."""

from typing import List, Tuple

from esxforge_target.agent import deadlines
from esxforge_target.agent.log import Log
from esxforge_target.metadata import MetadataClient, MetadataError, RefusedError, UnreachableError

_LONGEST_TAIL = 2400

_Event = Tuple[str, str, str, str]  # event type, name, description, result


class Story:
    """Events wait while MAAS does not answer, and are sent in their order once it does."""

    def __init__(self, client: MetadataClient, log: Log) -> None:
        self._client = client
        self._log = log
        self._waiting = []  # type: List[_Event]
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
        """Send what waits; whether all of it was taken."""
        taken = True
        while self._waiting:
            kind, name, description, result = self._waiting[0]
            try:
                self._client.report(kind, name, description, result or None, seconds)
            except MetadataError as error:
                if _passes(error):
                    self._log.say("MAAS was not told yet: {}".format(error.message))
                    self._silent = True
                    return False
                self._log.say("MAAS did not take an event: {}".format(error.message))
                taken = False
            del self._waiting[0]
        return taken


def _passes(error: MetadataError) -> bool:
    """Whether MAAS may take the same event later."""
    if isinstance(error, RefusedError):
        return error.status >= 500 or error.status in (408, 409, 425, 429)
    return isinstance(error, UnreachableError)

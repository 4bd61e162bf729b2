"""Whether this host reaches MAAS, and what silence means.

Any answer at all, even an error or a reset, proves the network, and so does the gateway's. Only silence of both for
``SILENCE`` seconds does not.
"""

import re
from typing import Callable, Optional

from esxforge_target.agent import deadlines
from esxforge_target.agent.log import Log
from esxforge_target.agent.system import System
from esxforge_target.esxi.esxcli import CommandError
from esxforge_target.inventory.network import read_routes
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.metadata.errors import ANSWERED, RIGHT, SILENCE

_PROBE_SECONDS = 10.0
_PAUSE = 5.0
_AGAIN_SECONDS = 30.0
# When what was set is first looked at again: no list lags behind for longer.
_CORRECT_SECONDS = 10.0
_MOST_CORRECTIONS = 2


class Connectivity:
    """Asks MAAS and the gateways."""

    def __init__(self, system: System, client: MetadataClient, log: Log, reopen: "Callable[[], None]") -> None:
        self._system = system
        self._client = client
        self._log = log
        self._reopen = reopen
        self.detail = ""

    def listen(
        self, end: float, silence: float = deadlines.SILENCE, correct: "Optional[Callable[[], None]]" = None
    ) -> str:
        """Ask until MAAS answers rightly, until ``end``, or until there was only silence for ``silence`` seconds.

        RIGHT, ANSWERED (MAAS or a gateway was heard, and no more) or SILENCE. ``reopen`` is called now and then while
        MAAS is silent: it opens the firewall again. So is ``correct``, twice at most: it sets again what did not work.
        """
        clock = self._system.clock
        quiet_since = clock.monotonic()
        reopened = quiet_since
        next_correction = quiet_since + _CORRECT_SECONDS
        corrections = 0
        heard = SILENCE
        told = ""
        while True:
            probe = self._client.probe(min(_PROBE_SECONDS, max(end - clock.monotonic(), 1.0)))
            self.detail = probe.detail
            if probe.detail != told:
                told = probe.detail
                self._log.say("MAAS: {}".format(probe.detail))
            if probe.connectivity == RIGHT:
                return RIGHT
            if probe.connectivity == ANSWERED or self.gateway_answers():
                heard = ANSWERED
                quiet_since = clock.monotonic()
            now = clock.monotonic()
            if now - quiet_since >= silence:
                self.detail = "neither MAAS nor a gateway was heard for {:.0f} seconds".format(now - quiet_since)
                return SILENCE
            if now + _PAUSE >= end:
                return heard
            if probe.connectivity == SILENCE and now - reopened >= _AGAIN_SECONDS:
                reopened = now
                self._reopen()
            if correct and probe.connectivity == SILENCE and now >= next_correction and corrections < _MOST_CORRECTIONS:
                corrections += 1
                correct()
                next_correction = clock.monotonic() + _AGAIN_SECONDS
            clock.sleep(_PAUSE)

    def maas_answers(self, end: float) -> bool:
        """Return whether MAAS answers at all under a fall-back; gateways do not count there."""
        clock = self._system.clock
        end = min(end, clock.monotonic() + deadlines.FALLBACK)
        while True:
            probe = self._client.probe(min(_PROBE_SECONDS, max(end - clock.monotonic(), 1.0)))
            self.detail = probe.detail
            self._log.say("MAAS: {}".format(probe.detail))
            if probe.connectivity != SILENCE:
                return True
            if clock.monotonic() + _PAUSE >= end:
                return False
            clock.sleep(_PAUSE)

    def is_anybody_there(self) -> bool:
        """Return whether MAAS or a gateway answers at all, now."""
        return self._client.probe(_PROBE_SECONDS).connectivity != SILENCE or self.gateway_answers()

    def gateway_answers(self) -> bool:
        """Return whether any gateway of this host answers."""
        try:
            gateways = sorted({route.gateway for route in read_routes(self._system.esxcli())})
        except CommandError:
            return False
        return any(self._answers(gateway) for gateway in gateways)

    def _answers(self, address: str) -> bool:
        version = ["-6"] if ":" in address else []
        result = self._system.run(["vmkping"] + version + ["-c", "1", "-W", "2", address], 10.0)
        received = re.search(r"([0-9]+) packets received", result.stdout)
        return received is not None and int(received.group(1)) > 0

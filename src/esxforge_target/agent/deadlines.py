"""How long the agent may take for what. MAAS waits; the agent must have told it before MAAS gives up by itself.

Facts: MAAS counts ``node_timeout`` (30 minutes by default), from 3.6 on twice that from power-on; two POSTs and an
installation come before. So all up to "Deployed", or up to the failure, takes at most 15 minutes. What a phase does not
use is left to those after it: a phase ends at the sum of all limits up to its own.
"""

from typing import Dict, Tuple

from esxforge_target.runtime.clock import Clock

WAIT = "wait"
INVENTORY = "inventory"
NETWORK = "network"
CONNECTIVITY = "connectivity"
STORAGE = "storage"
IDENTITY = "identity"
VERIFY = "verify"
PERSIST = "persist"
VENDOR_DATA = "vendor-data"
DEPLOYED = "deployed"

# (phase, seconds, what they are for)
LIMITS = (
    (WAIT, 300, "ESXi's management service comes up"),
    (INVENTORY, 45, "NICs, disks, what is set up now"),
    (NETWORK, 60, "commands of the network's plan"),
    (CONNECTIVITY, 255, "MAAS answers, the ladder of fall-backs included"),
    (STORAGE, 45, "commands of the storage's plan"),
    (IDENTITY, 60, "name, keys, certificate, and hostd's restart"),
    (VERIFY, 45, "everything read back"),
    (PERSIST, 20, "ESXi saves its configuration"),
    (VENDOR_DATA, 40, "time servers, vCenter"),
    (DEPLOYED, 30, "user-data is fetched, which marks the machine Deployed; or the failure is reported"),
)  # type: Tuple[Tuple[str, int, str], ...]
MOST = 900

# Within CONNECTIVITY: how long silence lasts before the ladder begins, and how long each rung is given.
SILENCE = 180.0
FALLBACK = 30.0
# MAAS has its answer by then, and waits for none of these.
USER_DATA = 300.0
CLOSING = 60.0
ROLLING_BACK = 240.0
# Kept for DHCP on the NIC that booted, where MAAS is to hear of a failure and nobody is heard.
LAST_RESORT = 180.0
# What an event may take that only tells the story.
EVENT = 5.0


class Deadlines:
    """When each phase must be over, on the host's monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends = {}  # type: Dict[str, float]
        at = clock.monotonic()
        for phase, seconds, _ in LIMITS:
            at += seconds
            self._ends[phase] = at

    def end(self, phase: str) -> float:
        """The moment at which the phase is over."""
        return self._ends[phase]

    def left(self, phase: str) -> float:
        """Seconds until then; never below 0."""
        return max(self._ends[phase] - self._clock.monotonic(), 0.0)

"""Check that MAAS can deploy our images: reachable, new enough, and with a long enough timeout."""

from __future__ import annotations

import math
from dataclasses import dataclass

from esxforge import events
from esxforge.checks.report import CheckStatus, Line, line
from esxforge.errors import ForgeError
from esxforge.maas import region, versions
from esxforge.maas.client import Client, Surroundings
from esxforge.maas.connection import Connection

# From power-on to Deployed: three starts and an installation take up to 55 minutes on real hardware, as MAAS's users
# report, and the agent may take 15 minutes where something is slow.
_WHOLE_MINUTES = 70
# From curtin's end to the agent's start, two starts and an installation, nothing may get through to MAAS.
_SILENT_MINUTES = 45


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """Facts from MAAS. ``problem`` is why they could not be read, ``hint`` what to do then.

    ``node_timeout`` is in minutes; None if MAAS did not give it.
    """

    url: str
    version: str = ""
    node_timeout: int | None = None
    problem: str = ""
    hint: str = ""


def ask(connection: Connection, listener: events.Listener, surroundings: Surroundings | None = None) -> RegionFacts:
    """Query MAAS; never raises for a failure of MAAS or the network."""
    try:
        with Client(connection, listener, surroundings) as client:
            version = region.ask(client).version
            return RegionFacts(connection.url, version, _node_timeout(client))
    except ForgeError as error:
        return RegionFacts(connection.url, problem=error.message, hint=error.hint)


def _node_timeout(client: Client) -> int | None:
    query = {"op": "get_config", "name": "node_timeout"}
    try:
        value = client.patiently(lambda: client.json("GET", "maas/", query=query))
    except ForgeError:
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def check_region(facts: RegionFacts) -> list[Line]:
    """Return the lines about MAAS. Pure."""
    if facts.problem:
        return [Line("MAAS", facts.problem, "an answer", CheckStatus.MISSING, facts.hint)]
    return [Line("MAAS", facts.url, "an answer", CheckStatus.OK), _version(facts), _patience(facts)]


def _version(facts: RegionFacts) -> Line:
    needed = ".".join(str(number) for number in versions.OLDEST_SUPPORTED) + " or newer"
    numbers = versions.parse_version(facts.version)
    if numbers is None:
        return Line("MAAS's version", facts.version or "unknown", needed, CheckStatus.ADVICE, "Make sure that it is.")
    good = numbers >= versions.OLDEST_SUPPORTED
    hint = "Upgrade MAAS; deploying with this version was never tried."
    return line("MAAS's version", facts.version, needed, hint, good=good, otherwise=CheckStatus.ADVICE)


def advised_minutes(version: str) -> int:
    """Return the ``node_timeout`` that a deployment of ESXi needs with this version of MAAS."""
    times = versions.capabilities(version).whole_deployment_timeouts
    return _SILENT_MINUTES if times is None else math.ceil(_WHOLE_MINUTES / times)


def _patience(facts: RegionFacts) -> Line:
    advised = advised_minutes(facts.version)
    times = versions.capabilities(facts.version).whole_deployment_timeouts
    needed = f"{advised} minutes or more"
    reason = (
        f"from curtin's end to ESXi's first word MAAS may hear nothing for {_SILENT_MINUTES} minutes"
        if times is None
        else f"MAAS gives a deployment {times} times node_timeout, and it can take {_WHOLE_MINUTES} minutes"
    )
    hint = f"maas PROFILE maas set-config name=node_timeout value={advised}: {reason}."
    found = "unknown" if facts.node_timeout is None else f"{facts.node_timeout} minutes"
    good = facts.node_timeout is not None and facts.node_timeout >= advised
    return line("MAAS's node_timeout", found, needed, hint, good=good, otherwise=CheckStatus.ADVICE)

"""Facts about a MAAS that an upload needs: its version, and how many regions it has."""

from __future__ import annotations

from dataclasses import dataclass

from esxforge.maas import failures, versions
from esxforge.maas.client import Client
from esxforge.maas.failures import RefusedError
from esxforge.maas.versions import Capabilities


@dataclass(frozen=True)
class Region:
    """``version`` as MAAS gives it (“3.6.5”); ``count`` is the number by which it divides an upload's progress: None
    where it does not show its regions, which only administrators see."""

    version: str
    count: int | None

    @property
    def capabilities(self) -> Capabilities:
        """Behaviour of this version where versions differ."""
        return versions.capabilities(self.version)


def ask(client: Client) -> Region:
    """Ask for the version, unsigned, so that a wrong address never sees the key; then count the regions.

    Raises MaasError if no MAAS answers.
    """
    try:
        answer = client.patiently(lambda: client.json("GET", "version/", signed=False))
    except RefusedError as error:
        raise failures.wrong_url(client.connection.url, f"it has no version ({error.status})") from error
    version = answer.get("version") if isinstance(answer, dict) else None
    if not isinstance(version, str):
        raise failures.wrong_url(client.connection.url, "it has no version")
    version = client.clean(version)
    if versions.capabilities(version).images_in_database:
        return Region(version, 1)
    regions = client.patiently(lambda: client.json("GET", "regioncontrollers/"))
    return Region(version, (len(regions) or None) if isinstance(regions, list) else None)

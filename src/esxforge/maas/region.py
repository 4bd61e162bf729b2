"""What has to be known about a MAAS before an upload: its version, and how many regions it has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from esxforge.maas import failures
from esxforge.maas.client import Client
from esxforge.maas.failures import RefusedError


@dataclass(frozen=True)
class Region:
    """``version`` as MAAS says it (“3.6.5”); ``count`` is the number by which it divides an upload's progress."""

    version: str
    count: int

    @property
    def appends_to_shared_file(self) -> bool:
        """From 3.8 on, bytes are appended to one file on disk for each sha256, whatever MAAS's records say.

        So a second upload of bytes that are there already destroys them. A version that cannot be read counts as new.
        """
        numbers = _numbers(self.version)
        return numbers is None or numbers >= (3, 8)

    @property
    def counts_before_comparing(self) -> bool:
        """Whether an upload whose sha256 turned out wrong is listed as complete all the same: all but 3.5 to 3.7."""
        numbers = _numbers(self.version)
        return numbers is None or not (3, 5) <= numbers < (3, 8)


def ask(client: Client) -> Region:
    """Ask for the version, unsigned, so that a wrong address never sees the key; then count the regions.

    Raises MaasError where no MAAS answers.
    """
    try:
        answer = client.patiently(lambda: client.json("GET", "version/", signed=False))
    except RefusedError as error:
        raise failures.wrong_url(client.connection.url, f"it has no version ({error.status})") from error
    version = answer.get("version") if isinstance(answer, dict) else None
    if not isinstance(version, str):
        raise failures.wrong_url(client.connection.url, "it has no version")
    version = client.clean(version)
    numbers = _numbers(version)
    # Up to 3.4 images are in the database, which all regions share.
    if numbers is not None and numbers < (3, 5):
        return Region(version, 1)
    regions = client.patiently(lambda: client.json("GET", "regioncontrollers/"))
    return Region(version, max(1, len(regions)) if isinstance(regions, list) else 1)


def _numbers(version: str) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else None

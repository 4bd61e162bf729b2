"""A claim about real ESXi: what it says, what it rests on, and the check that looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from esxforge.selftest.evidence import Evidence
from esxforge.selftest.verdicts import Verdict, not_asked, not_seen
from esxforge_target.esxi.esxcli import CommandError


class Area(str, Enum):
    """The parts of the page, in their order."""

    START = "The image starts"
    INSTALL = "It installs unattended"
    FIRST_BOOT = "The installed host starts the agent"
    HOST = "The host becomes what MAAS asked for"
    AFTERWARDS = "Nothing of us stays but the result"
    GOLDEN = "Golden images"
    DRIVERS = "Drivers that an image adds"
    SECURE_BOOT = "Secure Boot"
    MAAS = "A real MAAS"
    BY_HAND = "What the self-test cannot see"
    BEHAVIOUR = "What no source says of ESXi"


class Part(str, Enum):
    """When a claim is looked at. ``ALWAYS``; on some releases; when asked for; or by a person."""

    ALWAYS = "always"
    FROM_7 = "ESXi 7 and later"
    ONLY_9 = "ESXi 9"
    GOLDEN = "--golden"
    ADD = "--add"
    SECURE_BOOT = "--secure-boot"
    MAAS = "--maas-url or --profile"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Claim:
    """``sentence`` is the claim, ``source`` its ground, ``how`` a sentence on what ``check`` looks at."""

    id: str
    check: Callable[[Evidence], Verdict]
    area: Area
    sentence: str
    source: str
    how: str
    part: Part = Part.ALWAYS

    def judge(self, evidence: Evidence) -> Verdict:
        """The check's verdict; not asked where the claim is no part of this run."""
        asked = {
            Part.GOLDEN: evidence.asked.golden,
            Part.SECURE_BOOT: evidence.asked.secure_boot,
            Part.ADD: evidence.asked.add,
            Part.MAAS: evidence.asked.maas,
            Part.FROM_7: evidence.subject.major >= 7,
            Part.ONLY_9: evidence.subject.major >= 9,
        }
        if not asked.get(self.part, True):
            return not_asked(f"Not a part of this run: it is for {self.part.value}.")
        try:
            return self.check(evidence)
        except CommandError as error:  # one odd answer of the host's must not cost the report of all others
            return not_seen(f"The host's answer cannot be judged: {error.message}")


def by_hand(_evidence: Evidence) -> Verdict:
    """The check of a claim that only a person can look at."""
    return not_asked("Not a part of any run: see how to look at it by hand.")


DOCS, TOOL, LOADER, INFERRED = (
    "VMware's documents",
    "other people's tools",
    "VMware's loader, built from its source",
    "a conclusion",
)

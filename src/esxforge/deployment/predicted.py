"""Parts of a prediction besides the configuration: values that are unknown before the deployment."""

from __future__ import annotations

from dataclasses import dataclass, field

_HINT = "Ask MAAS again; if it stays so, report it with the directory that esxforge plan --save DIR writes."


@dataclass(frozen=True)
class Unknown:
    """Something that MAAS decides when the deployment starts. ``guess`` stands in the configuration meanwhile."""

    subject: str
    reason: str
    guess: str = ""

    @property
    def sentence(self) -> str:
        """For people."""
        guess = f" Guess: {self.guess}." if self.guess else ""
        return f"{self.subject}: {self.reason}{guess}"


@dataclass
class Unknowns:
    """Collects them, each once, in the order found."""

    found: list[Unknown] = field(default_factory=list)

    def add(self, subject: str, reason: str, guess: str = "") -> None:
        """Note one."""
        unknown = Unknown(subject, reason, guess)
        if unknown not in self.found:
            self.found.append(unknown)

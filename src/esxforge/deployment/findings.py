"""Findings about a deployment before it starts: reasons against it, warnings, what is not known."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """A sentence, and what to do about it."""

    message: str
    hint: str = ""

    @property
    def sentence(self) -> str:
        """Both, for a list."""
        return f"{self.message} {self.hint}".strip()


@dataclass
class Findings:
    """``reasons``: it would fail or be refused. ``warnings``: it may. ``not_known``: what MAAS cannot tell."""

    reasons: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    not_known: list[str] = field(default_factory=list)

"""A deployment before it starts, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from esxforge.deployment.assessment import Assessment
from esxforge.deployment.findings import Finding
from esxforge.preview.report import Preview


def heading(found: Assessment) -> str:
    """Which machine, and with which image."""
    machine = found.machine
    owner = f", belongs to {machine.owner}" if machine.owner else ""
    image = f", image {found.image.name} “{found.image.title}”" if found.image is not None else ""
    source = (
        "the configuration is MAAS's own" if found.is_final else "the configuration is predicted from MAAS's answers"
    )
    return f"{machine.label}: {machine.status_name}{owner}{image}; {source}."


def remarks(found: Assessment) -> Iterator[str]:
    """Unknown values, warnings, and checks that could not be made."""
    yield from _section("Decided by MAAS when the deployment starts:", [one.sentence for one in found.unknown])
    yield from _section("Warnings:", [one.sentence for one in found.findings.warnings])
    yield from _section("Not known:", found.findings.not_known)


def marked(found: Assessment) -> Preview:
    """The plan for a table, with guessed addresses called guesses."""
    assert found.report is not None  # noqa: S101  # who has none is not asked for it
    guessed = {unknown.guess for unknown in found.unknown if unknown.guess}

    def mark(address: str) -> str:
        return f"{address} (guess)" if address.partition("/")[0] in guessed else address

    rows = [replace(row, addresses=tuple(map(mark, row.addresses))) for row in found.report.network]
    return replace(found.report, network=tuple(rows))


def against(found: Assessment) -> list[Finding]:
    """Return all obstacles to the deployment, MAAS's state and ESXi's limits alike."""
    errors = found.report.errors if found.report is not None else ()
    return [*found.findings.reasons, *(Finding(reason) for reason in errors)]


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  - {line}" for line in lines)

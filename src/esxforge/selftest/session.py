"""A self-test from the user's request to the finished document: the run, MAAS, the judgement, without personal data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from esxforge.checks import report as checks
from esxforge.checks import requirements
from esxforge.checks.computer import Computer, ThisComputer
from esxforge.errors import ProcessError
from esxforge.events import Listener, Notice
from esxforge.local.directories import temporary
from esxforge.maas.connection import Connection
from esxforge.media.installer import open_installer
from esxforge.selftest.claims import judge
from esxforge.selftest.order import GuestToken
from esxforge.selftest.real_maas import upload_for_selftest
from esxforge.selftest.redaction import redactor_here
from esxforge.selftest.report import document
from esxforge.selftest.scenario import SelftestSettings, run_selftest
from esxforge.vm.hardware import Accelerator
from esxforge.vm.watch import WatchPage, watch_page


def check_computer(settings: SelftestSettings, computer: Computer | None = None) -> None:
    """Check what doctor checks for golden builds, which need the same. Raises ProcessError with everything missing."""
    wish = requirements.DoctorOptions(
        requirements.Kind.GOLDEN,
        open_installer(settings.iso).release.version,
        temporary(),
        without_kvm=settings.accelerator is Accelerator.TCG,
        memory_mib=settings.changes.memory_mib,
    )
    lines = requirements.check_computer(computer or ThisComputer(), wish)
    missing = checks.missing(lines)
    if missing:
        raise ProcessError(
            "\n".join(f"{line.name}: found {line.found}, needed {line.needed}." for line in missing),
            "\n  ".join(line.hint for line in missing),
        )


def run_session(
    settings: SelftestSettings,
    directory: Path,
    connection: Connection | None,
    listener: Listener,
    *,
    watch: bool = False,
) -> dict[str, Any]:
    """Run everything that was requested; return the report's document. Pictures and consoles stay in ``directory``."""
    token = GuestToken()
    with _page(listener, desired=watch) as page:
        evidence = run_selftest(settings, directory, token, listener, page)
    if connection is not None:
        uploaded = upload_for_selftest(settings.iso, directory, connection, listener)
        notes = (*evidence.notes, uploaded.next_steps) if uploaded.next_steps else evidence.notes
        evidence = replace(evidence, upload=uploaded.upload, notes=notes)
    paths = {
        directory: "[work]",
        settings.iso: "[iso]",
        settings.iso.absolute().parent: "[directory]",
        Path.cwd(): "[here]",
    }
    redacted = redactor_here(paths, token.secrets).document(document(evidence, judge(evidence)))
    assert isinstance(redacted, dict)  # noqa: S101  a document stays one
    return redacted


@contextmanager
def _page(listener: Listener, *, desired: bool) -> Iterator[WatchPage | None]:
    if not desired:
        yield None
        return
    with watch_page("esxforge selftest") as page:
        listener(Notice(f"Watch the screen at {page.address}"))
        yield page

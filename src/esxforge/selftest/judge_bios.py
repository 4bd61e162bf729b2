"""Checks of VMware's boot code for a legacy BIOS, on the ISO and on the disk of a golden build."""

from __future__ import annotations

from esxforge.selftest.evidence import Evidence
from esxforge.selftest.verdicts import Verdict, contradicted, not_asked, not_reached, not_seen, seen
from esxforge_target.formats.boot_code import GUID_OFFSET

GPTMBR = "UPGRADE/GPTMBR.BIN"
_STANDIN = not_asked("The stand-in has no boot code of VMware's.")


def gptmbr(evidence: Evidence) -> Verdict:
    """Code that goes by GUID leaves the place of the GUID free."""
    if evidence.subject.is_standin:
        return _STANDIN
    if evidence.gptmbr_bytes is None:
        return not_seen(f"The ISO has no {GPTMBR}.")
    text = f"{GPTMBR} has {evidence.gptmbr_bytes} bytes."
    return seen(text) if evidence.gptmbr_bytes <= GUID_OFFSET else contradicted(text)


def bios_code(evidence: Evidence) -> Verdict:
    """Of the disk that was captured, as capture judged it."""
    if evidence.subject.is_standin:
        return _STANDIN
    if evidence.bios is None:
        return not_reached("No disk was captured.")
    text = f"{str(evidence.bios['reason']).capitalize()}."
    return seen(text) if evidence.bios["starts"] else contradicted(text)

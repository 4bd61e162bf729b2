"""Checks of VMware's boot code for a legacy BIOS: on the ISO, on the disk of a golden build, and when it starts."""

from __future__ import annotations

from esxforge.selftest.evidence import Evidence, Stage, Stop
from esxforge.selftest.verdicts import Verdict, contradicted, not_asked, not_reached, not_seen, seen
from esxforge.vm.phases import Phase
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


def bios_boots(evidence: Evidence) -> Verdict:
    """Of the captured and personalised disk under SeaBIOS. VMware's BIOS loader says nothing on the serial port."""
    if evidence.subject.is_standin:
        return _STANDIN
    boot = evidence.boot(Stage.GOLDEN_BIOS)
    if boot is None:
        why = "no disk was captured" if evidence.bios is None else str(evidence.bios["reason"])
        return not_reached(f"No disk was started by legacy BIOS: {why}.")
    if boot.reached(Phase.KERNEL):
        return seen(f"Under SeaBIOS the kernel spoke after {boot.when(Phase.KERNEL) or boot.seconds:.0f} seconds.")
    pictures = f" Picture: {', '.join(boot.screens)}." if boot.screens else ""
    if boot.stop in (Stop.RESTARTED, Stop.POWERED_OFF):
        return contradicted(f"Under SeaBIOS {boot.stop.value} before the kernel spoke.{pictures}")
    return not_seen(f"Under SeaBIOS the kernel was not heard of; {boot.stop.value}.{pictures}")

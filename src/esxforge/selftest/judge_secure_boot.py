"""Checks of the claims about Secure Boot: how far a virtual host came whose firmware enforces it."""

from __future__ import annotations

import re

from esxforge.selftest.evidence import Boot, Evidence, Stage, Stop
from esxforge.selftest.verdicts import Verdict, contradicted, not_reached, not_seen, seen
from esxforge.vm.phases import Phase

_REFUSED = re.compile(r"Security [Vv]iolation|Access [Dd]enied|Fatal error: 2[67]\b")
_PURPLE = re.compile(r"Unexpected early boot module|VMware ESXi .*\[Releasebuild-\d+|PSOD|@BlueScreen")
_READINESS = re.compile(
    r"ESXi's check (?:says|for Secure Boot) .*|This ESXi has no check for Secure Boot .*|Leave Secure Boot off: .*"
)


def loader(evidence: Evidence) -> Verdict:
    """VMware's loader hands our module to the kernel."""
    boot = evidence.boot(Stage.SECURE_INSTALL)
    if boot is None:
        return not_reached(_why_not_begun(evidence))
    if boot.reached(Phase.KERNEL):
        return seen(f"The kernel started{_pictures(boot)}.")
    refused = _REFUSED.search(boot.console)
    if refused:
        return contradicted(f"The console says “{refused[0]}”. {_why(boot)}")
    return not_seen(_why(boot))


def installer(evidence: Evidence) -> Verdict:
    """The installer starts with the module, and installs."""
    boot = evidence.boot(Stage.SECURE_INSTALL)
    if boot is None or not boot.reached(Phase.KERNEL):
        return not_reached("The kernel was not seen to start.")
    snapshot = evidence.snapshots.get(Stage.SECURE_INSTALL)
    bank = snapshot.boot.current_bank if snapshot else None
    if bank is not None and bank.lists_module:
        return seen(f"After {boot.seconds:.0f} seconds ESXi was on the disk, with our module in its bank.")
    return _stopped(boot)


def bank(evidence: Evidence) -> Verdict:
    """The installed ESXi starts with our module in its bank."""
    boot = evidence.boot(Stage.SECURE_BOOT)
    if boot is None:
        return not_reached("ESXi was not installed with Secure Boot on.")
    if evidence.calls_in(Stage.SECURE_BOOT):
        return seen("The agent in the module was heard of.")
    if evidence.secure_answer is not None and evidence.secure_answer.kind == "tls":
        return seen(f"Its management service answers{_pictures(boot)}.")
    if _PURPLE.search(boot.console) or not boot.reached(Phase.KERNEL):
        return _stopped(boot)
    return not_seen(_why(boot))


def script(evidence: Evidence) -> Verdict:
    """A script in rc.local.d of the module is run."""
    boot = evidence.boot(Stage.SECURE_BOOT)
    if boot is None:
        return not_reached("ESXi was not installed with Secure Boot on.")
    calls = evidence.calls_in(Stage.SECURE_BOOT)
    if calls:
        return seen(f"The agent's first request came {calls[0].seconds:.0f} seconds after the start.")
    if evidence.secure_answer is not None and evidence.secure_answer.kind == "tls":
        return contradicted("ESXi's management service answers, and the agent was not heard of.")
    return not_seen(_why(boot))


def readiness(evidence: Evidence) -> Verdict:
    """ESXi's own check answers on a host that was deployed with Secure Boot off."""
    if evidence.boot(Stage.SECOND_BOOT) is None:
        return not_reached("The agent was not started to its end.")
    found = _READINESS.search(evidence.log(Stage.SECOND_BOOT))
    if found is None:
        return not_reached("The agent's log does not have its last act.")
    if found[0].startswith("Leave"):
        return not_reached(f"ESXi's check is not asked where the image adds modules. {found[0]}")
    return seen(found[0]) if found[0].startswith("ESXi's check says") else contradicted(found[0])


def _stopped(boot: Boot) -> Verdict:
    purple = _PURPLE.search(boot.console)
    if purple:
        return contradicted(f"The console says “{purple[0]}”. {_why(boot)}")
    return contradicted(_why(boot)) if boot.stop is Stop.STUCK else not_seen(_why(boot))


def _why(boot: Boot) -> str:
    return f"{boot.stop.value} after {boot.seconds:.0f} seconds{_pictures(boot)}. {boot.diagnosis}".strip()


def _pictures(boot: Boot) -> str:
    return f" (pictures: {', '.join(boot.screens)})" if boot.screens else ""


def _why_not_begun(evidence: Evidence) -> str:
    if evidence.secure_problem:
        return evidence.secure_problem
    hook = evidence.secure_hook
    return f"The hook refused: {' '.join(hook.lines[-6:])}" if hook and not hook.succeeded else "It was not begun."

"""Handle a failed deployment: MAAS gets the truth, and the host is put back as it was found."""

from typing import List

from esxforge_target.agent import deadlines
from esxforge_target.agent.journal import Journal
from esxforge_target.agent.log import Log
from esxforge_target.agent.parts import Parts
from esxforge_target.agent.saving import save_configuration
from esxforge_target.agent.ssh import starts_with_host
from esxforge_target.agent.system import System
from esxforge_target.agent.undo import FALLBACK, IDENTITY, NETWORK, STORAGE, Undo
from esxforge_target.agent.work import Work
from esxforge_target.runtime.errors import ForgeError

_FIRST_TRY = 15.0
# For so long MAAS is asked before the firewall is opened again.
_SILENT = 60.0
# Failed roll-backs are retried after so many seconds: ESXi's management service may be away just now.
_PAUSES = (5.0, 15.0, 30.0)


def finish_failed(parts: Parts, work: Work, reason: str) -> bool:
    """Report the failure to MAAS, and roll back what is not saved. Return whether MAAS accepted the report."""
    parts.log.announce("FAILED: {}".format(reason))
    # MAAS is reachable now; whether it is after the roll-back is not known, nor how long that takes.
    told = parts.reporter.failed(reason, _FIRST_TRY)
    _for(parts, deadlines.ROLLING_BACK)
    if not told:
        parts.firewall.reopen()  # the plan may have failed before anybody listened
    if not work.saved:
        _put_back(parts)
    if not told:
        left = parts.ends.left(deadlines.DEPLOYED) - deadlines.LAST_RESORT
        told = _report(parts, reason, max(left, deadlines.CLOSING))
    _for(parts, deadlines.ROLLING_BACK)
    if not told and not work.saved and not parts.network.fallback and parts.network.fall_back():
        told = parts.reporter.failed(reason, deadlines.CLOSING)
    if not told and parts.ends.left(deadlines.DEPLOYED):
        told = _report(parts, reason, parts.ends.left(deadlines.DEPLOYED))
    if not told:
        parts.log.announce("MAAS could not be notified; it will give up on this machine by itself")
    return told


def _report(parts: Parts, reason: str, seconds: float) -> bool:
    """Report for so many seconds; where MAAS stays silent, the firewall is opened again between."""
    clock = parts.system.clock
    end = clock.monotonic() + seconds
    while True:
        began = clock.monotonic()
        if parts.reporter.failed(reason, min(end - began, _SILENT)):
            return True
        was_refused = clock.monotonic() < began + _SILENT / 2  # an answer, so nothing is in the way
        if was_refused or clock.monotonic() + _SILENT >= end:
            return False
        _for(parts, _SILENT)
        parts.firewall.reopen()


def may_be_saved(parts: Parts, work: Work) -> bool:
    """Return whether the configuration is to be saved: ESXi may have saved an intermediate state by itself.

    A configuration that was put back is saved if it reads as it was found.
    """
    if work.saved:
        return True
    if parts.network.fallback:
        parts.log.announce("the host stays on DHCP on the NIC that booted, where it can be reached")
        parts.undo.commit(NETWORK, FALLBACK)
        return True
    if parts.journal.last("found") is None:
        return parts.deployment.record.is_golden  # root's password and the UUID are to stay
    _for(parts, deadlines.CLOSING)
    try:
        unlike = unlike_found(parts.system, parts.journal, parts.undo)
    except ForgeError as error:
        parts.log.warn("what was put back cannot be read, so it is not saved: {}".format(error.message))
        return False
    if unlike:
        saved = save_for_boot(parts.system, parts.undo, parts.log)
        text = "not as found: {}. {} reboot the host, which rolls back what is left".format(
            ", ".join(unlike), "The rest is saved:" if saved else "It is not saved:"
        )
        parts.reporter.failed_phase("put-back", text)
    return not unlike


def save_for_boot(system: System, undo: Undo, log: Log) -> bool:
    """Save a host that lacks only what a boot makes room for: else it would start from an earlier state again.

    Return whether it was saved.
    """
    if not undo.waits_for_boot():
        return False
    log.say("a lease's route is left in the way; what is rolled back is saved, so that a boot removes it")
    problem = save_configuration(system)
    if problem:
        log.warn(problem)
    return not problem


def unlike_found(system: System, journal: Journal, undo: Undo) -> "List[str]":
    """Return what differs from the state that the agent first found. Raises ForgeError if that cannot be read."""
    found = journal.last("found")
    if found is None:
        return []
    unlike = undo.network_unlike()
    ssh, now = found.get("ssh"), starts_with_host(system)
    if None not in (ssh, now) and ssh != now:
        unlike.append("whether SSH starts with the host")
    return unlike


def _for(parts: Parts, seconds: float) -> None:
    """Limit commands to this long from now on."""
    parts.system.until(parts.system.clock.monotonic() + seconds)


def _put_back(parts: Parts) -> None:
    # On the fall-back the network is as that needs it, and what it was before does not matter.
    about = [STORAGE, IDENTITY] + ([] if parts.network.fallback else [NETWORK, FALLBACK])
    if not parts.undo.is_open(*about):
        return
    parts.log.announce("rolling back what was changed")
    lasting = parts.undo.lasting()
    if lasting:
        parts.reporter.failed_phase("put-back", "VMFS never shrinks, so this stays: {}".format("; ".join(lasting)))
    problems = parts.undo.roll_back(*about)
    for pause in _PAUSES:
        unlike = _unlike(parts, problems)
        if not unlike or parts.system.is_over():
            break
        parts.log.warn("not as found: {}; tried again after {:.0f} s".format(", ".join(unlike), pause))
        parts.system.clock.sleep(pause)
        parts.undo.reopen(*[one for one in about if one != STORAGE])
        problems = parts.undo.roll_back(*about)
    parts.log.say("rolled back{}".format("; {} commands failed".format(len(problems)) if problems else ""))


def _unlike(parts: Parts, problems: "List[str]") -> "List[str]":
    """Return what is not put back yet. Failures do not count if it reads as found: there was nothing to roll back."""
    unlike = ["storage"] if [change for change in parts.undo.changes if change.about == STORAGE] else []
    if parts.network.fallback:
        return unlike + (["identity"] if problems else [])
    try:
        return unlike + unlike_found(parts.system, parts.journal, parts.undo)
    except ForgeError as error:
        return unlike + [error.message]

"""A deployment that failed: MAAS is told the truth, and the host is put back as it was found."""

from esxforge_target.agent import deadlines
from esxforge_target.agent.network import changed_parts
from esxforge_target.agent.undo import FALLBACK, IDENTITY, NETWORK, STORAGE
from esxforge_target.agent.work import Parts, Work
from esxforge_target.errors import ForgeError
from esxforge_target.inventory import from_json

_FIRST_TRY = 15.0


def settle_failure(parts: Parts, work: Work, reason: str) -> bool:
    """Tell MAAS, and take back what is not saved. Whether MAAS took the news."""
    parts.log.announce("FAILED: {}".format(reason))
    # Where MAAS is heard now; whether it is after the roll-back is not known, nor how long that takes.
    told = parts.story.failed(reason, _FIRST_TRY)
    _for(parts, deadlines.TAKING_BACK)
    if not work.saved:
        _put_back(parts)
    if not told:
        left = parts.ends.left(deadlines.DEPLOYED) - deadlines.LAST_RESORT
        told = parts.story.failed(reason, max(left, deadlines.CLOSING))
    _for(parts, deadlines.TAKING_BACK)
    if not told and not work.saved and not parts.network.fallback and parts.network.fall_back():
        told = parts.story.failed(reason, deadlines.CLOSING)
    if not told and parts.ends.left(deadlines.DEPLOYED):
        told = parts.story.failed(reason, parts.ends.left(deadlines.DEPLOYED))
    if not told:
        parts.log.announce("MAAS could not be told; it will give up on this machine by itself")
    return told


def may_be_saved(parts: Parts, work: Work) -> bool:
    """Whether the configuration is to be saved: ESXi may have saved the middle of it by itself meanwhile.

    What was put back is saved where it reads as it was found.
    """
    if work.saved:
        return True
    if parts.network.fallback:
        parts.log.announce("the host stays on DHCP on the NIC that booted, where it can be reached")
        parts.undo.settle(FALLBACK)
        return True
    found = parts.journal.last("found")
    if found is None:
        return parts.deployment.golden  # root's password and the UUID are to stay
    _for(parts, deadlines.CLOSING)
    try:
        changed = changed_parts(from_json(found["inventory"]), parts.network.inventory())
    except ForgeError as error:
        parts.log.warn("what was put back cannot be read, so it is not saved: {}".format(error.message))
        return False
    if changed:
        parts.log.warn("not as found: {}; it is not saved, a reboot brings it back".format(", ".join(changed)))
    return not changed


def _for(parts: Parts, seconds: float) -> None:
    """Commands may take this long from now on."""
    parts.system.until(parts.system.clock.monotonic() + seconds)


def _put_back(parts: Parts) -> None:
    about = [NETWORK, STORAGE, IDENTITY] + ([] if parts.network.fallback else [FALLBACK])
    if not [change for change in parts.undo.changes if change.about in about]:
        return
    parts.log.announce("taking back what was changed")
    problems = parts.undo.take_back(*about)
    parts.log.say("taken back{}".format("; {} commands failed".format(len(problems)) if problems else ""))

"""NetworkSetup boot first again: ESXi's installer puts itself first, and MAAS could then not start this machine any
more.

Facts: ``/usr/lib/vmware/uefi/bin/bootorder`` exists from 7.0 on where the firmware is UEFI; ``-l`` lists the entries in
their order, ``-h`` its options (Dell KB 000152960). How the order is set is read from that help: NVRAM is nothing to
guess at. Whatever fails here is a warning: MAAS's power drivers mostly set the order themselves.
"""

import re
from typing import List, Sequence

from esxforge_target.agent.log import Log
from esxforge_target.agent.system import System, said
from esxforge_target.runtime.commands import COULD_NOT_START

PROGRAM = "/usr/lib/vmware/uefi/bin/bootorder"
_ENTRY = re.compile(r"^\s*Boot([0-9A-Fa-f]{4})\b", re.MULTILINE)
_ATTEMPTS = 2
_PAUSE = 3.0
_BY_HAND = "set network boot first in the machine's firmware, or let MAAS's power driver do so"


def restore_boot_order(system: System, before: "Sequence[str]", log: Log) -> None:
    """Put the firmware's entries into the order of ``before`` (four hexadecimal digits each), new ones last."""
    if not before:
        log.say("the firmware's boot order before the installation is not known; it is left")
        return
    listed = system.run((PROGRAM, "-l"))
    if listed.status == COULD_NOT_START:
        log.warn("this ESXi has no bootorder program: {}".format(_BY_HAND))
        return
    now = _ENTRY.findall(listed.stdout)
    if listed.status != 0 or not now:
        log.warn("bootorder lists no entries ({}): {}".format(said(listed), _BY_HAND))
        return
    desired = _order(now, before)
    if desired == now:
        log.say("the firmware's boot order is as before")
        return
    option = _setting_option(system.run((PROGRAM, "-h")).stdout)
    if not option:
        log.warn("bootorder names no option that sets the order: {}".format(_BY_HAND))
        return
    for attempt in range(_ATTEMPTS):
        if attempt:
            system.clock.sleep(_PAUSE)
        result = system.run((PROGRAM, option, ",".join(desired)))
        after = _ENTRY.findall(system.run((PROGRAM, "-l")).stdout)
        if result.status == 0 and after == desired:
            break
    else:
        log.warn("the firmware's boot order is not as before ({}): {}".format(said(result), _BY_HAND))
        return
    log.say("the firmware's boot order is as before: {}".format(", ".join(desired)))


def _order(now: "List[str]", before: "Sequence[str]") -> "List[str]":
    known = [entry.upper() for entry in before]
    old = [entry for entry in now if entry.upper() in known]
    return sorted(old, key=lambda entry: known.index(entry.upper())) + [one for one in now if one not in old]


def _setting_option(text: str) -> str:
    """The option that sets the whole order, as the help describes it; empty where no line is clear."""
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*(-[A-Za-z])\b", line)
        about = line.lower()
        if match and "order" in about and re.search(r"\b(set|change|modify)", about) and "next" not in about:
            found.append(match.group(1))
    return found[0] if len(found) == 1 else ""

"""Whether Secure Boot could be switched on: ESXi's own check is asked, and MAAS gets its answer.

Facts: ``/usr/lib/vmware/secureboot/bin/secureBoot.py -c`` prints "Secure boot can be enabled" or "Secure boot CANNOT be
enabled" and why (VMware's documents, 6.5 and later). Its exact words beside these are not documented, so they are
repeated. The machine is Deployed when this runs: nothing that goes wrong here makes it fail.

The check looks at the modules in ESXi's memory (/tardisks), too: "All tardisks validated". Ours should be out of it by
then; boot.cfg still names it, so that a power cut finds an agent that cleans up.
"""

from typing import Sequence

from esxforge_target.agent.system import System, said
from esxforge_target.contract.added_module import AddedModule
from esxforge_target.esxi.banks import MODULE
from esxforge_target.runtime.commands import COULD_NOT_START, TIMED_OUT

PHASE = "readiness"
CHECK = "/usr/lib/vmware/secureboot/bin/secureBoot.py"
SECONDS = 90.0
_LONGEST = 600
_CAN, _CANNOT = "can be enabled", "cannot be enabled"


def added_modules_forbid(modules: "Sequence[AddedModule]") -> str:
    """The sentence for a host whose boot bank keeps modules that the image added: ESXi's check is not asked there, as
    nothing is known of what it, or a start with Secure Boot on, makes of them.
    """
    return "Leave Secure Boot off: {} {} not ESXi's, and {} in the boot bank.".format(
        ", ".join("{} of {}".format(module.name, module.vib) for module in modules),
        "is" if len(modules) == 1 else "are",
        "stays" if len(modules) == 1 else "stay",
    )


def secure_boot_readiness(system: System, unloaded: bool) -> str:
    """The check's answer, or that there is none, as a sentence for MAAS. ``unloaded``: our module is out of memory."""
    result = system.run((CHECK, "-c"), SECONDS)
    if result.status == COULD_NOT_START:
        return "This ESXi has no check for Secure Boot ({}).".format(CHECK)
    if result.status == TIMED_OUT:
        return "ESXi's check for Secure Boot did not end within {:g} seconds.".format(SECONDS)
    text = " ".join((result.stdout + " " + result.stderr).split())
    hint = _hint(text, unloaded)
    if _CANNOT in text.lower():
        return "ESXi's check says that Secure Boot cannot be enabled: {}{}".format(_shortened(text), hint)
    if _CAN in text.lower() and result.status == 0:
        return "ESXi's check says that Secure Boot can be enabled.{}".format(hint)
    return "ESXi's check for Secure Boot gave an answer that is not known (status {}): {}{}".format(
        result.status, said(result), hint
    )


def _hint(text: str, unloaded: bool) -> str:
    """What our own module has to do with an answer, and how to ask again; empty where nothing."""
    again = "It is removed after this: restart the host, and run {} -c again.".format(CHECK)
    if not unloaded:
        return " ESXi was asked while esxforge's own module was still loaded. " + again
    return " This names esxforge's own module. " + again if MODULE.partition(".")[0] in text.lower() else ""


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."

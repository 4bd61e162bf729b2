"""Whether Secure Boot could be switched on: ESXi's own check is asked, and MAAS gets its answer.

Facts: ``/usr/lib/vmware/secureboot/bin/secureBoot.py -c`` prints "Secure boot can be enabled" or "Secure boot CANNOT be
enabled" and why (VMware's documents, 6.5 and later). Its exact words beside these are not documented, so they are
repeated. The machine is Deployed when this runs: nothing that goes wrong here makes it fail.
"""

from esxforge_target.agent.system import System, said
from esxforge_target.esxi.banks import MODULE
from esxforge_target.runtime.commands import COULD_NOT_START, TIMED_OUT, Result

PHASE = "readiness"
CHECK = "/usr/lib/vmware/secureboot/bin/secureBoot.py"
SECONDS = 90.0
_LONGEST = 600
_CAN, _CANNOT = "can be enabled", "cannot be enabled"


def secure_boot_readiness(system: System) -> str:
    """Return the check's answer, or that there is none, as a sentence for MAAS."""
    result = system.run((CHECK, "-c"), SECONDS)
    if result.status == COULD_NOT_START:
        return "This ESXi has no check for Secure Boot ({}).".format(CHECK)
    if result.status == TIMED_OUT:
        return "ESXi's check for Secure Boot did not end within {:g} seconds.".format(SECONDS)
    text = _text(result)
    if _CANNOT in text.lower():
        own = " esxforge's own module is removed after this." if MODULE.partition(".")[0] in text.lower() else ""
        return "ESXi's check says that Secure Boot cannot be enabled: {}{}".format(text, own)
    if _CAN in text.lower() and result.status == 0:
        return "ESXi's check says that Secure Boot can be enabled."
    return "ESXi's check for Secure Boot gave an answer that is not known (status {}): {}".format(
        result.status, said(result)
    )


def _text(result: Result) -> str:
    """All that it printed, in one line."""
    text = " ".join((result.stdout + " " + result.stderr).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."

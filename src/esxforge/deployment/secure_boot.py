"""How far a machine with Secure Boot on came, from the hook's log and MAAS's events: a pure function."""

from __future__ import annotations

from collections.abc import Sequence

from esxforge.deployment.event_log import Event
from esxforge_target.contract.secure_boot_steps import INSTALLED, PHASE, TRIED

_LOOK = "Look at the machine's screen."
_LEFT = (
    "Its disk holds esxforge's module with this host's token; do not use the host until both are gone "
    "(docs/troubleshooting.md, Secure Boot)."
)


def secure_boot_outcome(events: Sequence[Event], log: Sequence[str]) -> str:
    """Which outcome a deployment looks like that ended otherwise than Deployed; empty where Secure Boot was not tried,
    or the agent spoke. ``log`` has the hook's lines.
    """
    ours = [event for event in events if event.origin == "esxforge"]
    told = [event.text for event in ours if event.phase == PHASE]
    if any(event.number is not None and event.number[0] > 0 for event in ours):
        return ""
    if not told and not any(TRIED in line for line in log):
        return ""
    runs = "If the host answers at its address, ESXi is installed, and did not start the agent."
    if any(text in INSTALLED for text in told):
        seen = f"ESXi is installed, and the agent was not heard of. {runs} Else look at its screen: the kernel stopped."
    elif told:
        seen = f"VMware's installer started with esxforge's module, and did not say that it finished. {_LOOK}"
    else:
        seen = (
            f"Nothing was heard after the hook. {runs} Otherwise look at its screen: the boot loader refused, or the "
            "kernel or the installer stopped."
        )
    return f"Secure Boot was on and tried. {seen} {_LEFT}"

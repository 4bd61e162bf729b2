"""Claims about VIBs that an image adds: what a run with ``--add`` sees, and what must be seen before ESXi itself can be
made to install them."""

from __future__ import annotations

from esxforge.selftest.claim import INFERRED, TOOL, Area, Claim, Part, by_hand
from esxforge.selftest.evidence import Call, Evidence, Stage
from esxforge.selftest.verdicts import Verdict, contradicted, not_reached, seen

_AGENT = (Stage.FIRST_BOOT, Stage.SECOND_BOOT)
_EVENT = "esxforge/drivers"
_OPEN = "nothing yet: open"
_KB = "Broadcom KB 340031, and other people's tools"


def loaded(evidence: Evidence) -> Verdict:
    """The agent looked for each module in /tardisks, and reported them to MAAS."""
    told = [call for call in evidence.events(*_AGENT) if call.event == _EVENT]
    failed = [call for call in told if call.result == "FAIL"]
    if failed:
        return contradicted(f"The agent says: {failed[0].description}")
    if told:
        return seen(f"The agent says: {told[0].description}")
    if evidence.calls_in(*_AGENT):
        return not_reached("The agent did not get to its look at the modules.")
    return not_reached("The agent was not heard of.")


def stays(evidence: Evidence) -> Verdict:
    """After the agent's end the boot bank still loads them, and its files are there."""
    snapshot = evidence.snapshots.get(Stage.SECOND_BOOT)
    bank = snapshot.boot.current_bank if snapshot else None
    if bank is None or bank.lists_module:
        return not_reached("The agent has not left, or the boot bank cannot be read.")
    listed = [name.strip("/").lower() for name in bank.modules]
    files = {name.lower() for name, size in bank.files if size}
    missing = [name for name in evidence.added_modules if name not in listed or name not in files]
    if missing:
        return contradicted(f"The boot bank does not load {', '.join(missing)} any more.")
    later = _later(evidence)
    return seen(f"The boot bank loads {', '.join(evidence.added_modules)}{later}.")


def _later(evidence: Evidence) -> str:
    boot = evidence.boot(Stage.LATER_BOOT)
    calls: list[Call] = evidence.calls_in(Stage.LATER_BOOT)
    return ", and the host started once more" if boot is not None and not calls else ""


DRIVER_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "added-loaded", loaded, Area.DRIVERS,
        "A module that no VIB of ESXi's names is loaded by the installer, can be read back from `/tardisks`, and is "
        "loaded by the installed ESXi from its boot bank",
        TOOL, "the agent finds each module in `/tardisks`, and tells MAAS", Part.ADD,
    ),
    Claim(
        "added-stays", stays, Area.DRIVERS,
        "Such a module stays in the boot bank when the agent leaves, and ESXi starts with it",
        INFERRED, "the boot bank's boot.cfg and files after the agent's end", Part.ADD,
    ),
    Claim(
        "added-taken", by_hand, Area.DRIVERS,
        "ESXi takes a driver from such a module: in the installer, and on the installed host",
        _OPEN, "add the driver of a NIC that the ISO does not know: the installer finds the NIC, and `esxcli network "
        "nic list` names the driver", Part.BY_HAND,
    ),
    Claim(
        "vib-bank", by_hand, Area.DRIVERS,
        "`esxcli software vib install` writes the other boot bank, and makes it the next to start",
        _KB, "both boot.cfgs before and after an installation with a restart", Part.BY_HAND,
    ),
    Claim(
        "vib-foreign", by_hand, Area.DRIVERS,
        "Modules that no VIB names are not in the bank that an installation or an update writes",
        _KB, "`modules=` of both boot.cfgs after an installation on a host with an added module", Part.BY_HAND,
    ),
    Claim(
        "vib-state", by_hand, Area.DRIVERS,
        "After a live installation `backup.sh` saves to the other bank",
        "a published backup.sh", "the times of `state.tgz` in both banks after `/sbin/auto-backup.sh`", Part.BY_HAND,
    ),
    Claim(
        "vib-roll-back", by_hand, Area.DRIVERS,
        "A power cut in the first start of the new bank makes the boot loader take the old one",
        "VMware's loader, read", "cut the power in that start; `bootstate=` of both banks", Part.BY_HAND,
    ),
)  # fmt: skip

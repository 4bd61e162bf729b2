"""The last ``%post``: whatever the user's sections did, the next boot starts the agent, which gets all reports.

Ours ran first. A script of the user's may have removed the module from the bank since, or have rewritten its boot.cfg:
then it is put back, beside the script's changes. All reports go into the module, for the agent.
"""

import os
import sys
from typing import List, Optional

from esxforge_target.contract.install_record import InstallRecord
from esxforge_target.contract.names import DESIRED_HOST, INSTALL_RECORD
from esxforge_target.esxi.banks import BOOT_CFG, MODULE, banks_on, module_name
from esxforge_target.formats import tar_module
from esxforge_target.installer.added_modules import read_bank, with_modules
from esxforge_target.installer.bank_module import bank_module
from esxforge_target.installer.environment import Installer
from esxforge_target.installer.post import DISTURBED, added_modules, find_bank, keep_log, put_modules, room_for
from esxforge_target.installer.step import STATE, run_step
from esxforge_target.installer.user_script import add_note, noted, notes, power_wishes
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report


def main(installer: "Optional[Installer]" = None) -> int:
    """Return the section's exit status: 0 only if the agent will start on the installed host."""
    return run_step(installer or Installer(), check, DISTURBED)


def check(installer: Installer, report: Report) -> None:
    """Raises ForgeError if the agent would not start."""
    installed = install_record(installer, report)
    bank, cfg = find_bank(installer, installed.device, report)
    for sentence in noted("a script of your kickstart", power_wishes(installer)):
        add_note(installer, sentence)
    sentences = notes(installer)
    there = installer.bank_files.read(bank.file(MODULE))
    first = bank_module(installer, installed)
    desired = bank_module(installer, installed.replace(notices=tuple(sentences)))
    added, is_complete = read_bank(installer, bank, added_modules(installer))
    is_listed = with_modules(cfg, [one for one, _ in added]).with_module(module_name(cfg)).to_bytes() == cfg.to_bytes()
    if there not in (first, desired):
        report.warn("{} was changed or removed after it was written; it is put back".format(bank.file(MODULE)))
    if not is_listed:
        report.warn("{} does not load {} any more; that is put back".format(bank.file(BOOT_CFG), MODULE))
    if there == first and is_listed and desired != first and not room_for(bank, len(desired)):
        report.warn("the boot bank has no room for a report to MAAS; the log alone has it")
        desired = first
    if not is_complete:
        report.warn("a module of a VIB was changed or removed after it was written; it is put back")
    if there == desired and is_listed and is_complete:
        report.say("checked: the agent is in the boot bank")
    else:
        put_modules(installer, report, bank, cfg, desired, added)
    keep_log(installer, bank, report)


def install_record(installer: Installer, report: Report) -> InstallRecord:
    """Return the first ``%post``'s record; from the module that it wrote, if a script has removed the note."""
    if not os.path.exists(installer.locate(STATE)):
        report.warn("{} was removed; the module in the boot bank is read instead".format(STATE))
        return _recorded_in_bank(installer)
    state = installer.document(STATE, "esxforge's first %post section writes it; has it run?")
    if not isinstance(state.get("installed"), str):
        raise ForgeError("esxforge's first %post section has not come to its end.", "Deploy the machine again.")
    return InstallRecord.from_json(state["installed"])


def _recorded_in_bank(installer: Installer) -> InstallRecord:
    """Return the record in the one bank module that belongs to this deployment. Raises ForgeError."""
    desired = installer.read(DESIRED_HOST)
    found = []  # type: List[InstallRecord]
    for device in sorted(installer.devices.identities_found()):
        for bank in banks_on(device, installer.runner, installer.bank_files):
            module = installer.bank_files.read(bank.file(MODULE))
            try:
                entries = {entry.name: entry.data for entry in tar_module.read(module)} if module else {}
                record = InstallRecord.from_json(
                    entries.get(INSTALL_RECORD.lstrip("/"), b"").decode("ascii", "replace")
                )
            except ForgeError:
                continue  # another module than ours, or a damaged one
            if entries.get(DESIRED_HOST.lstrip("/")) == desired and record.device == device:
                found.append(record)
    if len(found) != 1:
        raise ForgeError(
            "{} was removed, and {} boot banks have this deployment's module.".format(STATE, len(found)),
            "Does a %post of your kickstart remove files of /esxforge? Leave them alone, and deploy again.",
        )
    return found[0]


if __name__ == "__main__":
    sys.exit(main())

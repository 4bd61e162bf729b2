"""``%post``: put the host module into the boot bank of the disk that ESXi was just installed on.

boot.cfg is edited last: until then the bank boots plain ESXi, and from then on it has the module.
"""

import json
import sys
from typing import Optional, Sequence, Tuple

from esxforge_target.contract.added_module import AddedModule
from esxforge_target.contract.host_record import HostRecord
from esxforge_target.contract.install_record import InstallRecord
from esxforge_target.contract.names import HOST_RECORD, INSTALL_INCLUDE, INSTALLER_LOG, ROOT_PASSWORD_INCLUDE
from esxforge_target.contract.secure_boot_steps import INSTALLED
from esxforge_target.esxi.banks import BOOT_CFG, MODULE, Bank, bank_to_boot, banks_on, module_name, why_none
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.installer.added_modules import Zipped, not_written, read_modules, with_modules, write_modules
from esxforge_target.installer.bank_module import bank_module
from esxforge_target.installer.environment import LOG, Installer
from esxforge_target.installer.step import STATE, report_event, run_step
from esxforge_target.runtime.documents import ONE_LINE, Record, Shape, check_document
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report

DISTURBED = "ESXi is installed, but would NOT be set up for MAAS:"
_LONGEST_LOG = 65536
# What is written beside the module: two logs (together at most 600 KiB), the inventory, the journal, boot.cfg, and
# ESXi's own configuration, which is written beside its former one. FAT gives out clusters of up to 64 KiB.
_SPARE_BYTES = 2 << 20
# The second is there where this section runs again.
_STATE = Shape(Record({"device": Shape(str, low=1, form=ONE_LINE), "installed": Shape(str, absent=True)}))
_TRIES = 4
_PAUSE = 10.0
_RESCAN_SECONDS = 120.0


def main(installer: "Optional[Installer]" = None) -> int:
    """The section's exit status: 0 only if the agent will start on the installed host."""
    return run_step(installer or Installer(), finish, DISTURBED)


def finish(installer: Installer, report: Report) -> None:
    """Raises ForgeError where the agent would not start."""
    hint = "esxforge's %pre section writes it; has it run?"
    state = check_document(installer.document(STATE, hint), _STATE, STATE, "state", hint)
    device = str(state["device"])
    bank, cfg = find_bank(installer, device, report)
    report.say("{}: ESXi {} boots from partition {} ({})".format(device, cfg.build, bank.partition, bank.path))
    installed = InstallRecord(device, disk_guid(installer, device), cfg.build)
    if not installed.disk_guid:
        report.warn("{} has no GPT; the agent will know the boot disk by its name alone".format(device))
    module = bank_module(installer, installed)
    added = read_modules(installer, added_modules(installer))
    missing = not_written(installer, bank, cfg, added)
    check_room(bank, len(module) + sum(len(data) for _, data in missing))
    put_modules(installer, report, bank, cfg, module, added)
    for path in (INSTALL_INCLUDE, ROOT_PASSWORD_INCLUDE):
        installer.remove(path)
    installer.write(
        STATE, json.dumps(dict(state, installed=installed.to_json()), sort_keys=True).encode("ascii") + b"\n"
    )
    if HostRecord.from_json(installer.text(HOST_RECORD)).secure_boot:
        report_event(installer, report, INSTALLED)


def added_modules(installer: Installer) -> "Tuple[AddedModule, ...]":
    """The modules of VIBs that the image adds. Raises ForgeError."""
    return HostRecord.from_json(installer.text(HOST_RECORD)).modules


def put_modules(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
    installer: Installer, report: Report, bank: Bank, cfg: BootCfg, module: bytes, added: "Sequence[Zipped]"
) -> None:
    """Write the agent's module and those of VIBs, then list all of them at once in boot.cfg. Raises DiskError."""
    files = installer.bank_files
    write_modules(installer, report, bank, added)
    if added:  # the agent's module stays the last one
        cfg = with_modules(cfg.without_module(module_name(cfg)), [one for one, _ in added])
    files.write(bank.file(MODULE), module)
    report.say("{}: {} bytes, written and read back".format(bank.file(MODULE), len(module)))
    # Said before it is done, as the log goes into the bank first.
    report.say("{}: {} will be loaded on every boot, until the agent has finished".format(bank.file(BOOT_CFG), MODULE))
    keep_log(installer, bank, report)
    files.write(bank.file(BOOT_CFG), cfg.with_module(module_name(cfg)).to_bytes())


def keep_log(installer: Installer, bank: Bank, report: Report) -> None:
    """Put our log into the bank: the RAM disk that it stands in ends with the installer. Its loss stops nothing."""
    try:
        installer.bank_files.write(bank.file(INSTALLER_LOG), installer.read(LOG)[-_LONGEST_LOG:])
    except ForgeError as error:
        report.warn("this log is not kept: {}".format(error.message))


def find_bank(installer: Installer, device: str, report: Report) -> "Tuple[Bank, BootCfg]":
    """The bank that the boot loader will take, with its boot.cfg. Raises ForgeError with what was found instead."""
    banks = ()  # type: Tuple[Bank, ...]
    for attempt in range(_TRIES):
        banks = banks_on(device, installer.runner, installer.bank_files)
        chosen = bank_to_boot(banks)
        if chosen is not None and chosen.cfg is not None:
            return chosen, chosen.cfg
        if attempt < _TRIES - 1:
            report.say("no boot bank of {} is mounted yet; ESXi is asked to look again".format(device))
            installer.runner.run(["localcli", "storage", "filesystem", "rescan"], _RESCAN_SECONDS)
            installer.clock.sleep(_PAUSE)
    raise ForgeError(
        "{} has no boot bank that ESXi's boot loader would take ({}).".format(
            device, "; ".join(why_none(banks)) or "none found"
        ),
        "See the installer's own log (/var/log/esxi_install.log) for why it did not finish; then deploy the machine "
        "again.",
    )


def disk_guid(installer: Installer, device: str) -> str:
    """The disk GUID of the label that the installer has written; empty if there is none that can be read."""
    stamps = installer.devices.identities_found([device]).get(device, ())
    return str(stamps[0].disk_guid) if stamps else ""


def room_for(bank: Bank, length: int) -> bool:
    """Return whether a module of this length fits into the bank besides what is there, as far as ESXi tells."""
    return not 0 <= bank.free < length + _SPARE_BYTES


def check_room(bank: Bank, length: int) -> None:
    """Raise ForgeError if the module does not fit into the bank."""
    if not room_for(bank, length):
        raise ForgeError(
            "{} (partition {} of {}) has {} bytes free; the host module needs {}.".format(
                bank.path, bank.partition, bank.device, bank.free, length + _SPARE_BYTES
            ),
            "Use an image without additional drivers and tools, or a larger boot disk: from 7.0 on the size of the "
            "boot banks follows that of the disk.",
        )


if __name__ == "__main__":
    sys.exit(main())

"""``%pre``: find the stamped disk, overwrite the secrets on it, write the lines that the kickstart includes.

In this order, so that a stop anywhere leaves no install line: without it ESXi's installer installs nothing.
"""

import json
import shlex
import sys
from typing import List, Optional

from esxforge_target.contract.desired_document import desired_host_from_json
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.errors import ContractError
from esxforge_target.contract.host_record import HostRecord
from esxforge_target.contract.names import (
    DESIRED_HOST,
    HOST_RECORD,
    INSTALL_INCLUDE,
    ROOT_PASSWORD_INCLUDE,
    SECRETS,
)
from esxforge_target.contract.secret_sectors import overwrite
from esxforge_target.contract.secrets import Secrets
from esxforge_target.contract.secure_boot_steps import INSTALLER_RUNS
from esxforge_target.installer.added_modules import check_loaded
from esxforge_target.installer.environment import Installer
from esxforge_target.installer.stamped_disks import Found, find_boot_disk
from esxforge_target.installer.step import STATE, report_event, run_step
from esxforge_target.runtime.blocks import DiskError
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report

NO_DATASTORE = "--novmfsondisk"


def main(installer: "Optional[Installer]" = None) -> int:
    """The section's exit status: 0 only if ESXi may be installed."""
    return run_step(installer or Installer(), prepare, "ESXi was NOT installed:")


def prepare(installer: Installer, report: Report) -> None:
    """Raises ForgeError where ESXi must not be installed."""
    for path in (INSTALL_INCLUDE, ROOT_PASSWORD_INCLUDE, STATE):
        installer.remove(path)
    record = HostRecord.from_json(installer.text(HOST_RECORD))
    if record.secure_boot:
        report_event(installer, report, INSTALLER_RUNS)
    check_loaded(installer, record.modules)  # %post puts them into the boot bank: too late to learn that it cannot
    desired = desired_host_from_json(installer.text(DESIRED_HOST))
    raw = installer.read(SECRETS)
    root_password = Secrets.from_bytes(raw).root_password
    found = find_boot_disk(installer, desired, report)
    line = install_line(found.device, desired, list(record.install_options))
    if NO_DATASTORE in [word.lower() for word in record.install_options] and NO_DATASTORE not in line.split():
        report.warn("{} of your kickstart is left out: MAAS asks for a datastore on the boot disk".format(NO_DATASTORE))
    overwrite_secrets(installer, found, record, raw)
    report.say("the secrets on {} are overwritten".format(found.device))
    installer.write(STATE, json.dumps({"device": found.device}, sort_keys=True).encode("ascii") + b"\n")
    installer.write(ROOT_PASSWORD_INCLUDE, root_password.encode("ascii") + b"\n")
    installer.write(INSTALL_INCLUDE, line.encode("ascii") + b"\n")
    report.say("the installer gets: {}".format(line))


def install_line(device: str, desired: DesiredHost, options: "List[str]") -> str:
    """The ``install`` command for this disk. MAAS's layout decides whether it gets a datastore; where that names none
    anywhere, the user's ``--novmfsondisk`` does.

    ``--overwritevmfs`` is always said: the disk is MAAS's to wipe, and 6.x stops at a VMFS partition without it.
    ``--disk`` is taken by all releases, 9.x too, and means that the system stays on this one disk.
    """
    words = ["install", "--disk=" + shlex.quote(device), "--overwritevmfs"]
    others = [word for word in options if word.lower() != NO_DATASTORE]
    if desired.boot_datastore() is None and (desired.datastores or len(others) < len(options)):
        words.append(NO_DATASTORE)
    return " ".join(words + [shlex.quote(word) for word in others])


def overwrite_secrets(installer: Installer, found: Found, record: HostRecord, raw: bytes) -> None:
    """Overwrite the secrets on the boot disk, where the hook says that they stand. Raises ForgeError."""
    if record.secrets is None:
        raise ContractError("host.json does not say where on the boot disk the secrets are.", "Redeploy the machine.")
    try:
        with installer.open_disk(found.device, found.sector_size, writable=True) as disk:
            overwrite(disk, record.secrets.offset, record.secrets.length, raw)
    except DiskError as error:
        raise ForgeError(
            "The secrets cannot be overwritten: {}".format(error.message), error.hint or "Replace the boot disk."
        ) from error


if __name__ == "__main__":
    sys.exit(main())

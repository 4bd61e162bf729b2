"""``%pre``: find the stamped disk, overwrite the secrets on it, write the lines that the kickstart includes.

In this order, so that a stop anywhere leaves no install line: without it ESXi's installer installs nothing.
"""

import json
import shlex
import sys
from typing import Any, Dict, List, Optional

from esxforge_target.contract.desired_document import desired_host_from_json
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.secret_sectors import is_overwritten, overwrite
from esxforge_target.hook.kickstart import INSTALL_LINE, ROOT_PASSWORD
from esxforge_target.installer.environment import Installer
from esxforge_target.installer.stamped_disks import Found, find_boot_disk
from esxforge_target.installer.step import DESIRED, HOST, SECRETS, STATE, run_step
from esxforge_target.runtime.blocks import DiskError
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report

# They make ESXi's installer stop on a disk that no vSAN claims, and the image has replaced what stood on this one.
_DROPPED = ("--overwritevsan",)


def main(installer: "Optional[Installer]" = None) -> int:
    """The section's exit status: 0 only if ESXi may be installed."""
    return run_step(installer or Installer(), prepare, "ESXi was NOT installed:")


def prepare(installer: Installer, report: Report) -> None:
    """Raises ForgeError where ESXi must not be installed."""
    for path in (INSTALL_LINE, ROOT_PASSWORD, STATE):
        installer.remove(path)
    host = installer.document(HOST)
    desired = desired_host_from_json(installer.read(DESIRED).decode("ascii", "replace"))
    raw = installer.read(SECRETS)
    root_password = root_password_line(raw)
    found = find_boot_disk(installer, desired, report)
    options = [word for word in host["install_options"] if word.split("=")[0].lower() not in _DROPPED]
    for word in [word for word in host["install_options"] if word not in options]:
        report.warn("{} of your kickstart is left out: no vSAN claims the boot disk any more".format(word))
    line = install_line(found.device, desired, options)
    overwrite_secrets(installer, found, host, raw)
    report.say("the secrets on {} are overwritten".format(found.device))
    installer.write(STATE, json.dumps({"device": found.device}, sort_keys=True).encode("ascii") + b"\n")
    installer.write(ROOT_PASSWORD, root_password.encode("ascii") + b"\n")
    installer.write(INSTALL_LINE, line.encode("ascii") + b"\n")
    report.say("the installer gets: {}".format(line))


def root_password_line(secrets: bytes) -> str:
    """The kickstart's line with root's password. Raises ForgeError without repeating anything of the file."""
    if is_overwritten(secrets):
        raise ForgeError(
            "This deployment's secrets were used by an earlier start of the installer and are overwritten.",
            "The machine lost its power, or was restarted, while ESXi was being installed. Deploy it again.",
        )
    try:
        return str(json.loads(secrets.decode("ascii"))["rootpw"])
    except (ValueError, KeyError, TypeError):
        raise ForgeError("{} is damaged.".format(SECRETS), "Deploy the machine again.") from None


def install_line(device: str, desired: DesiredHost, options: "List[str]") -> str:
    """The ``install`` command for this disk. MAAS's layout decides whether it gets a datastore.

    ``--overwritevmfs`` is always said: the disk is MAAS's to wipe, and 6.x stops at a VMFS partition without it.
    ``--disk`` is taken by all releases, 9.x too, and means that the system stays on this one disk.
    """
    words = ["install", "--disk=" + shlex.quote(device), "--overwritevmfs"]
    if desired.datastores and desired.boot_datastore() is None:
        words.append("--novmfsondisk")
    return " ".join(words + [shlex.quote(word) for word in options])


def overwrite_secrets(installer: Installer, found: Found, host: "Dict[str, Any]", raw: bytes) -> None:
    """Overwrite the secrets wherever the hook says that they stand. Raises ForgeError."""
    own = str(host["disk_guids"][host["boot_disk"]])
    for extent in host["secrets"]:
        if extent["disk_guid"] != own:
            raise ForgeError(
                "The secrets are not on the boot disk, as far as {} tells.".format(HOST), "Deploy the machine again."
            )
        try:
            with installer.open_disk(found.device, found.sector_size, writable=True) as disk:
                overwrite(disk, extent["offset"], extent["length"], raw)
        except DiskError as error:
            raise ForgeError(
                "The secrets cannot be overwritten: {}".format(error.message), error.hint or "Replace the boot disk."
            ) from error


if __name__ == "__main__":
    sys.exit(main())

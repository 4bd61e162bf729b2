"""``%pre`` of a golden build: find the blank disk that carries the build's stamp, and name it to the installer.

The virtual machine has one disk besides the boot medium, but what ESXi calls it depends on release and controller.
"""

import shlex
import sys
from typing import Optional

from esxforge_target.contract.golden_record import GoldenRecord
from esxforge_target.contract.names import GOLDEN_RECORD, INSTALL_INCLUDE
from esxforge_target.installer.environment import Installer
from esxforge_target.installer.stamped_disks import seen_disks
from esxforge_target.installer.step import run_step
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report

_TRIES = 6
_PAUSE = 10.0


def main(installer: "Optional[Installer]" = None) -> int:
    """The section's exit status: 0 only if ESXi may be installed."""
    return run_step(installer or Installer(), prepare, "ESXi was NOT installed:", tell_maas=False)


def prepare(installer: Installer, report: Report) -> None:
    """Write the install line. Raises ForgeError where the disk is not there just once."""
    installer.remove(INSTALL_INCLUDE)
    build = GoldenRecord.from_json(installer.text(GOLDEN_RECORD))
    device = find_disk(installer, build.disk_guid, report)
    # No datastore: golden images carry none. The disk is blank but for its stamp.
    words = ["install", "--disk=" + shlex.quote(device), "--overwritevmfs", "--novmfsondisk"]
    options = [word for word in build.install_options if word.lower() not in words]
    line = " ".join(words + [shlex.quote(word) for word in options])
    installer.write(INSTALL_INCLUDE, line.encode("ascii") + b"\n")
    report.say("the installer gets: {}".format(line))


def find_disk(installer: Installer, stamp: str, report: Report) -> str:
    """The device with the stamp."""
    for attempt in range(_TRIES):
        stamps = installer.devices.identities_found()
        found = sorted(name for name in stamps if stamp in [str(one.disk_guid) for one in stamps[name]])
        if len(found) == 1:
            return found[0]
        if found or attempt == _TRIES - 1:
            break
        report.say("the blank disk is not there yet")
        installer.clock.sleep(_PAUSE)
    seen = "; ".join(seen_disks(installer, stamps)) or "no disk at all"
    raise ForgeError(
        "{} disks carry the stamp of this build's blank disk. ESXi sees: {}.".format(len(found), seen),
        "ESXi may lack a driver for the virtual machine's disk controller: it has SATA from 7.0 on, IDE on 6.x.",
    )


if __name__ == "__main__":
    sys.exit(main())

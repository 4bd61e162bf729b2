"""How far an unattended install is, read from the serial console's text and the disk's growth. Pure functions.

The texts: the boot loader's from vmware/esx-boot (``Shutting down firmware services...``, ``Relocating modules and
starting up the kernel...``); the VMkernel's log lines carry ``cpuN:WORLD)``; the installer's as public recordings
show them.
"""

from __future__ import annotations

import re
from enum import IntEnum


class Phase(IntEnum):
    """The phases in their order."""

    FIRMWARE = 0
    BOOT_LOADER = 1
    KERNEL = 2
    INSTALLER = 3
    WRITING = 4
    FINISHED = 5


SENTENCES = {
    Phase.FIRMWARE: "The firmware starts",
    Phase.BOOT_LOADER: "The boot loader reads the installer",
    Phase.KERNEL: "The installer's kernel starts",
    Phase.INSTALLER: "The installer reads the kickstart",
    Phase.WRITING: "The installer writes the disk",
    Phase.FINISHED: "The installer is done; the machine powers off",
}

_MARKERS = (
    (
        Phase.BOOT_LOADER,
        re.compile(r"Loading (?:VMware )?ESXi|Loading /\S+\.\w{2,3}\b|Shutting down firmware"),
    ),
    (Phase.KERNEL, re.compile(r"Relocating modules and starting up the kernel|\bcpu\d+:\d+\)|VMB: ")),
    (Phase.INSTALLER, re.compile(r"\bweasel\b|Welcome to the VMware ESXi|[Ss]cripted installation|ks\.cfg|KS\.CFG")),
    (Phase.FINISHED, re.compile(r"Installation [Cc]omplete|[Pp]owering off|System halted|reboot: Power down")),
)
# The installer touches partition tables while it looks around; an installed system is hundreds of megabytes.
_GROWTH_OF_AN_INSTALL = 16 << 20


def phase_of(serial_text: str, disk_growth: int, before: Phase = Phase.FIRMWARE) -> Phase:
    """The phase reached; never less than ``before``.

    ``disk_growth``: bytes that the target disk's file takes up now, beyond those at the start.
    """
    reached = [phase for phase, marker in _MARKERS if marker.search(serial_text)]
    if disk_growth >= _GROWTH_OF_AN_INSTALL:
        reached.append(Phase.WRITING)
    return max(before, *reached, Phase.FIRMWARE)

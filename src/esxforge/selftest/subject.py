"""The subject of a test: the ISO's identity, and the tools and machine used."""

from __future__ import annotations

import re
from pathlib import Path

from esxforge import __version__
from esxforge.checks.computer import ThisComputer
from esxforge.media.installer import InstallerMedia
from esxforge.media.release import PROFILE
from esxforge.selftest.evidence import Subject
from esxforge.standin_iso.texts import MARK
from esxforge.vm.deployed import Changes
from esxforge.vm.firmware import find_ovmf
from esxforge.vm.hardware import QEMU, Accelerator, Chipset, hardware_for


def subject_of(
    media: InstallerMedia, iso_sha256: str, image_sha256: str, accelerator: Accelerator, changes: Changes
) -> Subject:
    """Return the subject of a run. Raises ForgeError if there is no firmware."""
    release = media.release
    return Subject(
        iso_sha256,
        media.size,
        release.version,
        release.build,
        release.update,
        release.profile,
        release.vendor,
        is_standin(media),
        image_sha256,
        __version__,
        ThisComputer().program_version(QEMU) or "unknown",
        accelerator.value,
        find_ovmf(hardware_for(release.version).chipset).code.name,
        _processor(),
        _hardware(release.version, changes),
    )


def is_standin(media: InstallerMedia) -> bool:
    """Return whether esxforge made this ISO."""
    profile = media.find(PROFILE)
    if profile is None:
        return False
    with media.path.open("rb") as stream:
        stream.seek(profile.content.offset)
        return MARK.encode() in stream.read(profile.content.length)


def _hardware(release: str, changes: Changes) -> str:
    hardware = hardware_for(release)
    disks = "SATA" if hardware.chipset is Chipset.Q35 else "IDE"
    return (
        f"{hardware.chipset.value}, {changes.cpus or hardware.cpus} cores, "
        f"{changes.memory_mib or hardware.memory_mib} MiB, two {disks} disks, "
        f"two {(changes.card or hardware.card).value}"
    )


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        return "unknown"
    return found[1] if found else "unknown"

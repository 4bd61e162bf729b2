"""What is decided before anything is done: no machine is needed for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class InstallationError(Exception):
    """The installation failed, and why."""


def kernel_parameter(command_line: str, name: str) -> str:
    """The value of ``name=…`` on the kernel's command line. Raises InstallationError."""
    for word in command_line.split():
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    raise InstallationError(f"there is no {name}= on the kernel's command line")


def disk_entries(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The disks of a storage configuration."""
    return [entry for entry in config["storage"]["config"] if entry["type"] == "disk"]


def by_serial(names: Iterable[str], serial: str) -> str:
    """The first name in /dev/disk/by-id that contains the serial. Raises InstallationError."""
    found = sorted(name for name in names if serial in name and not re.search(r"-part\d+\Z", name))
    if not found:
        raise InstallationError(f"no disk with serial '{serial}' found")
    return found[0]


def boot_device(
    config: Mapping[str, Any], by_id: Mapping[str, str], devices: Iterable[str], warn: Callable[[str], None]
) -> str:
    """The device that the image goes to. ``by_id`` maps names in /dev/disk/by-id to ``devices``, which are all."""
    for entry in disk_entries(config):
        if entry.get("grub_device") and entry.get("serial"):
            return by_id[by_serial(by_id, entry["serial"])]
    warn("no disk with a serial is the boot disk: the first disk is taken")
    return min(devices)


def wiped_devices(config: Mapping[str, Any], by_id: Mapping[str, str], boot: str) -> list[str]:
    """The devices of all disks in the configuration; one without a serial is taken for the boot disk."""
    entries = disk_entries(config)
    return [by_id[by_serial(by_id, entry["serial"])] if entry.get("serial") else boot for entry in entries]

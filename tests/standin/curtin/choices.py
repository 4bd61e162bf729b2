"""Decisions of curtin 23.1.1 about disks, without a machine: which are cleared, and which one the image goes to.

Facts from canonical/curtin: ``block/__init__.py`` (lookup of a serial, installable disks), ``commands/block_meta.py``
(devices to clear, the simple mode that images are written with).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_FALSE = (False, None, 0, "0", "False", "false", "None", "none", "")
_BY_ID = "/dev/disk/by-id/"


class InstallationError(Exception):
    """The installation failed; the text is the reason."""


class LookupFailedError(InstallationError):
    """No such disk or partition on this machine."""


@dataclass(frozen=True)
class Devices:
    """Block devices of a machine.

    ``by_id``: names in /dev/disk/by-id, partitions' included, in the order in which the directory lists them, with the
    device of each. ``present``: all devices, partitions included. ``installable``: names of disks without /dev/, in
    the order of lsblk, that are writable, not removable, of 1 GiB or more and have nothing mounted.
    """

    by_id: Mapping[str, str]
    present: Collection[str]
    installable: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, path: str) -> str:
        """The device that a path leads to."""
        return self.by_id.get(path.removeprefix(_BY_ID), self.links.get(path, path))


def is_true(value: object) -> bool:
    """A value of the configuration as a truth value."""
    return value not in _FALSE


def kernel_parameter(command_line: str, name: str) -> str:
    """The value of ``name=…`` on the kernel's command line. Raises InstallationError."""
    for word in command_line.split():
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    raise InstallationError(f"there is no {name}= on the kernel's command line")


def lookup_disk(devices: Devices, serial: str) -> str:
    """The device with the shortest name in by-id that contains ``serial``. Raises LookupFailedError.

    Of names of one length the first that the directory lists wins, which is not settled: the file system decides.
    """
    part = serial.replace(" ", "_")
    found = sorted((name for name in devices.by_id if part in name), key=len)
    if not found:
        raise LookupFailedError(f"no disk with serial '{part}' found")
    device = devices.by_id[found[0]]
    if device not in devices.present:
        raise LookupFailedError(f"the device {device} of serial '{part}' does not exist")
    return device


def disk_path(devices: Devices, entry: Mapping[str, Any]) -> str:
    """The device of a disk's entry: by wwn, else by serial, else by path. Raises LookupFailedError."""
    for key in ("wwn", "serial", "path"):
        if not entry.get(key):
            continue
        try:
            device = devices.resolve(entry[key]) if key == "path" else lookup_disk(devices, entry[key])
        except LookupFailedError:
            continue
        if device in devices.present:
            return device
    raise LookupFailedError(f"no device for the disk {entry.get('id')}")


def partition_path(devices: Devices, entry: Mapping[str, Any], disks: Mapping[str, Mapping[str, Any]]) -> str:
    """The device of a partition's entry, whether it exists or not. Raises LookupFailedError where its disk does not."""
    disk = disk_path(devices, disks.get(str(entry.get("device")), {}))
    return f"{disk}{'p' if disk[-1].isdigit() else ''}{entry['number']}"


def devices_to_clear(config: Mapping[str, Any], devices: Devices) -> list[str]:
    """Disks and partitions that are marked ``wipe`` in the configuration; those that are missing are skipped."""
    entries = storage_entries(config)
    disks = {str(entry.get("id")): entry for entry in entries if entry.get("type") == "disk"}
    found = []
    for entry in entries:
        if entry.get("type") not in ("disk", "partition") or not is_true(entry.get("wipe")):
            continue
        is_disk = entry["type"] == "disk"
        if is_disk and is_true(entry.get("preserve")):
            raise InstallationError(f"the disk {entry.get('id')} has both wipe and preserve")
        try:
            device = disk_path(devices, entry) if is_disk else partition_path(devices, entry, disks)
        except LookupFailedError:
            continue
        if device in devices.present:
            found.append(device)
    return found


def target_device(
    config: Mapping[str, Any], devices: Devices, cleared: Sequence[str], warn: Callable[[str], None]
) -> str:
    """The device that the image goes to. Raises InstallationError.

    It is the boot disk (``grub_device``) by its serial alone. Without one, or where no disk has it, the image goes to
    the first of ``cleared`` by the device's name, whatever that disk is for. ``devices``: as they are once these are
    cleared.
    """
    for entry in storage_entries(config):
        if entry.get("serial") is None:
            continue
        try:
            device = lookup_disk(devices, entry["serial"])
        except LookupFailedError:
            continue
        if entry.get("grub_device"):
            return device
    choice = list(dict.fromkeys(cleared))
    if not choice:
        choice = list(devices.installable)
        warn(f"no devices given; unused: {choice}")
    if not choice:
        raise InstallationError("there is no disk to install on")
    if len(choice) == 1:
        return _with_directory(choice[0])
    warn("several devices given")
    there = [device for device in map(_with_directory, choice) if device in devices.present]
    if not there:
        raise InstallationError(f"none of {choice} is there any more")
    target = min(there)
    warn(f"using {target}, the first that is there")
    return target


def storage_entries(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of the storage configuration; none where there is no such section."""
    return list((config.get("storage") or {}).get("config") or [])


def _with_directory(name: str) -> str:
    return name if name.startswith("/dev/") else f"/dev/{name}"

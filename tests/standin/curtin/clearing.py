"""Everything on disks taken down and wiped, with the system's own tools: RAID, LVM, encryption, partitions.

In the order and to the extent of canonical/curtin 23.1.1 (``block/clear_holders.py``, ``block/__init__.py``): the first
and the last MiB of every layer and of the disk are zeros afterwards, and nothing holds them.
"""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from standin.curtin.choices import InstallationError
from standin.curtin.commands import CommandError, Log
from standin.curtin.holders import Layer, drawn, layer_of, teardown_order

MEBIBYTE = 1 << 20
_SYS = Path("/sys/class/block")
_RELEASE_WAIT = 60.0
# There is no udev daemon here to wait for.
NO_UDEV = ("--config", "activation { udev_sync=0 udev_rules=0 } devices { use_devicesfile=0 }")


def zero_ends(path: str, *, exclusive: bool = True) -> None:
    """Zeros over the first and the last MiB. Raises OSError, also where a block device is in use."""
    is_device = stat.S_ISBLK(os.stat(path).st_mode)
    descriptor = os.open(path, os.O_RDWR | (os.O_EXCL if exclusive and is_device else 0))
    with os.fdopen(descriptor, "r+b", buffering=0) as disk:
        size = disk.seek(0, os.SEEK_END)
        for start in (0, max(0, size - MEBIBYTE)):
            disk.seek(start)
            disk.write(bytes(min(MEBIBYTE, size - start)))
        os.fsync(disk.fileno())


def clear(devices: Iterable[str], log: Log) -> None:
    """Start what RAID and LVM find, then take down and wipe all that lies on ``devices`` (disks and partitions).

    Raises InstallationError or OSError where something is in the way.
    """
    _assemble(log)
    names = [device.removeprefix("/dev/") for device in devices]
    layers = [layer_of(name) for name in names]
    log.say("\n".join(["Current device storage tree:", *drawn(layers)]))
    for layer in teardown_order(layers):
        if (_SYS / layer.name).exists():
            log.say(f"shutdown of {layer.kind} {layer.name}")
            _take_down(layer, log)
    left = [line for name in names if (_SYS / name).exists() for line in drawn(_held(layer_of(name)))]
    if left:
        raise InstallationError("\n".join(["Storage not clear, remaining:", *left]))


def _held(layer: Layer) -> list[Layer]:
    return [one for one in layer.above if one.kind != "partition" or _held(one)]


def _assemble(log: Log) -> None:
    _try(["mdadm", "--assemble", "--scan"], log)
    activate_volume_groups(log)


def activate_volume_groups(log: Log) -> None:
    """Make LVM's volumes appear. One that lacks a disk is no error."""
    _try(["lvm", "vgchange", "--activate=y", *NO_UDEV], log)


def _take_down(layer: Layer, log: Log) -> None:
    device = f"/dev/{layer.name}"
    if layer.kind == "lvm":
        _remove_volume(layer.name, log)
    elif layer.kind == "raid":
        _stop_array(device, log)
    elif layer.kind == "crypt":
        log.run(["dmsetup", "remove", device])
    else:
        _wipe(device, log)
        if layer.kind == "disk" and any(one.kind == "partition" for one in layer.above):
            log.run(["blockdev", "--rereadpt", device], allowed=(0, 1))


def _wipe(device: str, log: Log, *, exclusive: bool = True) -> None:
    log.say(f"wiping superblock on {device}")
    log.run(["wipefs", "--all", "--force", device])
    zero_ends(device, exclusive=exclusive)


def _remove_volume(name: str, log: Log) -> None:
    (full,) = _answers(["dmsetup", "info", "-c", "--noheadings", "-o", "vg_name,lv_name", f"/dev/{name}"])
    group, volume = full.split(":")
    if (_SYS / name / "ro").read_text().strip() == "0":
        _wipe(f"/dev/{name}", log, exclusive=False)
    members = _answers(["lvm", "vgs", "--noheadings", "-o", "pv_name", *NO_UDEV, group])
    log.run(["lvm", "lvremove", "--force", "--force", *NO_UDEV, f"{group}/{volume}"])
    if not _answers(["lvm", "lvs", "--noheadings", "-o", "lv_name", *NO_UDEV, group]):
        log.run(["lvm", "vgremove", "--force", "--force", *NO_UDEV, group], allowed=(0, 5))
        for member in members:
            _wipe(member, log)


def _stop_array(device: str, log: Log) -> None:
    directory = _SYS / device.removeprefix("/dev/")
    members = sorted(f"/dev/{path.name}" for path in (directory / "slaves").iterdir())
    _wipe(device, log, exclusive=False)
    for member in members:
        _try(["mdadm", "--fail", device, member], log)
        _try(["mdadm", "--remove", device, member], log)
    log.run(["mdadm", "--stop", device])
    for member in members:
        zero_ends(member)
    deadline = time.monotonic() + _RELEASE_WAIT
    while directory.exists():
        if time.monotonic() > deadline:
            raise InstallationError(f"{device} was stopped, and stays")
        time.sleep(0.1)


def _try(command: Sequence[str], log: Log) -> None:
    try:
        log.run(command)
    except CommandError:
        log.say(f"not fatal: {command[0]} failed")


def _answers(command: Sequence[str]) -> list[str]:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    return done.stdout.decode().split()

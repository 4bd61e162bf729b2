"""Disks as a machine of before may leave them: partitions, a RAID 1 on them, LVM on that. Made in the guest."""

from __future__ import annotations

import os
import subprocess

from standin.curtin.clearing import NO_UDEV

# On the kernel's command line, where it is desired: ``standin.layers=SERIAL,SERIAL``.
PARAMETER = "standin.layers"
ARRAY, GROUP = "/dev/md0", "oldgroup"


def make(*disks: str) -> None:
    """Make them, and stop them again: whoever wants them has to find them."""
    members = []
    for disk in disks:
        _run("sgdisk", "--new=1:2048:+64M", "--new=2:0:+64M", disk)
        _run("partprobe", disk)
        members.append(f"{disk}1")
    raid = f"--raid-devices={len(members)}"
    _run("mdadm", "--create", ARRAY, "--run", "--level=1", "--metadata=1.2", raid, *members)
    _run("lvm", "pvcreate", *NO_UDEV, ARRAY)
    _run("lvm", "vgcreate", *NO_UDEV, GROUP, ARRAY)
    _run("lvm", "lvcreate", *NO_UDEV, "--yes", "--size=16M", "--name=old", GROUP)
    with open(f"/dev/{GROUP}/old", "r+b", buffering=0) as volume:
        volume.write(b"an old file system" + bytes(494))
        os.fsync(volume.fileno())
    _run("lvm", "vgchange", *NO_UDEV, "--activate=n", GROUP)
    _run("mdadm", "--stop", ARRAY)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

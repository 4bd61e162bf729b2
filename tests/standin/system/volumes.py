"""What stands on boot banks and VMFS volumes, mounted in /vmfs/volumes.

Banks are FAT, as ESXi's. VMFS is not imitated: the fake's record says that a volume is there, and its files live in a
small ext2 file system behind that record, so that they outlive a reboot as those on a datastore do.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from standin.esxi.host import Host
from standin.esxi.volumes import is_mounted, volumes
from standin.system.linux_disks import kernel_partitions

DIRECTORY = Path("/vmfs/volumes")
_AT = 4 << 20  # bytes from the partition's start: behind the record at 1 MiB
_BLOCKS = 16384  # of 4 KiB: the same small file system on a volume of any size
_BANK_OPTIONS = "codepage=437,iocharset=iso8859-1,shortname=mixed"


def mount_all(host: Host) -> None:
    """Mount what should be, and let go of what should not be any more."""
    nodes = {disk["name"]: disk["node"] for disk in host.hardware["disks"]}
    desired = set()
    for bank in host.hardware["banks"]:
        desired.add(bank["uuid"])
        if not os.path.ismount(DIRECTORY / bank["uuid"]):
            device = _partition(nodes[bank["device"]], bank["partition"])
            _run("mount", "-t", "vfat", "-o", _BANK_OPTIONS, device, str(DIRECTORY / bank["uuid"]))
    for volume in volumes(host):
        if is_mounted(host, volume):
            desired.add(volume["uuid"])
            name, number, _ = volume["extents"][0]
            if not os.path.ismount(DIRECTORY / volume["uuid"]):
                _mount_files(_partition(nodes[name], number), volume["uuid"])
    for path in _mounted():
        if path.name not in desired:
            unmount(path)


def unmount_disk(node: str) -> None:
    """Let go of every volume on a disk (Linux's name), before it is partitioned anew."""
    for path in _mounted():
        if _disk_of(path) == node:
            unmount(path)


def unmount(path: Path) -> None:
    """Unmount one volume and remove its mount point."""
    loop = _source(path)
    _run("umount", str(path))
    path.rmdir()
    if loop.startswith("/dev/loop"):
        _run("losetup", "-d", loop)


def _mount_files(partition: str, uuid: str) -> None:
    loop = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=True).stdout.strip()
    _run("losetup", "-o", str(_AT), loop, partition)
    if not _holds_files_of(loop, uuid):
        _run("mke2fs", "-b", "4096", "-m", "0", "-L", _label(uuid), loop, str(_BLOCKS))
    _run("mount", "-t", "ext4", loop, str(DIRECTORY / uuid))


def _holds_files_of(device: str, uuid: str) -> bool:
    with open(device, "rb") as stream:
        stream.seek(1024)
        superblock = stream.read(256)
    return superblock[56:58] == b"\x53\xef" and superblock[120:136].rstrip(b"\0") == _label(uuid).encode()


def _label(uuid: str) -> str:
    """By which a file system is known as this volume's: mke2fs takes 15 letters."""
    return uuid.replace("-", "")[:15]


def _mounted() -> Iterator[Path]:
    lines = Path("/proc/mounts").read_text().splitlines()
    for where in [line.split()[1] for line in lines]:
        if where.startswith(f"{DIRECTORY}/"):
            yield Path(where)


def _source(path: Path) -> str:
    lines = Path("/proc/mounts").read_text().splitlines()
    return next(line.split()[0] for line in lines if line.split()[1] == str(path))


def _disk_of(path: Path) -> str:
    source = os.path.basename(_source(path))
    if source.startswith("loop"):
        source = os.path.basename(Path(f"/sys/block/{source}/loop/backing_file").read_text().strip())
    return os.path.basename(os.path.dirname(os.path.realpath(f"/sys/class/block/{source}")))


def _partition(node: str, number: int) -> str:
    return f"/dev/{kernel_partitions(node)[number][0]}"


def _run(*arguments: str) -> None:
    subprocess.run(arguments, check=True, capture_output=True)

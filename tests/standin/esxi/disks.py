"""The disks: files under /vmfs/devices/disks, their names, vml links, partition nodes, and what is in use on them."""

import os
import re
from typing import Any, Dict, List, Optional, Tuple

from standin.esxi import label as labels
from standin.esxi.dials import DISK_DELAY
from standin.esxi.errors import CommandError
from standin.esxi.host import Host

DIRECTORY = "/vmfs/devices/disks"
# What a partition's node shows, offset and length: boot sectors and markers, and the record of a volume.
NODE_PIECES = ((0, 8192), (1 << 20, 4096))


def disks(host: Host) -> List[Dict[str, Any]]:
    """The disks in the order in which esxcli lists them: by name."""
    return sorted(
        (disk for disk in host.hardware["disks"] if not is_late(host, disk)), key=lambda disk: str(disk["name"])
    )


def is_late(host: Host, disk: Dict[str, Any]) -> bool:
    """Whether the disk has not come yet since the boot (dial late-disk)."""
    return disk["name"] in host.store["power"].get("late_disks", [])


def hide_late_disks(host: Host) -> None:
    """At a boot: data disks that take their time leave the directory of disks."""
    if host.real is not None or not DISK_DELAY[host.dial("late-disk")]:
        return
    late = [disk["name"] for disk in host.hardware["disks"] if not disk["boot"]]
    os.makedirs(host.store.path("late"), exist_ok=True)
    for name in late:
        if os.path.exists(os.path.join(host.store.root(DIRECTORY), name)):
            os.replace(os.path.join(host.store.root(DIRECTORY), name), host.store.path("late", name))
    host.store["power"]["late_disks"] = late


def show_late_disks(host: Host) -> bool:
    """Let disks come whose time it is; whether any came."""
    late = host.store["power"].get("late_disks", [])
    if not late or host.up_for < DISK_DELAY[host.dial("late-disk")]:
        return False
    for name in late:
        os.replace(host.store.path("late", name), os.path.join(host.store.root(DIRECTORY), name))
    host.store["power"]["late_disks"] = []
    return True


def disk_named(host: Host, name: str) -> Dict[str, Any]:
    for disk in disks(host):
        if name in (disk["name"], disk["vml"]):
            return disk
    raise CommandError(f"Unable to find device with name {name}")


def disk_path(host: Host, name: str) -> str:
    """The file (in the bootable stand-in: the block device) that is this disk."""
    disk = disk_named(host, name)
    return str(disk.get("path") or os.path.join(host.store.root(DIRECTORY), disk["name"]))


def sectors_of(host: Host, disk: Dict[str, Any]) -> int:
    return labels.size_of(disk_path(host, disk["name"])) // int(disk["sector_size"])


def label_of(host: Host, name: str) -> Optional[labels.Label]:
    """The label of a disk, None if it has none that can be read."""
    disk = disk_named(host, name)
    if disk.get("dead"):
        return None
    try:
        return labels.read_label(disk_path(host, disk["name"]), disk["sector_size"])
    except labels.LabelError:
        return None


def parse_device(text: str) -> Tuple[str, Optional[int]]:
    """Name and partition of ``/vmfs/devices/disks/NAME[:N]``; colons belong to names too (``mpx.vmhba0:C0:T0:L0``)."""
    for directory in (DIRECTORY + "/", "/dev/disks/"):
        if text.startswith(directory):
            name = text[len(directory) :]
            partition = re.match(r"(.+):([0-9]+)$", name)
            return (partition.group(1), int(partition.group(2))) if partition else (name, None)
    raise CommandError(f"Error: Could not stat device {text}- No such file or directory.", 255)


def boot_disk(host: Host) -> Dict[str, Any]:
    return next(disk for disk in host.hardware["disks"] if disk["boot"])


def bank_uuid(host: Host, partition: int) -> str:
    device = boot_disk(host)["name"]
    banks = [bank for bank in host.hardware["banks"] if (bank["device"], bank["partition"]) == (device, partition)]
    return str(banks[0]["uuid"])


def make_nodes(host: Host) -> None:
    """The directory's links and partition nodes, as the labels now say."""
    if host.real is not None:
        host.real.make_nodes(host)
        return
    directory = host.store.root(DIRECTORY)
    for name in os.listdir(directory):
        if re.search(r":[0-9]+$", name) or name.startswith("vml."):
            os.unlink(os.path.join(directory, name))
    for disk in disks(host):
        os.symlink(disk["name"], os.path.join(directory, disk["vml"]))
        label = label_of(host, disk["name"])
        for partition in label.in_order() if label else []:
            _make_node(host, disk, partition)
            name = "{}:{}".format(disk["name"], partition.number)
            os.symlink(name, os.path.join(directory, "{}:{}".format(disk["vml"], partition.number)))


def _make_node(host: Host, disk: Dict[str, Any], partition: labels.Partition) -> None:
    """A read-only file with the size and the start of the partition. A plain file cannot show the same bytes twice."""
    size = disk["sector_size"]
    path = os.path.join(host.store.root(DIRECTORY), "{}:{}".format(disk["name"], partition.number))
    length = (partition.last - partition.first + 1) * size
    with open(disk_path(host, disk["name"]), "rb") as source, open(path, "wb") as node:
        for at, count in NODE_PIECES:
            source.seek(partition.first * size + at)
            piece = source.read(max(0, min(count, length - at)))
            if piece.strip(b"\0"):
                node.seek(at)
                node.write(piece)
        node.truncate(length)
    os.chmod(path, 0o444)

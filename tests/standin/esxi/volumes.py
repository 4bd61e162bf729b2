"""VMFS and VMFS-L volumes. What they are stands on the disks, in a record at 1 MiB of each partition (where VMFS has
its own), so that volumes survive a power cut, and vanish with their partition; what is mounted is memory.

Files of a mounted volume are a directory: /vmfs/volumes/UUID, with a symlink by label.
"""

import json
import os
import shutil
import struct
import uuid
from typing import Any, Dict, List, Optional, Tuple

from standin.esxi import label as labels
from standin.esxi.disks import disk_path, disks, label_of
from standin.esxi.errors import CommandError
from standin.esxi.host import Host

MAGIC = 0xC001D00D  # VMFS's own magic number, little endian at 1 MiB
PLACE = 1 << 20
Record = Dict[str, Any]


def read_records(host: Host) -> List[Record]:
    """The record of every VMFS partition of every readable disk, with its device, partition and bytes."""
    found = []
    for disk in disks(host):
        if disk.get("dead"):
            continue
        label = label_of(host, disk["name"])
        for partition in label.in_order() if label else []:
            if partition.type in (labels.VMFS, labels.VMFSL):
                record = _read(disk_path(host, disk["name"]), partition.first * disk["sector_size"])
                if record is not None:
                    record.update(device=disk["name"], partition=partition.number)
                    found.append(record)
    return found


def _read(path: str, start: int) -> Optional[Record]:
    with open(path, "rb") as stream:
        stream.seek(start + PLACE)
        head = stream.read(8)
        if len(head) < 8 or struct.unpack("<II", head)[0] != MAGIC:
            return None
        document = stream.read(struct.unpack("<II", head)[1])
    try:
        return dict(json.loads(document.decode("utf-8")))
    except ValueError:
        return None


def write_record(host: Host, device: str, first: int, record: Optional[Record]) -> None:
    """Put ``record`` on the partition that starts at sector ``first``; None wipes what is there."""
    size = int(next(disk for disk in disks(host) if disk["name"] == device)["sector_size"])
    data = bytes(4096)
    if record is not None:
        text = json.dumps({key: record[key] for key in sorted(record) if key not in ("device", "partition")})
        data = (struct.pack("<II", MAGIC, len(text)) + text.encode("utf-8")).ljust(4096, b"\0")
    with open(disk_path(host, device), "r+b") as stream:
        stream.seek(first * size + PLACE)
        stream.write(data)


def volumes(host: Host) -> "List[Record]":
    """Whole volumes: their head's record, and ``extents`` (device, partition, bytes) in order. Not those that
    lack an extent.
    """
    records = read_records(host)
    found = []
    for head in records:
        if head["number"] == 0:
            parts = sorted((one for one in records if one["uuid"] == head["uuid"]), key=lambda one: int(one["number"]))
            if len(parts) == head["count"]:
                found.append(dict(head, extents=[(one["device"], one["partition"], one["bytes"]) for one in parts]))
    return sorted(found, key=lambda one: str(one["label"]))


def volume_at(host: Host, device: str, partition: int) -> Optional[Record]:
    for volume in volumes(host):
        if (device, partition) in [extent[:2] for extent in volume["extents"]]:
            return volume
    return None


def volume_named(host: Host, label: str) -> Record:
    for volume in volumes(host):
        if label in (volume["label"], volume["uuid"]):
            return volume
    raise CommandError(f"No volume with label or UUID {label} found")


def is_mounted(host: Host, volume: Record) -> bool:
    return volume["uuid"] not in host.running["unmounted"]


def new_uuid() -> str:
    text = uuid.uuid4().hex
    return "-".join((text[:8], text[8:16], text[16:20], text[20:32]))


def make_directories(host: Host) -> None:
    """Mount points of what is mounted: directories by UUID, links by label. Files that were on a volume stay on it."""
    directory = host.store.root("/vmfs/volumes")
    os.makedirs(directory, exist_ok=True)
    for name in os.listdir(directory):
        if os.path.islink(os.path.join(directory, name)):
            os.unlink(os.path.join(directory, name))
    for uuid_text, name in _mount_points(host):
        os.makedirs(os.path.join(directory, uuid_text), exist_ok=True)
        if name and not os.path.lexists(os.path.join(directory, name)):
            os.symlink(uuid_text, os.path.join(directory, name))  # of two volumes with one label the first has it
    if host.real is not None:
        host.real.mount(host)


def _mount_points(host: Host) -> List[Tuple[str, str]]:
    points = [(volume["uuid"], volume["label"]) for volume in volumes(host) if is_mounted(host, volume)]
    return points + [(bank["uuid"], bank["label"]) for bank in host.hardware["banks"]]


def capacity(volume: Record) -> int:
    return sum(int(extent[2]) for extent in volume["extents"])


def relabel(host: Host, volume: Record, name: str) -> None:
    """Another label for a volume, on every partition that it spans."""
    for record in read_records(host):
        if record["uuid"] == volume["uuid"]:
            changed = dict(record, label=name)
            if host.dial("extent-lag") != "none":
                changed.update(renamed=host.now, renamed_from=record["label"])
            write_record(host, record["device"], _start(host, record), changed)


def wipe(host: Host, volume: Record) -> None:
    """Take a volume off its partitions. What was in it is gone."""
    for record in read_records(host):
        if record["uuid"] == volume["uuid"]:
            write_record(host, record["device"], _start(host, record), None)
    shutil.rmtree(os.path.join(host.store.root("/vmfs/volumes"), volume["uuid"]), ignore_errors=True)


def _start(host: Host, record: Record) -> int:
    label = label_of(host, record["device"])
    assert label is not None
    return label.partitions[record["partition"]].first

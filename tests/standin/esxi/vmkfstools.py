"""vmkfstools: making, extending, growing and asking about file systems."""

import os
from typing import Any, Dict, List, Optional, Tuple

from standin.esxi import label as labels
from standin.esxi.disks import disk_named, label_of, make_nodes, parse_device
from standin.esxi.errors import CommandError
from standin.esxi.host import Host
from standin.esxi.volumes import (
    Record,
    capacity,
    is_mounted,
    make_directories,
    new_uuid,
    read_records,
    volume_at,
    volume_named,
    volumes,
    write_record,
)

MEBIBYTE = 1 << 20
SMALLEST = 1395864371  # 1.3 GiB
KINDS = {"vmfs6": "VMFS-6", "vmfs5": "VMFS-5", "vmfs6l": "VMFS-L"}
VERSIONS = {"VMFS-6": "VMFS-6.82 (Raw Major Version: 24)", "VMFS-5": "VMFS-5.61 (Raw Major Version: 14)",
            "VMFS-L": "VMFSL-6.82 (Raw Major Version: 24)"}  # fmt: skip
WITH_VALUE = {"-C": "create", "--createfs": "create", "-S": "label", "--setfsname": "label", "-b": "block",
              "--blocksize": "block", "-Z": "span", "--spanfs": "span", "-G": "grow", "--growfs": "grow",
              "--isSystem": "system"}  # fmt: skip
FLAGS = {"-P": "query", "--queryfs": "query", "-h": "human", "-q": "quiet", "-v": "verbose"}
FAILED = 255


def run(host: Host, arguments: List[str]) -> str:
    """What vmkfstools prints. Raises CommandError."""
    given, paths = _parse(arguments)
    actions = [name for name in ("create", "span", "grow", "query") if name in given]
    if len(actions) != 1:
        raise CommandError("vmkfstools: specify exactly one of --createfs, --spanfs, --growfs, --queryfs", 1)
    if len(paths) != 1:
        raise CommandError("vmkfstools: exactly one path is needed", 1)
    if actions == ["create"]:
        return _create(host, given, paths[0])
    if actions == ["span"]:
        return _span(host, given["span"], paths[0])
    if actions == ["grow"]:
        return _grow(host, given["grow"], paths[0])
    return _query(host, paths[0])


def _parse(arguments: List[str]) -> Tuple[Dict[str, Any], List[str]]:
    given: Dict[str, Any] = {}
    paths: List[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in WITH_VALUE:
            if not equals:
                if not words:
                    raise CommandError(f"vmkfstools: option requires an argument -- {word}", 1)
                value = words.pop(0)
            given[WITH_VALUE[name]] = value
        elif word in FLAGS:
            given[FLAGS[word]] = True
        elif word.startswith("-"):
            raise CommandError(f"vmkfstools: unrecognized option '{word}'", 1)
        else:
            paths.append(word)
    return given, paths


def _partition(host: Host, path: str) -> Tuple[Dict[str, Any], labels.Partition]:
    name, number = parse_device(path)
    disk = disk_named(host, name)
    if disk.get("dead"):
        raise CommandError(f"Error: Input/output error on {path}", FAILED)
    label = label_of(host, name)
    partition = label.partitions.get(number) if label and number is not None else None
    if partition is None:
        raise CommandError(
            f"Failed to open {path}: No such file or directory\nError: No such file or directory", FAILED
        )
    return disk, partition


def _check_room(disk: Dict[str, Any], partition: labels.Partition, path: str) -> int:
    size = int(disk["sector_size"])
    if partition.first * size % MEBIBYTE:
        raise CommandError(f"Error: {path} does not start at a multiple of 1 MiB: unaligned partition", FAILED)
    length = (partition.last - partition.first + 1) * size
    if length < SMALLEST:
        raise CommandError(f"Error: {path} is too small for a VMFS volume: {length} bytes, at least {SMALLEST}", FAILED)
    return length


def _create(host: Host, given: Dict[str, Any], path: str) -> str:
    kind = given["create"]
    if kind not in KINDS:
        raise CommandError(f"Invalid file system type: {kind}", FAILED)
    if given.get("block", "1m") not in ("1m", "1M", "1048576"):
        raise CommandError("Invalid block size {}".format(given["block"]), FAILED)
    disk, partition = _partition(host, path)
    desired = labels.VMFSL if kind == "vmfs6l" else labels.VMFS
    if partition.type != desired:
        found = labels.TYPE_NAMES.get(partition.type, partition.type)
        raise CommandError(f"Error: partition type of {path} is {found}, not one for {kind}", FAILED)
    length = _check_room(disk, partition, path)
    there = volume_at(host, disk["name"], partition.number)
    if there is not None and (is_mounted(host, there) or len(there["extents"]) > 1):
        raise CommandError(
            f"Error: {path} holds the volume {there['label']}, which is in use: Device or resource busy", FAILED
        )
    label = given.get("label", "")
    check_label(host, label, there)
    record: Record = {
        "uuid": new_uuid(), "label": label, "type": KINDS[kind], "number": 0, "count": 1,
        "bytes": length // MEBIBYTE * MEBIBYTE,
    }  # fmt: skip
    if host.dial("extent-lag") != "none":
        record["made"] = host.now
    write_record(host, disk["name"], partition.first, record)
    make_nodes(host)
    make_directories(host)
    return (
        "Checking if remote hosts are using this device as a valid file system. This may take a few seconds...\n"
        f'Creating {kind} file system on "{disk["name"]}:{partition.number}" with blockSize 1048576, unmapGranularity '
        f'1048576, unmapPriority default and volume label "{label}".\n'
        f"Successfully created new volume: {record['uuid']}\n"
    )


def check_label(host: Host, label: str, instead: Optional[Record]) -> None:
    if "/" in label or len(label) > 80 or label != label.strip():
        raise CommandError(f"Invalid volume label: {label}", FAILED)
    for volume in volumes(host):
        if label and volume["label"] == label and (instead is None or volume["uuid"] != instead["uuid"]):
            raise CommandError(f"Error: a volume with the label {label} exists already: File exists", FAILED)


def _span(host: Host, extent_path: str, head_path: str) -> str:
    disk, partition = _partition(host, extent_path)
    head_disk, head_partition = _partition(host, head_path)
    head = volume_at(host, head_disk["name"], head_partition.number)
    if head is None or head["extents"][0][:2] != (head_disk["name"], head_partition.number):
        raise CommandError(f"Error: {head_path} is not the head of a VMFS volume", FAILED)
    if partition.type != labels.VMFS:
        raise CommandError(f"Error: {extent_path} is not a VMFS partition", FAILED)
    length = _check_room(disk, partition, extent_path)
    there = volume_at(host, disk["name"], partition.number)
    if there is not None:
        raise CommandError(f"Error: {extent_path} is in use by the volume {there['label']}", FAILED)
    question = (
        f"VMware ESX Question:\nAll data on {disk['name']}:{partition.number} will be lost. Continue and format?\n"
        "0) _Yes\n1) _No\n\nSelect a number from 0-1: "
    )
    answer = host.stdin.strip()
    if answer != "0":
        raise CommandError(question + ("\nOperation cancelled" if answer == "1" else "\nNo valid answer"), FAILED)
    first = head["extents"]
    for record in read_records(host):
        if record["uuid"] == head["uuid"]:
            owner = label_of(host, record["device"])
            assert owner is not None
            start = owner.partitions[record["partition"]].first
            write_record(host, record["device"], start, dict(record, count=len(first) + 1))
    new: Record = {
        "uuid": head["uuid"], "label": head["label"], "type": head["type"], "number": len(first),
        "count": len(first) + 1, "bytes": length // MEBIBYTE * MEBIBYTE,
    }  # fmt: skip
    write_record(host, disk["name"], partition.first, new)
    make_nodes(host)
    return question + "\n"


def _grow(host: Host, path: str, again: str) -> str:
    disk, partition = _partition(host, path)
    if path != again:
        raise CommandError("Error: growing needs the same partition twice", FAILED)
    record = next(
        (one for one in read_records(host) if one["device"] == disk["name"] and one["partition"] == partition.number),
        None,
    )
    if record is None:
        raise CommandError(f"Error: {path} holds no VMFS volume", FAILED)
    length = _check_room(disk, partition, path) // MEBIBYTE * MEBIBYTE
    if length <= record["bytes"]:
        raise CommandError(f"Error: {path} has no room to grow into: Invalid argument", FAILED)
    write_record(host, disk["name"], partition.first, dict(record, bytes=length))
    make_nodes(host)
    return ""


def _query(host: Host, path: str) -> str:
    found = _by_path(host, path)
    if found is None:
        raise CommandError(f"Could not open {path}: No such file or directory", FAILED)
    if "extents" not in found:
        cluster, used = bank_usage(host, found)
        blocks = int(found["bytes"]) // cluster
        return (
            "vfat-0.04 (Raw Major Version: 0) file system spanning 1 partitions.\n"
            f"File system label (if any): {found['label']}\nMode: private\n"
            f"Capacity {blocks * cluster} ({blocks} file blocks * {cluster}), {(blocks - used) * cluster} "
            f"({blocks - used} blocks) avail, "
            f"max supported file size 0\nDisk Block Size: 512/0/0\nUUID: {found['uuid']}\n"
            f'Partitions spanned (on "disks"):\n\t{found["device"]}:{found["partition"]}\n'
            "Is Native Snapshot Capable: NO\n"
        )
    size = capacity(found)
    spanned = "".join(f"\t{device}:{number}\n" for device, number, _ in found["extents"])
    return (
        f"{VERSIONS[found['type']]} file system spanning {len(found['extents'])} partitions.\n"
        f"File system label (if any): {found['label']}\nMode: public\n"
        f"Capacity {size} ({size // MEBIBYTE} file blocks * 1048576), {size // 2} ({size // MEBIBYTE // 2} blocks) "
        f"avail, max supported file size 70368744177664\nDisk Block Size: 512/512/0\nUUID: {found['uuid']}\n"
        f'Partitions spanned (on "lvm"):\n{spanned}Is Native Snapshot Capable: NO\n'
    )


def bank_usage(host: Host, bank: Record) -> Tuple[int, int]:
    """(bytes in a cluster, clusters in use) of a bank's FAT16, which has at most 65,524 of them."""
    cluster = 4096
    while int(bank["bytes"]) // cluster > 65524:
        cluster *= 2
    directory = host.store.root("/vmfs/volumes/" + str(bank["uuid"]))
    sizes = [os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory)]
    return cluster, sum(-(-size // cluster) for size in sizes)


def _by_path(host: Host, path: str) -> Optional[Record]:
    """The volume or bank that ``path`` is on: by link, by UUID, by label."""
    real = os.path.realpath(host.store.root(path))
    directory = os.path.realpath(host.store.root("/vmfs/volumes")) + os.sep
    if not os.path.exists(real) or not real.startswith(directory):
        return None
    name = real[len(directory) :].split(os.sep)[0]
    for bank in host.hardware["banks"]:
        if bank["uuid"] == name:
            return dict(bank)
    try:
        return volume_named(host, name)
    except CommandError:
        return None

"""partedUtil on the real labels of the disks' files. Outputs: tests/data/esxi/partedUtil-getptbl.txt."""

import re
import uuid
from typing import Callable, Dict, List, Tuple

from standin.esxi import label as labels
from standin.esxi.disks import disk_named, disk_path, label_of, make_nodes, parse_device, sectors_of
from standin.esxi.errors import CommandError
from standin.esxi.host import Host
from standin.esxi.volumes import is_mounted, make_directories, volume_at

FAILED = 255


def run(host: Host, arguments: List[str]) -> str:
    """What partedUtil prints. Raises CommandError."""
    if not arguments or arguments[0] not in VERBS:
        raise CommandError(
            "Not a valid command: {}\nUsage:\n {}".format(
                arguments[0] if arguments else "", "\n ".join("partedUtil " + verb for verb in sorted(VERBS))
            ),
            1,
        )
    function, least, most = VERBS[arguments[0]]
    if not least <= len(arguments) - 1 <= most:
        raise CommandError(f"Error: partedUtil {arguments[0]}: wrong number of arguments", 1)
    name, partition = parse_device(arguments[1])
    try:
        disk = disk_named(host, name)
    except CommandError:
        raise CommandError(f"Error: Could not stat device {arguments[1]}- No such file or directory.", FAILED) from None
    if partition is not None:
        raise CommandError(f"Error: {arguments[1]} is a partition, not a disk", FAILED)
    if disk.get("dead"):
        raise CommandError(f"Error: Read error on {arguments[1]}: Input/output error", FAILED)
    return function(host, disk["name"], arguments[2:])


def _label(host: Host, name: str) -> labels.Label:
    disk = disk_named(host, name)
    try:
        return labels.read_label(disk_path(host, name), disk["sector_size"])
    except labels.LabelError as error:
        if error.backup:
            raise CommandError(
                "Error: The backup GPT table is not at the end of the disk, as it should be.  This might mean that "
                "another operating system believes the disk is smaller.  Fix, by moving the backup to the end (and "
                "removing the old backup)? diskPath (/dev/disks/{}) diskSize ({}) AlternateLBA is not the last "
                "sector".format(name, sectors_of(host, disk)), FAILED,
            ) from None  # fmt: skip
        raise CommandError(
            f"Error: unable to read the label of /dev/disks/{name}: {error}",
            FAILED,
        ) from None


def _geometry(sectors: int) -> str:
    return "{} 255 63 {}".format(sectors // (255 * 63), sectors)


def getptbl(host: Host, name: str, words: List[str]) -> str:
    disk = disk_named(host, name)
    with open(disk_path(host, name), "rb") as stream:
        stream.seek(disk["sector_size"])
        signature = stream.read(8)
    if signature != b"EFI PART":
        return "unknown\n{}\n".format(_geometry(sectors_of(host, disk)))
    label = _label(host, name)
    return "gpt\n{}\n".format(_geometry(label.sectors)) + "".join(_line(one) for one in label.in_order())


def _line(one: labels.Partition) -> str:
    kind = labels.TYPE_NAMES.get(one.type, "unknown")
    return f"{one.number} {one.first} {one.last} {one.type} {kind} {one.attribute}\n"


def usable(host: Host, name: str, words: List[str]) -> str:
    return "{} {}\n".format(*_label(host, name).usable)


def setptbl(host: Host, name: str, words: List[str]) -> str:
    disk = disk_named(host, name)
    if words[0] not in ("gpt", "msdos"):
        raise CommandError(f"Error: Unknown label type {words[0]}", FAILED)
    if words[0] == "msdos":
        raise CommandError("Error: msdos labels are not made by this stand-in", FAILED)
    old = label_of(host, name)
    new = labels.Label(sectors_of(host, disk), disk["sector_size"])
    given = [_parse(text) for text in words[1:]]
    for one in given:
        before = old.partitions.get(one.number) if old else None
        if before is not None and (before.first, before.last, before.type) == (one.first, one.last, one.type):
            one.guid, one.name = before.guid, before.name
        _add_checked(new, one)
    if old is not None:
        new.guid = old.guid
        for number, before in old.partitions.items():
            kept = new.partitions.get(number)
            if kept is None or (kept.first, kept.type) != (before.first, before.type) or kept.last < before.last:
                _refuse_in_use(host, name, number)
    _write(host, name, new)
    lines = [f"{one.number} {one.first} {one.last} {one.type} {one.attribute}\n" for one in given]
    return "gpt\n0 0 0 0\n" + "".join(lines)


def _parse(text: str) -> labels.Partition:
    words = text.split()
    numbers = words[:3] + words[4:]
    if len(words) != 5 or not all(re.match(r"[0-9]+$", word) for word in numbers):
        raise CommandError(f"Error: Invalid Partition information: {text}", FAILED)
    try:
        kind = uuid.UUID(words[3]).hex
    except ValueError:
        raise CommandError(f"Error: Invalid Partition type GUID: {words[3]}", FAILED) from None
    if not 1 <= int(words[0]) <= labels.ENTRIES or len(words[3]) != 32:
        raise CommandError(f"Error: Invalid Partition information: {text}", FAILED)
    return labels.Partition(int(words[0]), int(words[1]), int(words[2]), kind, int(words[4]))


def _add_checked(label: labels.Label, new: labels.Partition) -> None:
    first, last = label.usable
    if new.first > new.last or new.first < first or new.last > last:
        raise CommandError(
            f"Error: Can't have a partition outside the disk! (partition {new.number}: {new.first} to {new.last}, "
            f"usable {first} to {last})", FAILED,
        )  # fmt: skip
    if new.number in label.partitions:
        raise CommandError(f"Error: Partition {new.number} already exists", FAILED)
    for one in label.partitions.values():
        if new.first <= one.last and one.first <= new.last:
            raise CommandError("Error: Can't have overlapping partitions.", FAILED)
    label.add(new)


def _refuse_in_use(host: Host, name: str, number: int) -> None:
    """Partitions that the system runs from, or whose volume is mounted, are busy."""
    volume = volume_at(host, name, number)
    system = disk_named(host, name)["boot"] and number in host.hardware["system_partitions"]
    if system or (volume is not None and is_mounted(host, volume)):
        raise CommandError(
            f"Error: Read-only file system during write on /dev/disks/{name}\n"
            f"Unable to change partition {number}: Device or resource busy", FAILED,
        )  # fmt: skip


def add(host: Host, name: str, words: List[str]) -> str:
    if words[0] != "gpt":
        raise CommandError(f"Error: Unknown label type {words[0]}", FAILED)
    label = _label(host, name)
    for text in words[1:]:
        _add_checked(label, _parse(text))
    _write(host, name, label)
    return ""


def delete(host: Host, name: str, words: List[str]) -> str:
    label = _label(host, name)
    if not words[0].isdigit() or int(words[0]) not in label.partitions:
        raise CommandError(f"Error: Partition {words[0]} does not exist", FAILED)
    _refuse_in_use(host, name, int(words[0]))
    del label.partitions[int(words[0])]
    _write(host, name, label)
    return ""


def resize(host: Host, name: str, words: List[str]) -> str:
    label = _label(host, name)
    if not all(word.isdigit() for word in words) or int(words[0]) not in label.partitions:
        raise CommandError(f"Error: Partition {words[0]} does not exist", FAILED)
    number, first, last = (int(word) for word in words)
    old = label.partitions.pop(number)
    if first != old.first or last < old.last:
        _refuse_in_use(host, name, number)
    changed = labels.Partition(number, first, last, old.type, old.attribute, old.name)
    changed.guid = old.guid
    _add_checked(label, changed)
    _write(host, name, label)
    return ""


def mklabel(host: Host, name: str, words: List[str]) -> str:
    if words[0] != "gpt":
        raise CommandError(f"Error: Unknown label type {words[0]}", FAILED)
    old = label_of(host, name)
    for number in old.partitions if old else {}:
        _refuse_in_use(host, name, number)
    disk = disk_named(host, name)
    _write(host, name, labels.Label(sectors_of(host, disk), disk["sector_size"]))
    return ""


def fix(host: Host, name: str, words: List[str]) -> str:
    try:
        labels.repair(disk_path(host, name), disk_named(host, name)["sector_size"])
    except labels.LabelError as error:
        raise CommandError(f"Error: unable to fix the label of /dev/disks/{name}: {error}", FAILED) from None
    make_nodes(host)
    return getptbl(host, name, [])


def _write(host: Host, name: str, label: labels.Label) -> None:
    labels.write_label(disk_path(host, name), label)
    make_nodes(host)
    make_directories(host)


def show_guids(arguments: List[str]) -> str:
    names = sorted(labels.TYPE_NAMES.items(), key=lambda item: item[1])
    return " Partition Type       GUID\n" + "".join(f" {name:<20} {guid}\n" for guid, name in names)


VERBS: Dict[str, Tuple[Callable[[Host, str, List[str]], str], int, int]] = {
    "getptbl": (getptbl, 1, 1),
    "getUsableSectors": (usable, 1, 1),
    "setptbl": (setptbl, 2, 131),
    "add": (add, 3, 131),
    "delete": (delete, 2, 2),
    "resize": (resize, 4, 4),
    "mklabel": (mklabel, 2, 2),
    "fixGpt": (fix, 1, 1),
    "fix": (fix, 1, 1),
}

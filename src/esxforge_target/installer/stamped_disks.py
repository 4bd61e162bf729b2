"""Which disks of ESXi's installer carry the stamps of this deployment, and why one may not be there."""

from typing import Dict, List, Tuple

from esxforge_target.contract.desired_host import DesiredHost, Disk
from esxforge_target.esxi.esxcli import CommandError, Esxcli
from esxforge_target.formats.gpt_disk import DiskIdentity
from esxforge_target.installer.environment import Installer
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report
from esxforge_target.runtime.validation_errors import ValidationErrors
from esxforge_target.runtime.values import Value

# Controllers may still be looking for their disks when the installer starts.
_TRIES = 4
_PAUSE = 10.0
_RESCAN_SECONDS = 120.0
_NOT_THERE = (
    "Likely causes: ESXi has no driver for the disk's controller (take the server maker's ESXi image, or set the "
    "controller to another mode), the disk was taken out or failed, or its cable or SAN zone changed since the "
    "deployment. Nothing was installed: fix it, then deploy the machine again."
)
_TWICE = (
    "One is a copy of the other: half of a broken mirror, a snapshot or clone on a SAN, or one disk by two paths that "
    "ESXi does not take for one. Disconnect all but the right one, then deploy the machine again."
)


class Found(Value):
    """The boot disk: its name on ESXi and the size of its sectors in bytes."""

    __slots__ = ("device", "sector_size")

    def __init__(self, device: str, sector_size: int) -> None:
        self.device = device
        self.sector_size = sector_size


def find_boot_disk(installer: Installer, desired: DesiredHost, report: Report) -> Found:
    """The one disk with the boot disk's stamp. Raises ValidationErrors if it, or a datastore's disk, is not there just
    once."""
    disks = (desired.boot_disk,) + desired.datastore_disks()
    for attempt in range(_TRIES):
        stamps = installer.devices.identities_found()
        missing = [disk for disk in disks if not carriers(stamps, disk)]
        if not missing or attempt == _TRIES - 1:
            break
        report.say("not there yet: {}; ESXi is asked to look again".format(", ".join(label(one) for one in missing)))
        installer.runner.run(["localcli", "storage", "core", "adapter", "rescan", "--all"], _RESCAN_SECONDS)
        installer.clock.sleep(_PAUSE)
    seen = seen_disks(installer, stamps)
    for line in seen:
        report.say("disk " + line)
    for disk in disks:
        for device in carriers(stamps, disk):
            report.say("{} is {}".format(device, label(disk)))
    check_each_once(stamps, disks, desired.boot_disk, seen)
    device = carriers(stamps, desired.boot_disk)[0]
    stamp = next(one for one in stamps[device] if str(one.disk_guid) == desired.boot_disk.disk_guid.lower())
    return Found(device, stamp.sector_size)


def check_each_once(
    stamps: "Dict[str, Tuple[DiskIdentity, ...]]", disks: "Tuple[Disk, ...]", boot: Disk, seen: "List[str]"
) -> None:
    """Raise ValidationErrors unless each of the disks is there exactly once."""
    reasons = []
    hints = []
    for disk in disks:
        devices = carriers(stamps, disk)
        if len(devices) == 1:
            continue
        what = "the boot disk" if disk == boot else "a disk that carries a datastore"
        if devices:
            reasons.append(
                "{} disks carry the mark of {}, {}: {}.".format(len(devices), label(disk), what, ", ".join(devices))
            )
            hints.append(_TWICE)
        else:
            reasons.append("No disk carries the mark of {}, {}.".format(label(disk), what))
            hints.append(_NOT_THERE)
    if reasons:
        reasons.append("ESXi sees: {}.".format("; ".join(seen) or "no disk at all"))
        raise ValidationErrors(reasons, " ".join(sorted(set(hints))))


def carriers(stamps: "Dict[str, Tuple[DiskIdentity, ...]]", disk: Disk) -> "List[str]":
    """The devices that carry a disk's stamp."""
    sought = disk.disk_guid.lower()
    return sorted(name for name in stamps if sought and sought in [str(one.disk_guid) for one in stamps[name]])


def label(disk: Disk) -> str:
    """A disk in words that a person knows from MAAS."""
    words = [disk.name or disk.id]
    details = [word for word in (disk.model, "serial " + disk.serial if disk.serial else "") if word]
    return "{} ({})".format(words[0], ", ".join(details)) if details else words[0]


def seen_disks(installer: Installer, stamps: "Dict[str, Tuple[DiskIdentity, ...]]") -> "List[str]":
    """A line for each disk that ESXi shows: name, size and model where ESXi tells them, and whether it answered."""
    told = {}  # type: Dict[str, str]
    try:
        for record in Esxcli(installer.runner, "localcli").records("storage core device list"):
            name = record.optional("device", "name") or record.optional("devfspath").rpartition("/")[2]
            words = [record.optional(key) for key in ("vendor", "model")]
            told[name] = " ".join(["{} MiB".format(record.optional("size"))] + [word for word in words if word])
    except CommandError:
        told = {}  # the names alone must do
    return [_line(name, told.get(name, ""), name in stamps) for name in installer.devices.names()]


def _line(name: str, told: str, answers: bool) -> str:
    return ", ".join([name] + ([told] if told else []) + ([] if answers else ["does not answer"]))

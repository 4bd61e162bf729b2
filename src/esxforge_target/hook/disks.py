"""This machine's disks as Linux shows them, and which of them MAAS means.

Parents are found in /sys (a partition lies in its disk's directory, a device-mapper device names its slaves), never by
cutting digits off a name. A disk is the one that MAAS means only if its serial or WWN is *equal*: curtin compares a
part of it, so of two near-equal serials it may have taken the wrong one.
"""

import os
import re
from typing import Dict, List, Optional, Set, Tuple

from esxforge_target.contract.desired_host import Disk
from esxforge_target.formats.gpt import EFI_SYSTEM
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.values import Value

# What udev's database and multipath call a disk: the serial that MAAS knows is one of these.
_SERIAL_KEYS = ("ID_SERIAL", "ID_SERIAL_SHORT", "ID_SCSI_SERIAL", "SCSI_IDENT_SERIAL", "DM_SERIAL")
_WWN_KEYS = ("ID_WWN", "ID_WWN_WITH_EXTENSION", "DM_WWN")
_SYS_SECTOR = 512  # /sys/block/*/size counts these, whatever the disk's sectors are
_CD = "5"  # SCSI peripheral device type
_MULTIPATH = "mpath-"


# Why curtin may have written the image to another disk than MAAS means, and what to do about it.
_BY_PART = (
    "it takes the disk whose name in /dev/disk/by-id is the shortest that contains the serial, else the first that it "
    "cleared. Give the boot disk in MAAS a serial that no other disk's contains, or remove the other disk."
)
_BY_NAME = (
    "MAAS gives no serial for the boot disk (it has none, or the model and serial of another one), and without one "
    "curtin takes the first by name of the disks that it cleared. Make that disk the boot disk in MAAS, or give the "
    "machine disks with serials of their own."
)


class BlockDisk(Value):
    """A disk: its ``name`` in /sys, ``size`` in bytes, and all its names for itself, normalised."""

    __slots__ = ("name", "size", "sector_size", "serials", "wwns", "multipath", "rotational")

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        name: str,
        size: int,
        sector_size: int,
        serials: "Tuple[str, ...]" = (),
        wwns: "Tuple[str, ...]" = (),
        multipath: bool = False,
        rotational: bool = True,
    ) -> None:
        self.name = name
        self.size = size
        self.sector_size = sector_size
        self.serials = tuple(serials)
        self.wwns = tuple(wwns)
        self.multipath = multipath
        self.rotational = rotational

    @property
    def label(self) -> str:
        """For people: ``sda (120 GB, serial S1)``."""
        serial = ", serial {}".format(self.serials[-1]) if self.serials else ", no serial"
        return "{} ({:.0f} GB{})".format(self.name, self.size / 1e9, serial)


class Disks:
    """All disks of ``machine``, read once."""

    def __init__(self, machine: LinuxHost) -> None:
        self._machine = machine
        self.disks = self._read()

    # -- which one ----------------------------------------------------------------------------------------------

    def of_mount(self, directory: str) -> BlockDisk:
        """The disk that carries what is mounted at ``directory``. Raises ForgeError where that is not one disk."""
        number = _mounted_device(self._machine.text("proc/self/mountinfo"), os.path.realpath(directory))
        if not number:
            raise ForgeError(
                "Nothing is mounted at {}, so the disk that this image was written to is unknown.".format(directory),
                "This script is for curtin, which mounts the image first.",
            )
        return self._one(
            os.path.realpath(self._machine.path("sys/dev/block/" + number)), "what is mounted at " + directory
        )

    def matching(self, desired: Disk) -> BlockDisk:
        """Return the disk that MAAS means. Raises ForgeError with the reason if there is none, or more than one."""
        found, by = self._candidates(desired)
        if len(found) == 1:
            return found[0]
        label = "storage {}".format(desired.id)
        present = ", ".join(disk.label for disk in self.disks) or "none"
        if found:
            raise ForgeError(
                "{}: {} disks have the {}: {}.".format(label, len(found), by, ", ".join(one.label for one in found)),
                "Remove one of them, or give MAAS a serial or WWN that only one has, then commission again.",
            )
        raise ForgeError(
            "{}: no disk of this machine has the {}. It has: {}.".format(label, by, present),
            "Commission the machine again, so that MAAS knows its disks as they are now.",
        )

    def _candidates(self, desired: Disk) -> "Tuple[List[BlockDisk], str]":
        serial, wwn = _normal(desired.serial), _normal_wwn(desired.wwn)
        by_serial = [disk for disk in self.disks if serial and serial in disk.serials]
        by_wwn = [disk for disk in self.disks if wwn and wwn in disk.wwns]
        if serial and wwn and by_serial and by_wwn:
            both = [disk for disk in by_serial if disk in by_wwn]
            return both, "serial “{}” and the WWN “{}”".format(desired.serial, desired.wwn)
        if by_serial or (serial and not by_wwn):
            return by_serial, "serial “{}”".format(desired.serial)
        if wwn:
            return by_wwn, "WWN “{}”".format(desired.wwn)
        if not desired.path:
            return [], "serial, WWN or path that MAAS gives: it gives none"
        return self.of_path(desired.path), "path {}".format(desired.path)

    def of_path(self, path: str) -> "List[BlockDisk]":
        """The disks on which a device lies, such as one that a link in /dev/disk leads to; none where there is none."""
        place = os.path.realpath(self._machine.path(path))
        name = os.path.relpath(place, os.path.realpath(self._machine.path("dev"))).replace("/", "!")
        node = os.path.realpath(self._machine.path("sys/class/block/" + name))
        wholes = {os.path.basename(whole) for whole in self._wholes(node)} if os.path.isdir(node) else set()
        return [disk for disk in self.disks if disk.name in wholes]

    def _one(self, node: str, what: str) -> BlockDisk:
        names = sorted({os.path.basename(whole) for whole in self._wholes(node)})
        found = [disk for disk in self.disks if disk.name in names]
        if len(found) != 1:
            raise ForgeError(
                "The disk of {} is unknown: Linux names {}.".format(what, ", ".join(names) or "none"),
                "Deploy to a plain disk: no RAID or volume group of Linux.",
            )
        return found[0]

    # -- reading /sys -------------------------------------------------------------------------------------------

    def _wholes(self, node: str) -> "Set[str]":
        """The /sys directories of the whole disks that a block device lies on."""
        if os.path.exists(os.path.join(node, "partition")):
            return {os.path.dirname(node)}
        slaves = self._linked(node, "slaves")
        if not slaves or self._is_multipath(node):
            return {node}
        found = set()  # type: Set[str]
        for slave in slaves:
            found |= self._wholes(slave)
        return found

    def _linked(self, node: str, directory: str) -> "List[str]":
        place = os.path.join(node, directory)
        names = sorted(os.listdir(place)) if os.path.isdir(place) else []
        return [os.path.realpath(os.path.join(place, name)) for name in names]

    def _is_multipath(self, node: str) -> bool:
        return _read(os.path.join(node, "dm", "uuid")).startswith(_MULTIPATH)

    def _read(self) -> "Tuple[BlockDisk, ...]":
        directory = self._machine.path("sys/block")
        names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        found = []
        for name in names:
            node = os.path.realpath(os.path.join(directory, name))
            multipath = self._is_multipath(node)
            real = os.path.isdir(os.path.join(node, "device"))
            if not (real or multipath) or _read(os.path.join(node, "device", "type")) == _CD:
                continue
            if _read(os.path.join(node, "hidden")) == "1":
                continue  # one path of an NVMe disk with several (nvme0c0n1), with the names of the disk (nvme0n1)
            if any(self._is_multipath(holder) for holder in self._linked(node, "holders")):
                continue  # one path of a disk that is listed as a whole
            size = int(_read(os.path.join(node, "size")) or 0) * _SYS_SECTOR
            if size:
                found.append(self._disk(name, node, size, multipath))
        return tuple(found)

    def _disk(self, name: str, node: str, size: int, multipath: bool) -> BlockDisk:
        sector = int(_read(os.path.join(node, "queue", "logical_block_size")) or _SYS_SECTOR)
        serials, wwns = self._names(node)
        for path in self._linked(node, "slaves") if multipath else []:
            more = self._names(path)
            serials, wwns = serials + more[0], wwns + more[1]
        rotational = _read(os.path.join(node, "queue", "rotational")) != "0"
        return BlockDisk(name, size, sector, _once(serials), _once(wwns), multipath, rotational)

    def _names(self, node: str) -> "Tuple[List[str], List[str]]":
        udev = self._udev(_read(os.path.join(node, "dev")))
        serials = [_normal(udev.get(key, "")) for key in _SERIAL_KEYS]
        serials.append(_normal(_read(os.path.join(node, "device", "serial")) or _read(os.path.join(node, "serial"))))
        serials.append(_normal(_unit_serial(os.path.join(node, "device", "vpd_pg80"))))
        wwns = [_normal_wwn(udev.get(key, "")) for key in _WWN_KEYS]
        wwns += [_normal_wwn(_read(os.path.join(node, place))) for place in ("wwid", os.path.join("device", "wwid"))]
        return serials, wwns

    def _udev(self, number: str) -> "Dict[str, str]":
        lines = self._machine.text("run/udev/data/b" + number).splitlines() if number else []
        pairs = [line[2:].partition("=") for line in lines if line.startswith("E:")]
        return {key: value for key, _, value in pairs}


def _mounted_device(mountinfo: str, directory: str) -> str:
    """``8:1`` of what is mounted at a directory; the last mount covers the ones before. Fields: proc(5)."""
    found = ""
    for line in mountinfo.splitlines():
        fields = line.split()
        if (
            len(fields) > 4
            and re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), fields[4]) == directory
        ):
            found = fields[2]
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _unit_serial(path: str) -> str:
    """The serial in SCSI's page 80h: four bytes of header, then text (SPC-4, 7.8.18)."""
    try:
        with open(path, "rb") as file:
            return file.read()[4:].decode("ascii", "ignore").strip("\0 ")
    except OSError:
        return ""


def _normal(serial: str) -> str:
    # udev writes runs of blanks as one underscore; MAAS may have either.
    return re.sub(r"\s+", "_", serial.strip())


def _normal_wwn(wwn: str) -> str:
    return re.sub(r"\A(?:0x|naa\.|eui\.|wwn-0x)", "", wwn.strip().lower())


def _once(names: "List[str]") -> "Tuple[str, ...]":
    return tuple(name for index, name in enumerate(names) if name and name not in names[:index])


def foreign_boot_volumes(disks: "Disks", machine: LinuxHost, ours: "List[str]") -> "List[BlockDisk]":
    """Disks besides ``ours`` (names) with an EFI system partition, which MAAS's boot search may take first."""
    found = []
    for disk in disks.disks:
        if disk.name in ours:
            continue
        blocks = None
        try:
            blocks = machine.open_disk(disk.name)
            table = read_table(blocks).table
        except ForgeError:
            continue  # not ours to judge: no table, or a disk that does not answer
        finally:
            if blocks is not None:
                machine.close_disk(blocks)
        if any(partition.type_guid == EFI_SYSTEM for _, partition in table.partitions):
            found.append(disk)
    return found


def boot_disk(disks: Disks, desired: Disk, mounted_at: str) -> "Tuple[Optional[BlockDisk], str]":
    """The disk that carries the image, if it is the one that MAAS means; else None and why."""
    try:
        ours = disks.of_mount(mounted_at)
        meant = disks.matching(desired)
    except ForgeError as error:
        return None, "{} {}".format(error.message, error.hint).strip()
    if ours.name != meant.name:
        return None, "storage {}: MAAS means {}, but curtin wrote the image to {}: {}".format(
            desired.id, meant.label, ours.label, _BY_PART if desired.serial else _BY_NAME
        )
    return ours, ""

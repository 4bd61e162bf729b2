"""The section ``storage`` of the configuration that MAAS will send.

Source: canonical/maas 3.7.3, ``src/maasserver/preseed_storage.py`` (CurtinStorageGenerator), and 3.8's rule for disks
with the same model and serial.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from esxforge.deployment.answers import Answers
from esxforge.deployment.storage_answers import (
    Bcache,
    BlockDevice,
    Filesystem,
    Member,
    Partition,
    Raid,
    VolumeGroup,
)
from esxforge.errors import MaasError

_FIRST_OFFSET = 4 << 20
_TABLE_OVERHEAD = 5 << 20
_LOGICAL_OVERHEAD = 1 << 20
_NUMBER = re.compile(r"-part([0-9]{1,3})\Z")
_TABLES = {"GPT": "gpt", "MBR": "msdos"}
_CONTRADICTION = "Somebody may have changed the machine meanwhile: run the same command again."


def predict_storage(answers: Answers) -> dict[str, Any]:
    """The section. Raises MaasError where MAAS could not make one, or its answers contradict each other."""
    return _Predictor(answers).section()


class _Predictor:
    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._devices = sorted(answers.block_devices, key=lambda device: device.id)
        self._disks = [device for device in self._devices if device.type == "physical"]
        # Names are unique within a machine, ids among block devices and among partitions.
        self._names = {("device", device.id): device.name for device in self._devices}
        for device in self._devices:
            for partition in device.partitions:
                self._names["partition", partition.id] = f"{device.name}-part{_number(partition)}"
        self._members = {_key(member) for member in _members(answers)}
        by_path = answers.capabilities.names_twin_disks_by_path
        self._by_path = _need_paths(self._disks) if by_path else set()

    def section(self) -> dict[str, Any]:
        grub = self._grub_devices()
        entries = [self._disk(disk, boot=disk.id in grub) for disk in self._disks]
        entries += self._groups()
        for device in self._devices:
            entries += self._partitions(device, boot=device.id in grub)
        formatted = self._filesystems()
        entries += [self._format(name, filesystem) for name, filesystem in formatted]
        entries = _dependencies_first(entries)
        return {"version": 1, "config": entries + self._mounts(formatted)}

    def _boot_disk(self) -> int:
        boot = self._answers.machine.boot_disk
        if boot is None:
            raise MaasError(
                f"{self._answers.machine.label} has no boot disk in MAAS.",
                "Commission the machine again, or choose one.",
            )
        return boot.id

    def _grub_devices(self) -> set[int]:
        boot = self._boot_disk()
        owners = {partition.id: device.id for device in self._disks for partition in device.partitions}
        disks = {disk.id for disk in self._disks}
        found = {boot}
        for raid in self._raids():
            members = [*raid.devices, *raid.spare_devices]
            used = {owners.get(one.id) if one.type == "partition" else one.id for one in members}
            if boot in used:
                found = {one for one in used if one in disks}
        return found

    def _disk(self, disk: BlockDevice, *, boot: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {"id": disk.name, "name": disk.name, "type": "disk", "wipe": "superblock"}
        if disk.model and disk.serial and disk.id not in self._by_path:
            entry |= {"model": disk.model, "serial": disk.serial}
        else:
            entry["path"] = disk.id_path
        if disk.partition_table_type is not None:
            entry["ptable"] = _table(disk)
        elif boot:
            entry["ptable"] = "gpt" if self._is_uefi() or self._is_amd64() else "msdos"
        if boot:
            entry["grub_device"] = True
        return entry

    def _is_amd64(self) -> bool:
        return self._answers.machine.architecture.split("/")[0] == "amd64"

    def _is_uefi(self) -> bool:
        return self._answers.machine.bios_boot_method == "uefi"

    def _partitions(self, device: BlockDevice, *, boot: bool) -> list[dict[str, Any]]:
        entries = []
        ordered = sorted(device.partitions, key=lambda one: one.id)
        for index, partition in enumerate(ordered):
            # MAAS leaves room for its own first partition there, which ESXi's image brings itself.
            makes_room = boot and index == 0 and self._is_amd64() and not self._is_uefi()
            entries += _partition(device, ordered, partition, with_offset=not makes_room)
        return entries

    def _groups(self) -> list[dict[str, Any]]:
        volume_groups = self._volume_groups()
        entries = [self._volume_group(group) for group in volume_groups]
        owners = {volume.id: group for group in volume_groups for volume in group.logical_volumes}
        volumes = [device for device in self._devices if device.id in owners]
        entries += [_logical_volume(device, owners[device.id].name) for device in volumes]
        entries += [self._raid(raid) for raid in self._raids()]
        entries += [self._bcache(bcache) for bcache in self._bcaches()]
        order = {device.name: device.id for device in self._devices}
        for datastore in sorted(self._answers.datastores, key=lambda one: order.get(one.name, 0)):
            names = sorted(self._name(member) for member in datastore.devices)
            entries.append({"id": datastore.name, "name": datastore.name, "type": "vmfs6", "devices": names})
        return entries

    def _volume_groups(self) -> list[VolumeGroup]:
        """In the order of their first logical volume; then those without any, on a disk without partitions."""
        groups = self._answers.volume_groups
        used = sorted((group for group in groups if group.logical_volumes), key=_first_volume)
        bare = [one for one in groups if not one.logical_volumes and any(m.type != "partition" for m in one.devices)]
        return [*used, *bare]

    def _raids(self) -> list[Raid]:
        return sorted(self._answers.raids, key=lambda raid: raid.virtual_device.id)

    def _bcaches(self) -> list[Bcache]:
        return sorted(self._answers.bcaches, key=lambda bcache: bcache.virtual_device.id)

    def _volume_group(self, group: VolumeGroup) -> dict[str, Any]:
        names = sorted(self._name(member) for member in group.devices)
        return {"id": group.name, "name": group.name, "type": "lvm_volgroup", "uuid": group.uuid, "devices": names}

    def _raid(self, raid: Raid) -> dict[str, Any]:
        level = re.fullmatch(r"raid-(\d+)", raid.level)
        entry: dict[str, Any] = {
            "id": raid.name,
            "name": raid.name,
            "type": "raid",
            "raidlevel": int(level[1]) if level else raid.level,
            "devices": sorted(self._name(member) for member in raid.devices),
            "spare_devices": sorted(self._name(member) for member in raid.spare_devices),
        }
        return entry | self._table_of(raid.virtual_device.id)

    def _bcache(self, bcache: Bcache) -> dict[str, Any]:
        entry = {
            "id": bcache.name,
            "name": bcache.name,
            "type": "bcache",
            "backing_device": self._name(bcache.backing_device),
            "cache_device": self._name(bcache.cache_set.cache_device),
            "cache_mode": bcache.cache_mode,
        }
        return entry | self._table_of(bcache.virtual_device.id)

    def _table_of(self, device: int) -> dict[str, str]:
        found = next((one for one in self._devices if one.id == device), None)
        return {"ptable": _table(found)} if found is not None and found.partition_table_type is not None else {}

    def _name(self, member: Member) -> str:
        kind = "partition" if member.type == "partition" else "device"
        name = self._names.get((kind, member.id))
        if name is None:
            raise MaasError(
                f"MAAS's answers contradict each other: {kind} {member.id} is used by a datastore or volume of "
                f"{self._answers.machine.label}, but is not on its list of block devices.",
                _CONTRADICTION,
            )
        return name

    def _filesystems(self) -> list[tuple[str, Filesystem]]:
        """The filesystems that curtin makes: on devices and partitions themselves, not on groups of them."""
        found = []
        for device in self._devices:
            if device.filesystem is not None and ("device", device.id) not in self._members:
                found.append((device.name, device.filesystem))
                continue
            found += [
                (self._names["partition", one.id], one.filesystem)
                for one in sorted(device.partitions, key=lambda one: one.id)
                if one.filesystem is not None and ("partition", one.id) not in self._members
            ]
        return found

    def _format(self, name: str, filesystem: Filesystem) -> dict[str, Any]:
        return {
            "id": f"{name}_format",
            "type": "format",
            "fstype": filesystem.fstype,
            "uuid": filesystem.uuid,
            "label": filesystem.label,
            "volume": name,
        }

    def _mounts(self, formatted: Iterable[tuple[str, Filesystem]]) -> list[dict[str, Any]]:
        mounts: list[tuple[str, dict[str, Any]]] = []
        for name, filesystem in formatted:
            if filesystem.mount_point is not None:
                entry: dict[str, Any] = {"type": "mount", "id": f"{name}_mount", "device": f"{name}_format"}
                if filesystem.fstype != "swap":
                    entry["path"] = filesystem.mount_point
                mounts.append((filesystem.mount_point, entry | _options(filesystem.mount_options)))
        for special in self._answers.machine.special_filesystems:
            point = special.mount_point or ""
            name = point.lstrip("/").replace("/", "-")
            entry = {"type": "mount", "id": f"{name}_mount", "fstype": special.fstype, "spec": special.fstype}
            mounts.append((point, entry | {"path": point} | _options(special.mount_options)))
        return [entry for _, entry in sorted(mounts, key=lambda one: one[0])]


def _logical_volume(device: BlockDevice, group: str) -> dict[str, Any]:
    """Its own name is in its path; its name as a device has the group's before it."""
    name = device.path.rpartition("/")[2].removeprefix(f"{group}-")
    size = f"{device.size}B"
    return {"id": device.name, "name": name, "type": "lvm_partition", "volgroup": group, "size": size}


def _options(options: str | None) -> dict[str, str]:
    return {} if options is None else {"options": options}


def _key(member: Member) -> tuple[str, int]:
    return ("partition" if member.type == "partition" else "device", member.id)


def _members(answers: Answers) -> Iterable[Member]:
    for datastore in answers.datastores:
        yield from datastore.devices
    for group in answers.volume_groups:
        yield from group.devices
    for raid in answers.raids:
        yield from [*raid.devices, *raid.spare_devices]
    for bcache in answers.bcaches:
        yield from (bcache.backing_device, bcache.cache_set.cache_device)


def _first_volume(group: VolumeGroup) -> int:
    return min(volume.id for volume in group.logical_volumes)


def _number(partition: Partition) -> int:
    found = _NUMBER.search(partition.path)
    if found is None:
        raise MaasError(
            f"MAAS's answer “blockdevices” cannot be used: partition {partition.id} has no number in its path.",
            "This version of MAAS may be too new or too old for esxforge.",
        )
    return int(found[1])


def _table(device: BlockDevice) -> str:
    kind = _TABLES.get(device.partition_table_type or "")
    if kind is None:
        raise MaasError(
            f"MAAS gives {device.name} a partition table of a kind that esxforge does not know.",
            "Report it with the directory that esxforge plan --save DIR writes.",
        )
    return kind


def _partition(
    device: BlockDevice, ordered: list[Partition], partition: Partition, *, with_offset: bool
) -> list[dict[str, Any]]:
    number = _number(partition)
    name = f"{device.name}-part{number}"
    entry: dict[str, Any] = {
        "id": name,
        "name": name,
        "type": "partition",
        "number": number,
        "uuid": partition.uuid,
        "size": f"{partition.size}B",
        "device": device.name,
        "wipe": "superblock",
    }
    if number == 1 and with_offset:
        entry["offset"] = f"{_FIRST_OFFSET}B"
    if partition.bootable:
        entry["flag"] = "boot"
    if device.partition_table_type != "MBR" or number < 5:
        return [entry]
    entry |= {"flag": "logical", "size": f"{partition.size - _LOGICAL_OVERHEAD}B"}
    if number > 5:
        return [entry]
    before = sum(one.size for one in ordered if one.id < partition.id)
    after = len([one for one in ordered if one.id >= partition.id])
    extended = {
        "id": f"{device.name}-part4",
        "type": "partition",
        "number": 4,
        "device": device.name,
        "flag": "extended",
        "size": f"{device.size - _TABLE_OVERHEAD - before - after * _LOGICAL_OVERHEAD}B",
    }
    return [extended, entry]


def same_identity(disks: Iterable[BlockDevice]) -> list[list[BlockDevice]]:
    """Disks that curtin cannot tell apart by model and serial."""
    named: dict[tuple[str, str], list[BlockDevice]] = {}
    for disk in disks:
        if disk.model and disk.serial:
            named.setdefault((disk.model, disk.serial), []).append(disk)
    return [group for group in named.values() if len(group) > 1]


def _need_paths(disks: Iterable[BlockDevice]) -> set[int]:
    """From 3.8 on disks that share model and serial go by their path, or MAAS refuses."""
    found: set[int] = set()
    for group in same_identity(disks):
        paths = [disk.id_path for disk in group]
        if not all(paths) or len(set(paths)) != len(paths):
            names = ", ".join(sorted(disk.name for disk in group))
            raise MaasError(
                f"Disks {names} have the same model and serial and no distinct paths: MAAS refuses to deploy.",
                "Give the controller's volumes serials of their own, then commission the machine again.",
            )
        found |= {disk.id for disk in group}
    return found


_NEEDS = {
    "partition": ("device",),
    "format": ("volume",),
    "lvm_volgroup": ("devices",),
    "lvm_partition": ("volgroup",),
    "raid": ("devices", "spare_devices"),
    "bcache": ("backing_device", "cache_device"),
    "vmfs6": ("devices",),
}


def _dependencies_first(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """MAAS's own way: an entry that stands before something it needs moves right behind that, again and again."""
    ordered = list(entries)
    # Each move puts one entry behind one that it needs; a cycle would move for ever.
    for _ in range(len(entries) ** 2 + 1):
        above: list[str] = []
        for entry in list(ordered):
            missing = next((need for need in _needs(entry) if need not in above), None)
            if missing is not None:
                ordered.remove(entry)
                at = next((index for index, one in enumerate(ordered) if one["id"] == missing), None)
                if at is None:
                    raise _contradiction(entry["id"], missing)
                ordered.insert(at + 1, entry)
                break
            above.append(entry["id"])
        else:
            return ordered
    raise _contradiction(ordered[0]["id"], ordered[-1]["id"])


def _needs(entry: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for key in _NEEDS.get(entry["type"], ()):
        value = entry[key]
        found += value if isinstance(value, list) else [value]
    return found


def _contradiction(name: str, needed: str) -> MaasError:
    return MaasError(
        f"MAAS's answers contradict each other: {name} needs {needed}, which is not there or needs it in turn.",
        _CONTRADICTION,
    )

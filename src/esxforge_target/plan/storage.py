"""The storage's part of a plan: datastores on stamped disks, and on what remains of the boot disk.

Only the boot disk and disks that carry a stamp of ours are changed; no other volume is unmounted.
"""

from typing import Dict, List, Optional, Tuple

from esxforge_target.contract.desired_host import Datastore, DesiredHost, Disk
from esxforge_target.esxi import limits
from esxforge_target.inventory.model import Device, Extent, Inventory, PartitionEntry, PartitionTable
from esxforge_target.plan.commands import RENAME, Command, esxcli
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.steps import STORAGE, Expectation

VMFS_TYPE = "AA31E02A400F11DB9590000C2911D1B8"
MEBIBYTE = 1 << 20
SMALLEST_VMFS = 1395864371  # 1.3 GiB
# Less than this is not worth growing a datastore for, and less is always missing at the end of one: VMFS 6 hands out
# its 1 MiB blocks in clusters of 512, and keeps its own files.
WORTH_GROWING = 1 << 30
# The installer's names for a datastore on the boot disk.
BOOT_PARTITION_6 = 3
BOOT_PARTITION_7 = 8


class Place:
    """A partition on a device of this host: ``naa.…:1``."""

    def __init__(self, device: Device, partition: int) -> None:
        self.device = device
        self.partition = partition

    @property
    def name(self) -> str:
        """Name of the extent."""
        return "{}:{}".format(self.device.name, self.partition)

    @property
    def path(self) -> str:
        """Path for vmkfstools."""
        return "{}:{}".format(self.device.path, self.partition)


def plan_storage(desired: DesiredHost, inventory: Inventory, draft: Draft) -> None:
    """Append the steps that make the desired datastores, or refuse. Without any, VMware's defaults stay."""
    if not desired.datastores:
        draft.notices.append("storage: MAAS asks for no datastore; VMware's own layout stays.")
        return
    _Storage(desired, inventory, draft).plan()


def boot_device(inventory: Inventory) -> Tuple[Optional[Device], str]:
    """Return the disk that ESXi runs from, or None and the reason why that is in doubt."""
    flagged = [device for device in inventory.devices if device.boot]
    bank = inventory.boot_bank_device
    if len(flagged) > 1:
        return None, "{} all say that they are the boot disk".format(", ".join(one.name for one in flagged))
    if flagged and bank and flagged[0].name != bank:
        return None, "ESXi calls {} its boot disk, but its boot bank is on {}".format(flagged[0].name, bank)
    found = flagged[0] if flagged else inventory.device(bank)
    if found is None:
        return None, "no disk says that it is the boot disk"
    return found, ""


class _Storage:
    def __init__(self, desired: DesiredHost, inventory: Inventory, draft: Draft) -> None:
        self._desired = desired
        self._inventory = inventory
        self._draft = draft
        self._renamed = {}  # type: Dict[str, str]

    def plan(self) -> None:
        boot = self._desired.boot_datastore()
        if boot is not None:
            self._plan_on_boot_disk(boot)
        for datastore in self._desired.datastores:
            self._check_formats(datastore)
            if datastore is not boot:
                head = self._stamped_place(datastore.partitions[0])
                if head is not None:
                    self._plan_head(datastore, head)
                    self._plan_extents(datastore, head)

    # -- disks --------------------------------------------------------------------------------------------------

    def _stamped_place(self, partition_id: str) -> Optional[Place]:
        partition = self._desired.partition(partition_id)
        disk = self._desired.disk(partition.disk)
        where = "storage {}".format(partition_id)
        stamp = disk.disk_guid.lower()
        found = [device for device in self._inventory.devices if stamp and stamp in device.disk_guids]
        if len(found) != 1:
            self._draft.errors.append(
                "{}: {} disks of this host carry the stamp of {}{}; {}.".format(
                    where,
                    len(found) or "no",
                    _label(disk),
                    " ({})".format(", ".join(device.name for device in found)) if found else "",
                    "one is a copy of the other"
                    if found
                    else "ESXi may have no driver for its controller, or it is gone",
                )
            )
            return None
        device = found[0]
        entry = device.table.partition(partition.number) if device.table is not None else None
        if device.boot or device.name == self._inventory.boot_bank_device:
            self._draft.errors.append("{}: {} is the boot disk; it is not touched.".format(where, device.name))
            return None
        if entry is None or entry.type_guid != VMFS_TYPE:
            self._draft.errors.append(
                "{}: {} has no VMFS partition {}; the disk was changed after it was prepared.".format(
                    where, device.name, partition.number
                )
            )
            return None
        return Place(device, partition.number)

    def _check_formats(self, datastore: Datastore) -> None:
        """Reject disks that can hold no datastore (``esxi.limits``): disks of several sector formats, an SSD of 4Kn."""
        sectors = {}  # type: Dict[int, str]
        for partition_id in datastore.partitions:
            disk = self._desired.disk(self._desired.partition(partition_id).disk)
            device = boot_device(self._inventory)[0] if disk.boot else self._stamped(disk)
            if device is None or device.table is None:
                continue
            size = device.table.sector_size
            sectors[size] = device.name
            problem = limits.format_problem(self._inventory.release.numbers, size, device.ssd)
            if problem and not disk.boot:
                self._draft.errors.append("storage {}: {} {}".format(datastore.name, device.name, problem))
        if len(sectors) > 1:
            self._draft.errors.append(
                "storage {}: {}; {}".format(
                    datastore.name,
                    ", ".join(
                        "{} has sectors of {} bytes".format(name, size) for size, name in sorted(sectors.items())
                    ),
                    limits.ONE_FORMAT,
                )
            )

    def _stamped(self, disk: Disk) -> Optional[Device]:
        stamp = disk.disk_guid.lower()
        found = [device for device in self._inventory.devices if stamp and stamp in device.disk_guids]
        return found[0] if len(found) == 1 else None

    # -- datastores ---------------------------------------------------------------------------------------------

    def _extent_at(self, place: Place) -> Optional[Extent]:
        for extent in self._inventory.extents:
            if extent.device == place.device.name and extent.partition == place.partition:
                return extent
        return None

    def _names(self) -> List[str]:
        found = [one.volume for one in self._inventory.extents] + [one.name for one in self._inventory.file_systems]
        return [self._renamed.get(name, name) for name in found]

    def _plan_head(self, datastore: Datastore, place: Place) -> None:
        extent = self._extent_at(place)
        where = "storage {}".format(datastore.name)
        if extent is not None and extent.number:
            self._draft.errors.append(
                "{}: {} belongs to the datastore {} already.".format(where, place.name, extent.volume)
            )
        elif extent is not None and extent.volume != datastore.name:
            self._make_way(datastore.name, place)
            self._rename(extent.volume, datastore.name, (place.name,))
        elif extent is None:
            self._make_way(datastore.name, place)
            self._create(datastore, place)

    def _make_way(self, name: str, place: Place) -> None:
        """Free the name, as ESXi renames a second volume of one name: rename the installer's own, reject others."""
        if name not in self._names():
            return
        boot, _ = boot_device(self._inventory)
        holders = [one for one in self._inventory.extents if self._renamed.get(one.volume, one.volume) == name]
        if boot is not None and [one.device for one in holders] == [boot.name] and boot.name != place.device.name:
            free = name + "-boot"
            while free in self._names() or free in [one.name for one in self._desired.datastores]:
                free += "-boot"
            self._rename(holders[0].volume, free, ("{}:{}".format(holders[0].device, holders[0].partition),))
            self._draft.notices.append(
                "storage: the installer's datastore {} on the boot disk is renamed to {}, because MAAS wants that name "
                "elsewhere.".format(name, free)
            )
            return
        self._draft.errors.append(
            "storage {}: a volume of this name exists on {} already; rename it or choose another name in MAAS.".format(
                name, ", ".join(one.device for one in holders) or "this host"
            )
        )

    def _rename(self, before: str, after: str, extents: Tuple[str, ...]) -> None:
        self._renamed[before] = after
        self._draft.add(
            STORAGE,
            RENAME + (before, after),
            "rename the datastore {} to {}".format(before, after),
            (Expectation("datastore", after, ()),),
            (RENAME + (after, before),),
        )

    def _create(self, datastore: Datastore, place: Place) -> None:
        self._draft.add(
            STORAGE,
            ("vmkfstools", "-C", "vmfs6", "-S", datastore.name, place.path),
            "create the datastore {} on {}".format(datastore.name, place.name),
            (Expectation("datastore", datastore.name, (("extents", "has", place.name),)),),
            (esxcli("storage", "filesystem", "unmount", "-l", datastore.name),),
        )

    def _plan_extents(self, datastore: Datastore, head: Place) -> None:
        head_extent = self._extent_at(head)
        for partition_id in datastore.partitions[1:]:
            place = self._stamped_place(partition_id)
            if place is None:
                continue
            extent = self._extent_at(place)
            if extent is not None and (head_extent is None or extent.uuid != head_extent.uuid):
                self._draft.errors.append(
                    "storage {}: {} belongs to the datastore {} already.".format(
                        datastore.name, place.name, extent.volume
                    )
                )
            elif extent is None:
                self._draft.add(
                    STORAGE,
                    ("vmkfstools", "-Z", place.path, head.path),
                    "extend the datastore {} by {}".format(datastore.name, place.name),
                    (Expectation("datastore", datastore.name, (("extents", "has", place.name),)),),
                    stdin="0\n",  # it asks; 0 is yes
                )

    # -- the boot disk ------------------------------------------------------------------------------------------

    def _plan_on_boot_disk(self, datastore: Datastore) -> None:
        device, doubt = boot_device(self._inventory)
        if device is None or device.table is None:
            self._draft.errors.append(
                "storage {}: no partition of the boot disk is touched, because {}.".format(
                    datastore.name, doubt or "its partition table cannot be read"
                )
            )
            return
        number = BOOT_PARTITION_6 if self._inventory.release.major < 7 else BOOT_PARTITION_7
        vmfs = [entry for entry in device.table.partitions if entry.type_guid == VMFS_TYPE]
        chosen = [entry for entry in vmfs if entry.number == number] or (vmfs if len(vmfs) == 1 else [])
        if chosen:
            place = Place(device, chosen[0].number)
            self._grow(place, device.table, chosen[0])
        elif self._add_partition(datastore, device, device.table, number):
            place = Place(device, number)
        else:
            return
        self._plan_head(datastore, place)
        self._plan_extents(datastore, place)

    def _add_partition(self, datastore: Datastore, device: Device, table: PartitionTable, number: int) -> bool:
        if table.partition(number) is not None:
            self._draft.errors.append(
                "storage {}: partition {} of the boot disk {} is no VMFS partition.".format(
                    datastore.name, number, device.name
                )
            )
            return False
        unit = MEBIBYTE // table.sector_size
        behind = max([entry.last for entry in table.partitions] + [0]) + 1
        first, last = -(-behind // unit) * unit, table.last_usable
        room = max(last - first + 1, 0) * table.sector_size
        if room < SMALLEST_VMFS:
            self._draft.errors.append(
                "storage {}: ESXi leaves {} bytes of the boot disk {}, and a datastore needs {}; use a larger disk, or "
                "put the datastore on another one.".format(datastore.name, room, device.name, SMALLEST_VMFS)
            )
            return False
        self._draft.add(
            STORAGE,
            (
                "partedUtil",
                "add",
                device.path,
                "gpt",
                "{} {} {} {} 0".format(number, first, last, VMFS_TYPE),
            ),
            "partition {} of {} takes what remains: {} bytes".format(number, device.name, room),
            (Expectation("partition", "{}:{}".format(device.name, number), (("type_guid", "is", VMFS_TYPE),)),),
            (("partedUtil", "delete", device.path, str(number)),),
        )
        return True

    def _grow(self, place: Place, table: PartitionTable, entry: PartitionEntry) -> None:
        missing = (table.last_usable - entry.last) * table.sector_size
        is_last = all(other.last <= entry.last for other in table.partitions)
        last = entry.last
        extent = self._extent_at(place)
        if missing >= WORTH_GROWING and is_last:
            last = table.last_usable
            self._draft.add(
                STORAGE,
                self._resize(place, entry, last),
                "partition {} of {} takes what remains: {} bytes more".format(entry.number, place.device.name, missing),
                (Expectation("partition", place.name, (("last", "is", last),)),),
                # A file system that may have grown into it must not lose its end.
                () if extent is not None else (self._resize(place, entry, entry.last),),
            )
        if extent is None or len([one for one in self._inventory.extents if one.uuid == extent.uuid]) > 1:
            return
        sizes = [one.size for one in self._inventory.file_systems if one.uuid == extent.uuid]
        if sizes and (last - entry.first + 1) * table.sector_size - sizes[0] >= WORTH_GROWING:
            self._draft.add(
                STORAGE,
                ("vmkfstools", "--growfs", place.path, place.path),
                "the datastore {} grows into its partition".format(extent.volume),
            )

    def _resize(self, place: Place, entry: PartitionEntry, last: int) -> Command:
        return ("partedUtil", "resize", place.device.path, str(entry.number), str(entry.first), str(last))


def _label(disk: Disk) -> str:
    details = ", ".join(text for text in (disk.model, disk.serial) if text)
    return "{} ({})".format(disk.name, details) if details else disk.name

"""Check that disks, partitions and datastores fit together, and fit ESXi. All else is rejected, with its location."""

from typing import Dict, List, Optional

from esxforge_target.contract.desired_host import Datastore, Disk, Partition
from esxforge_target.curtin_config.network_checks import FORBIDDEN_IN_NAMES
from esxforge_target.curtin_config.storage import StorageSection
from esxforge_target.esxi.limits import LARGEST_DATASTORE, MOST_DATASTORES, MOST_EXTENTS
from esxforge_target.runtime.validation_errors import Problems, shown

# vSphere enforces this length for names of VMFS datastores, and VMFS 6 needs this room.
LONGEST_DATASTORE_NAME = 42
SMALLEST_DATASTORE = 1395864371  # 1.3 GiB
RESERVED_NAMES = ("BOOTBANK1", "BOOTBANK2", "OSDATA", "LOCKER")


def check_storage(storage: StorageSection, reasons: Problems) -> None:
    """Settle which disk boots; refuse what contradicts itself or what ESXi cannot do."""
    _settle_boot_disk(storage, reasons)
    _check_partitions(storage, reasons)
    _check_names(storage, reasons)
    owner = {}  # type: Dict[str, str]
    for datastore in storage.datastores:
        _check_extents(datastore, storage, owner, reasons)
    if len(storage.datastores) > MOST_DATASTORES:
        reasons.refuse(
            "storage",
            "it asks for {} datastores; a host has at most {}.".format(len(storage.datastores), MOST_DATASTORES),
        )
    _check_boot_disk(storage, reasons)
    _tell_unused_partitions(storage, reasons)
    _check_linux(storage, reasons)
    _leave_unneeded(storage, reasons)


def _settle_boot_disk(storage: StorageSection, reasons: Problems) -> None:
    """curtin's rule: of the disks marked, the first that has a serial (or else simply the first)."""
    if not storage.disks:
        reasons.refuse("storage", "it names no disk, so there is nothing to install to.")
        return
    marked = [disk for disk in storage.disks if disk.id in storage.boot_flags]
    if not marked and len(storage.disks) == 1:
        marked = list(storage.disks)
    if not marked:
        reasons.refuse("storage", "no disk is marked as the boot disk (grub_device); choose one in MAAS.")
        return
    boot = ([disk for disk in marked if disk.serial] or marked)[0]
    if len(marked) > 1:
        reasons.notice(
            "storage", "{} disks are marked as boot disk; ESXi is installed to {}.".format(len(marked), boot.name)
        )
    storage.disks = [disk.replace(boot=disk.id == boot.id) for disk in storage.disks]


def _check_partitions(storage: StorageSection, reasons: Problems) -> None:
    disks = [disk.id for disk in storage.disks]
    numbers = {}  # type: Dict[object, str]
    for partition in storage.partitions:
        where = storage.places.get(partition.id, "storage")
        if partition.disk and partition.disk not in disks and not storage.linux:
            reasons.refuse(where, "it lies on {}, which is not a disk of this machine.".format(shown(partition.disk)))
        key = (partition.disk, partition.number)
        if key in numbers and partition.disk:
            reasons.refuse(
                where,
                "partition {} of {} is {} already.".format(
                    partition.number, shown(partition.disk), shown(numbers[key])
                ),
            )
        numbers.setdefault(key, partition.id)


def _check_names(storage: StorageSection, reasons: Problems) -> None:
    seen = set()
    for datastore in storage.datastores:
        name = datastore.name
        where = storage.places.get("datastore " + name, "storage")
        if name in seen:
            reasons.refuse(where, "two datastores have the name {}.".format(shown(name)))
        seen.add(name)
        if len(name) > LONGEST_DATASTORE_NAME:
            reasons.refuse(where, "the datastore's name is longer than {} characters.".format(LONGEST_DATASTORE_NAME))
        if not name.isprintable() or name != name.strip() or name in ("", ".", ".."):
            reasons.refuse(where, "ESXi does not allow a datastore with the name {}.".format(shown(name)))
        if name.startswith("-"):
            reasons.refuse(where, "ESXi's tools would take its name for an option; rename the datastore.")
        if any(character in name for character in FORBIDDEN_IN_NAMES):
            reasons.refuse(where, "ESXi does not allow “/”, “\\” or “%” in a datastore's name.")
        if name in RESERVED_NAMES or name.startswith(("OSDATA-", "LOCKER-")):
            reasons.refuse(where, "ESXi has a volume of the name {} of its own.".format(shown(name)))


def _check_extents(datastore: Datastore, storage: StorageSection, owner: Dict[str, str], reasons: Problems) -> None:
    where = storage.places.get("datastore " + datastore.name, "storage")
    disks = {disk.id: disk for disk in storage.disks}
    if not datastore.partitions:
        reasons.refuse(where, "the datastore has no partition.")
    if len(datastore.partitions) > MOST_EXTENTS:
        reasons.refuse(where, "a datastore has at most {} extents.".format(MOST_EXTENTS))
    total = 0
    for index, key in enumerate(datastore.partitions):
        partition = _find(storage.partitions, key)
        if partition is None:
            reasons.refuse(where, "it uses {}, which is not a partition of this machine.".format(shown(key)))
            continue
        total += partition.size or 0
        if key in owner:
            reasons.refuse(where, "{} belongs to the datastore {} already.".format(shown(key), shown(owner[key])))
        owner.setdefault(key, datastore.name)
        disk = disks.get(partition.disk)
        if disk is None:
            reasons.refuse(where, "it lies on the unknown disk {}.".format(shown(partition.disk)))
        elif not disk.boot and storage.preserved & {key, disk.id, storage.ids.get(datastore.name, "")}:
            reasons.refuse(
                where,
                "{} is marked preserve, but datastores are created on empty disks and its data would be lost; clear "
                "the mark, or leave this disk out.".format(shown(key)),
            )
        elif disk.boot and index > 0:
            reasons.refuse(
                where,
                "{} is on the boot disk, where ESXi makes a datastore itself: it can be the first partition of this "
                "datastore, not a further one.".format(shown(key)),
            )
        elif not disk.boot and partition.size is not None and partition.size < SMALLEST_DATASTORE:
            reasons.refuse(
                where, "{} has {} bytes; VMFS needs at least {}.".format(shown(key), partition.size, SMALLEST_DATASTORE)
            )
    if total > LARGEST_DATASTORE:
        reasons.refuse(where, "it has {} bytes; VMFS takes at most {}.".format(total, LARGEST_DATASTORE))


def _check_boot_disk(storage: StorageSection, reasons: Problems) -> None:
    boot = [disk.id for disk in storage.disks if disk.boot]
    on_boot = []  # type: List[str]
    for datastore in storage.datastores:
        head = _find(storage.partitions, datastore.partitions[0]) if datastore.partitions else None
        if head is not None and head.disk in boot:
            on_boot.append(datastore.name)
    for name in on_boot[1:]:
        reasons.refuse(
            storage.places.get("datastore " + name, "storage"),
            "the boot disk carries the datastore {} already: ESXi leaves one stretch of it, which is one "
            "datastore.".format(shown(on_boot[0])),
        )


def _tell_unused_partitions(storage: StorageSection, reasons: Problems) -> None:
    """On a disk with datastores the other partitions are not made: say so. Those of the boot disk are ESXi's own."""
    used = {key for datastore in storage.datastores for key in datastore.partitions}
    boot = [disk.id for disk in storage.disks if disk.boot]
    carriers = {one.disk for one in storage.partitions if one.id in used and one.disk not in boot}
    for partition in storage.partitions:
        if partition.disk in carriers and partition.id not in used:
            reasons.notice(
                storage.places.get(partition.id, "storage"),
                "no datastore uses it, so it is not made; {} gets a new partition table.".format(shown(partition.disk)),
            )


def _check_linux(storage: StorageSection, reasons: Problems) -> None:
    if not storage.linux and not storage.linux_volumes:
        return
    if not storage.datastores:
        reasons.notice(
            "storage",
            "the layout is one for Linux ({}); ESXi has none of it, and VMware's own layout stays.".format(
                ", ".join(storage.linux + storage.linux_volumes)
            ),
        )
        return
    for text in storage.linux + storage.linux_volumes:
        reasons.notice("storage", "ESXi cannot make {}; no datastore needs it, and it is left out.".format(text))


def _leave_unneeded(storage: StorageSection, reasons: Problems) -> None:
    """Leave out partitions that no datastore uses, whatever is odd about them: notices, not errors."""
    used = {key for datastore in storage.datastores for key in datastore.partitions}
    for partition in storage.partitions:
        prefix = storage.places.get(partition.id, "storage") + ": "
        if partition.id in used or partition.id in storage.twice:
            continue
        odd = [one for one in reasons.reasons if one.startswith(prefix)]
        reasons.reasons = [one for one in reasons.reasons if one not in odd]
        for one in odd:
            reasons.notice(prefix[:-2], one[len(prefix) :] + " No datastore uses it, so it is not made.")
        if odd:
            storage.partitions = [one for one in storage.partitions if one is not partition]


def _find(partitions: List[Partition], key: str) -> Optional[Partition]:
    for partition in partitions:
        if partition.id == key:
            return partition
    return None

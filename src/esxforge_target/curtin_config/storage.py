"""The section ``storage`` of curtin's configuration (version 1): disks, partitions and VMFS datastores."""

import re
from typing import Dict, List, Optional, Set

from esxforge_target.contract.desired_host import Datastore, Disk, Partition
from esxforge_target.curtin_config.reader import Item
from esxforge_target.runtime.documents import LARGEST_SIZE
from esxforge_target.runtime.validation_errors import shown

# curtin's other types. They belong to Linux layouts, which MAAS lets through for ESXi as well.
LINUX_TYPES = (
    "lvm_volgroup",
    "lvm_partition",
    "raid",
    "bcache",
    "dm_crypt",
    "zpool",
    "zfs",
    "dasd",
    "nvme_namespace",
    "device",
    "image",
)
KNOWN_DISK_KEYS = (
    "type",
    "ptable",
    "wipe",
    "preserve",
    "multipath",
    "device_id",
    "nvme_controller",
    "info",
)
KNOWN_PARTITION_KEYS = (
    "type",
    "name",
    "flag",
    "wipe",
    "preserve",
    "uuid",
    "partition_type",
    "partition_name",
    "resize",
    "multipath",
)
_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class StorageSection:
    """Contents of the section, before checks of its consistency."""

    def __init__(self) -> None:
        self.disks = []  # type: List[Disk]
        self.boot_flags = []  # type: List[str]
        self.partitions = []  # type: List[Partition]
        self.datastores = []  # type: List[Datastore]
        self.places = {}  # type: Dict[str, str]
        self.linux = []  # type: List[str]
        self.linux_volumes = []  # type: List[str]
        self.preserved = set()  # type: Set[str]
        self.ids = {}  # type: Dict[str, str]
        self.twice = set()  # type: Set[str]


def read_storage(section: Item) -> StorageSection:
    """Read the section. Everything that cannot be read goes to the reasons of ``section``."""
    storage = StorageSection()
    version = section.get("version")
    if version not in (1, "1"):
        section.refuse("only version 1 is known, this is {}.".format(shown(version)))
        return storage
    if not isinstance(section.get("config"), list):
        section.refuse("config must be a list of disks, partitions and datastores.")
        return storage
    seen = set()  # type: Set[str]
    volumes = set()  # type: Set[str]
    for index, item in enumerate(section.items("config")):
        key = item.text("id")
        item.where = "storage {}".format(key or "config[{}]".format(index))
        if not key:
            item.refuse("id is missing.")
        if key in seen:
            item.refuse("this id is given twice.")
            storage.twice.add(key)
        seen.add(key)
        storage.places.setdefault(key, item.where)
        _read_entry(item, key, storage, volumes)
    section.name_unknown()
    return storage


def _read_entry(item: Item, key: str, storage: StorageSection, vmfs_formats: Set[str]) -> None:
    kind = item.text("type")
    if item.values.get("preserve") is not None and item.truth("preserve"):
        storage.preserved.add(key)
    if kind == "disk":
        _read_disk(item, key, storage)
    elif kind == "partition":
        _read_partition(item, key, storage)
    elif kind == "vmfs6":
        names = item.texts("devices")
        name = item.get("name")
        if name is not None and not isinstance(name, str):
            item.refuse("name must be a text, not {}.".format(shown(name)))
            name = None
        storage.datastores.append(Datastore(name or key, tuple(names)))
        storage.places["datastore " + (name or key)] = item.where
        storage.ids[name or key] = key
        item.name_unknown(("preserve", "wipe", "size"))
    elif kind == "format":
        if item.text("fstype").lower() in ("vmfs", "vmfs6", "vmfs5"):
            vmfs_formats.add(key)
        else:
            storage.linux_volumes.append(
                "{} ({})".format(item.text("volume") or key, item.text("fstype") or "no file system")
            )
        item.name_unknown(("volume", "label", "uuid", "preserve", "flag", "extra_options"))
    elif kind == "mount":
        if item.text("device") not in vmfs_formats:
            storage.linux_volumes.append("{} (mounted)".format(item.text("path") or key))
        item.name_unknown(("path", "options", "spec", "fstype", "freq", "passno"))
    elif kind == "nvme_controller":
        pass  # says how a disk is attached, and asks for nothing
    elif kind in LINUX_TYPES:
        storage.linux.append("{} ({})".format(key, kind))
    elif not kind:
        item.refuse("type is missing.")
    else:
        item.refuse("entries of type {} are not known.".format(shown(kind)))


def _read_disk(item: Item, key: str, storage: StorageSection) -> None:
    if item.truth("grub_device"):
        storage.boot_flags.append(key)
    storage.disks.append(
        Disk(
            key,
            item.text("name") or key,
            item.text("model"),
            item.text("serial"),
            item.text("wwn"),
            item.text("path"),
        )
    )
    item.name_unknown(KNOWN_DISK_KEYS)


def _read_partition(item: Item, key: str, storage: StorageSection) -> None:
    disk = item.text("device", required=True)
    number = item.number("number")
    if number is None:
        number = len([one for one in storage.partitions if one.disk == disk]) + 1
    if not 1 <= number <= 128:
        item.refuse("a partition's number is between 1 and 128, not {}.".format(number))
    size = _read_size(item, "size")
    offset = _read_size(item, "offset")
    storage.partitions.append(Partition(key, disk, number, size, offset))
    item.name_unknown(KNOWN_PARTITION_KEYS)


def _read_size(item: Item, key: str) -> Optional[int]:
    value = item.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        item.refuse("{} must be a size in bytes, not {}.".format(key, shown(value)))
        return None
    # curtin takes 5G, 5GB, 5GiB alike: powers of 1024.
    match = re.match(r"\A([0-9]{1,19})(?:([BKMGT]?)|([KMGT])i?B)\Z", str(value).strip(), re.IGNORECASE | re.ASCII)
    if match is None:
        item.refuse("{} {} is not a size.".format(key, shown(value)))
        return None
    size = int(match.group(1)) * _UNITS[(match.group(2) or match.group(3) or "").upper()]
    if size > LARGEST_SIZE:
        item.refuse("{} {} is larger than any disk.".format(key, shown(value)))
        return None
    return size

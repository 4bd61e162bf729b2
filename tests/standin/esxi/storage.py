"""esxcli storage: devices, partitions, adapters, file systems, VMFS extents."""

import re
from typing import Any, Dict, List

from standin.esxi import label as labels
from standin.esxi.dials import EXTENT_LAG
from standin.esxi.disks import boot_disk, disk_named, disks, label_of, make_nodes, sectors_of
from standin.esxi.errors import CommandError
from standin.esxi.host import Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Field, Output, Row, fields, listing, table
from standin.esxi.volumes import Record, capacity, is_mounted, make_directories, volume_named, volumes

DEVICE_FIELDS = fields(
    "Display Name", "Has Settable Display Name:boolean", "Size:integer", "Device Type", "Multipath Plugin",
    "Devfs Path", "Vendor", "Model", "Revision", "SCSI Level:integer", "Is Pseudo:boolean", "Status",
    "Is RDM Capable:boolean", "Is Local:boolean", "Is Removable:boolean", "Is SSD:boolean", "Is VVOL PE:boolean",
    "Is Offline:boolean", "Is Perennially Reserved:boolean", "Queue Full Sample Size:integer",
    "Queue Full Threshold:integer", "Thin Provisioning Status", "Attached Filters:list", "VAAI Status",
    "Other UIDs:list", "Is Shared Clusterwide:boolean", "Is SAS:boolean", "Is USB:boolean", "Is Boot Device:boolean",
    "Device Max Queue Depth:integer", "No of outstanding IOs with competing worlds:integer", "Drive Type", "RAID Level",
    "Number of Physical Drives", "Protection Enabled:boolean", "PI Activated:boolean", "PI Type:integer",
    "PI Protection Mask", "Supported Guard Types", "DIX Enabled:boolean", "DIX Guard Type",
    "Emulated DIX/DIF Enabled:boolean",
)  # fmt: skip
FILESYSTEM_FIELDS = fields(
    "Mount Point", "Volume Name", "UUID", "Mounted:boolean", "Type", "Size:integer", "Free:integer",
)  # fmt: skip
EXTENT_FIELDS = fields("Volume Name", "VMFS UUID", "Extent Number:integer", "Device Name", "Partition:integer")
PARTITION_FIELDS = fields(
    "Device", "Partition:integer", "Start Sector:integer", "End Sector:integer", "Type", "Size:integer",
)  # fmt: skip
MBR_TYPES = {"vmfs": "fb", "vmfsl": "f9", "vmkDiagnostic": "fc"}


def _device_row(host: Host, disk: Dict[str, Any]) -> Row:
    kind = disk["kind"]
    local = disk.get("local", True)
    megabytes = disk["bytes"] >> 20
    return {
        "Device": disk["name"],
        "Display Name": "{} {} Disk ({})".format("Local" if local else disk["vendor"], disk["vendor"], disk["name"]),
        "Has Settable Display Name": not disk["name"].startswith("mpx."), "Size": megabytes,
        "Device Type": "Direct-Access", "Multipath Plugin": "NMP" if host.release < [7, 0] else "HPP",
        "Devfs Path": "/vmfs/devices/disks/{}".format(disk["name"]), "Vendor": disk["vendor"], "Model": disk["model"],
        "Revision": disk["revision"], "SCSI Level": 6, "Is Pseudo": False,
        "Status": "dead" if disk.get("dead") else "on", "Is RDM Capable": not local, "Is Local": local,
        "Is Removable": disk.get("removable", False), "Is SSD": disk["ssd"], "Is VVOL PE": False,
        "Is Offline": bool(disk.get("dead")), "Is Perennially Reserved": False, "Queue Full Sample Size": 0,
        "Queue Full Threshold": 0, "Thin Provisioning Status": "yes" if disk["ssd"] else "unknown",
        "Attached Filters": [], "VAAI Status": "unsupported" if local else "supported", "Other UIDs": [disk["vml"]],
        "Is Shared Clusterwide": not local, "Is SAS": kind == "sas", "Is USB": kind == "usb",
        "Is Boot Device": disk["boot"] and host.dial("boot-device") == "shown", "Device Max Queue Depth": 254,
        "No of outstanding IOs with competing worlds": 32, "Drive Type": "physical" if kind == "sas" else "unknown",
        "RAID Level": "NA" if kind == "sas" else "unknown",
        "Number of Physical Drives": "1" if kind == "sas" else "unknown", "Protection Enabled": False,
        "PI Activated": False, "PI Type": 0, "PI Protection Mask": "NO PROTECTION",
        "Supported Guard Types": "NO GUARD SUPPORT", "DIX Enabled": False, "DIX Guard Type": "NO GUARD SUPPORT",
        "Emulated DIX/DIF Enabled": False,
    }  # fmt: skip


def _devices(host: Host, options: Options) -> Output:
    chosen = [disk_named(host, options["device"])] if "device" in options else disks(host)
    if options.get("exclude-offline"):
        chosen = [disk for disk in chosen if not disk.get("dead")]
    columns = [Field("Device", hidden=True)] + DEVICE_FIELDS
    return listing("ScsiDevice", columns, [_device_row(host, disk) for disk in chosen], "Device")


def _labelled(host: Host, options: Options) -> "List[Dict[str, Any]]":
    return [disk_named(host, options["device"])] if "device" in options else disks(host)


def _partitions(host: Host, options: Options) -> Output:
    rows: List[Row] = []
    for disk in _labelled(host, options):
        size = disk["sector_size"]
        if not disk.get("dead"):
            rows.append(_partition_row(disk["name"], 0, 0, sectors_of(host, disk), "0", size))
        label = label_of(host, disk["name"])
        for one in label.in_order() if label else []:
            kind = MBR_TYPES.get(labels.TYPE_NAMES.get(one.type, ""), "0")
            rows.append(_partition_row(disk["name"], one.number, one.first, one.last + 1, kind, size))
    return table("Partition", PARTITION_FIELDS, rows)


def _partition_row(name: str, number: int, first: int, end: int, kind: str, size: int) -> Row:
    return {
        "Device": name, "Partition": number, "Start Sector": first, "End Sector": end, "Type": kind,
        "Size": (end - first) * size,
    }  # fmt: skip


def _guids(host: Host, options: Options) -> Output:
    rows: List[Row] = []
    for disk in _labelled(host, options):
        label = label_of(host, disk["name"])
        for one in label.in_order() if label else []:
            rows.append({"Device": disk["name"], "Partition": one.number, "Layout": "GPT", "GUID": one.type.lower()})
    return table("PartitionGuid", fields("Device", "Partition:integer", "Layout", "GUID"), rows)


def _file_systems(host: Host, options: Options) -> Output:
    rows: List[Row] = []
    for volume in volumes(host):
        mounted = is_mounted(host, volume)
        size = capacity(volume)
        shown = "VMFSOS" if volume["type"] == "VMFS-L" else volume["type"]
        rows.append(_file_system_row(volume["uuid"], volume["label"], mounted, shown, size, size - (size >> 4)))
    for bank in host.hardware["banks"]:
        rows.append(_file_system_row(bank["uuid"], bank["label"], True, "vfat", bank["bytes"], bank["bytes"] // 2))
    return table("Filesystem", FILESYSTEM_FIELDS, rows)


def _file_system_row(uuid: str, name: str, mounted: bool, kind: str, size: int, free: int) -> Row:
    return {
        "Mount Point": "/vmfs/volumes/" + uuid if mounted else "", "Volume Name": name, "UUID": uuid,
        "Mounted": mounted, "Type": kind if mounted else "VMFS-unknown version",
        "Size": size if mounted else 0, "Free": free if mounted else 0,
    }  # fmt: skip


def _rescan(host: Host, options: Options) -> None:
    make_nodes(host)
    make_directories(host)


def _adapter_rescan(host: Host, options: Options) -> None:
    if bool(options.get("all")) == bool(options.get("adapter")):
        raise CommandError("Error: Specify exactly one of all, adapter")
    if options.get("adapter") and options["adapter"] not in {disk["adapter"] for disk in disks(host)}:
        raise CommandError("Invalid adapter {}".format(options["adapter"]))
    _rescan(host, options)


def _adapters(host: Host, options: Options) -> Output:
    names = sorted({(disk["adapter"], disk["driver"]) for disk in disks(host)})
    rows = [
        {"HBA Name": name, "Driver": driver, "Link State": "link-n/a", "UID": "sas." + name, "Capabilities": "",
         "Description": "storage controller"}
        for name, driver in names
    ]  # fmt: skip
    return table("Adapter", fields("HBA Name", "Driver", "Link State", "UID", "Capabilities", "Description"), rows)


def _chosen_volume(host: Host, options: Options) -> Record:
    given = [key for key in ("volume-label", "volume-uuid", "volume-path") if key in options]
    if len(given) != 1:
        raise CommandError("Error: Specify exactly one volume by label, UUID or path")
    name = options[given[0]]
    if given == ["volume-path"]:
        found = re.match(r"/vmfs/volumes/([^/]+)/?$", name)
        if not found:
            raise CommandError(f"Invalid volume path {name}")
        name = found.group(1)
    return volume_named(host, name)


def _mount(host: Host, options: Options) -> None:
    if options.get("all"):
        host.running["unmounted"] = []
    else:
        volume = _chosen_volume(host, options)
        if is_mounted(host, volume):
            raise CommandError(f"Volume {volume['label']} is already mounted")
        host.running["unmounted"].remove(volume["uuid"])
    make_directories(host)


def _unmount(host: Host, options: Options) -> None:
    volume = _chosen_volume(host, options)
    if not is_mounted(host, volume):
        raise CommandError(f"Volume {volume['label']} is not mounted")
    if volume["type"] == "VMFS-L" and volume["extents"][0][0] == boot_disk(host)["name"]:
        raise CommandError(f"Volume {volume['label']} cannot be unmounted: Device or resource busy")
    host.running["unmounted"].append(volume["uuid"])
    make_directories(host)


def _extents(host: Host, options: Options) -> Output:
    rows: List[Row] = []
    lag = EXTENT_LAG[host.dial("extent-lag")]
    for volume in volumes(host):
        if volume["type"] == "VMFS-L" or not is_mounted(host, volume):
            continue
        if lag and 0 <= host.now - volume.get("made", -lag) < lag:
            continue
        if lag and 0 <= host.now - volume.get("renamed", -lag) < lag:
            volume["label"] = volume["renamed_from"]
        for number, (device, partition, _) in enumerate(volume["extents"]):
            rows.append({
                "Volume Name": volume["label"], "VMFS UUID": volume["uuid"], "Extent Number": number,
                "Device Name": device, "Partition": partition,
            })  # fmt: skip
    return table("VmfsExtent", EXTENT_FIELDS, rows)


VOLUME = [
    Option("l", "volume-label"), Option("u", "volume-uuid"), Option("n", "no-persist", "flag"),
    Option("a", "all", "flag"),
]  # fmt: skip
DEVICE = Option("d", "device")
COMMANDS = [
    Command("storage core device list", _devices, DEVICE, Option("o", "exclude-offline", "flag")),
    Command("storage core device partition list", _partitions, DEVICE),
    Command("storage core device partition showguid", _guids, DEVICE),
    Command("storage core adapter list", _adapters),
    Command(
        "storage core adapter rescan", _adapter_rescan, Option("a", "all", "flag"), Option("A", "adapter"),
        Option("t", "type", choices=("add", "all", "delete", "path", "update")), Option("S", "skip-claim", "flag"),
        Option("u", "skip-fs-scan", "flag"),
    ),
    Command("storage filesystem list", _file_systems, Option("i", "ignore-errors", "flag")),
    Command("storage filesystem rescan", _rescan),
    Command("storage filesystem automount", _rescan),
    Command("storage filesystem mount", _mount, *VOLUME),
    Command("storage filesystem unmount", _unmount, Option("p", "volume-path"), *VOLUME),
    Command("storage vmfs extent list", _extents, Option("i", "ignore-errors", "flag")),
    Command("storage vmfs snapshot list", lambda host, options: table("VmfsSnapshot", fields("Volume Name"), [])),
]  # fmt: skip

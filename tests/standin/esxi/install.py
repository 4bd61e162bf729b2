"""Puts a machine into a directory: its disks with their labels, banks, volumes and a fresh install's configuration."""

import os
import uuid
from typing import Any, Dict, List, Optional

from standin.esxi import label as labels
from standin.esxi.dials import checked
from standin.esxi.disks import DIRECTORY, disk_path, sectors_of
from standin.esxi.host import Host
from standin.esxi.presets import boot_table, fresh_configuration, hardware_of
from standin.esxi.store import FILES, Document, Store, write_json
from standin.esxi.volumes import new_uuid, write_record
from standin.esxi.world import default_world

MEBIBYTE = 1 << 20
DIRECTORIES = (
    "/tmp", "/var/run", "/var/lock", "/vmfs/volumes", DIRECTORY, "/etc/ssh/keys-root", "/etc/rc.local.d", "/etc/init.d",
    "/etc/vmware/firewall", "/etc/vmware/ssl", "/tardisks", "/dev",
)  # fmt: skip


def install(
    directory: str,
    preset: str,
    release: str,
    nics: Optional[List[Document]],
    disks: Optional[List[Document]],
    world: Optional[Document],
    hostd_delay: int,
    quirks: Dict[str, bool],
    dials: Optional[Dict[str, str]] = None,
    booted: str = "",
) -> Store:
    """A new machine, off, in an empty or new directory. ``booted``: the MAC of the NIC that the installer was told."""
    hardware = hardware_of(preset, release)
    hardware.update(nics=nics or hardware["nics"], disks=disks or hardware["disks"], hostd_delay=hostd_delay)
    unknown = sorted(set(quirks) - set(hardware["quirks"]))
    if unknown:
        raise ValueError(f"no quirk {unknown[0]}; there are {', '.join(sorted(hardware['quirks']))}")
    hardware["quirks"].update(quirks)
    hardware.update(dials=checked(dials or {}), booted=booted)
    store = Store(directory)
    os.makedirs(directory, exist_ok=True)
    power = {"on": False, "ending": "", "boots": 0, "first": True, "hostd": True, "hostd_refusals": 0}
    macs = [str(nic["mac"]) for nic in hardware["nics"]]
    running = fresh_configuration(hardware)
    documents: Dict[str, Any] = {
        "hardware": hardware, "world": world or default_world(macs), "running": running, "saved": running,
        "power": power, "faults": {"list": []},
    }  # fmt: skip
    for name in FILES:
        write_json(store.path(name + ".json"), documents[name])
    store.load()
    _make_files(Host(store))
    store.write()
    return store


def _make_files(host: Host) -> None:
    for directory in DIRECTORIES:
        os.makedirs(host.store.root(directory), exist_ok=True)
    os.symlink("../vmfs/devices/disks", host.store.root("/dev/disks"))
    _write(host, "/etc/passwd", "root:x:0:0:Administrator:/:/bin/sh\ndcui:x:100:100:DCUI User:/:/sbin/nologin\n")
    _write(host, "/etc/shadow", "root:$6$standin$:13358:0:99999:7:::\ndcui:*:13358:0:99999:7:::\n")
    _write(host, "/etc/ntp.conf", "restrict default kod nomodify notrap nopeer\n")
    for disk in host.hardware["disks"]:
        _make_disk(host, disk)
    for disk in host.hardware["disks"]:
        if disk["boot"]:
            lay_out_esxi(host, disk, links=True)
    for disk in host.hardware["disks"]:
        if disk.get("old_volume"):
            _lay_out_old_disk(host, disk)
    host.store.save_configuration()


def _write(host: Host, path: str, text: str) -> None:
    with open(host.store.root(path), "w", encoding="utf-8") as stream:
        stream.write(text)


def _make_disk(host: Host, disk: Document) -> None:
    path = os.path.join(host.store.root(DIRECTORY), disk["name"])
    if os.path.exists(path):
        return  # a test put it there
    if disk["dead"]:
        os.mkfifo(path)  # whoever reads it waits for ever
        return
    with open(path, "wb") as stream:
        stream.truncate(disk["bytes"])


def lay_out_esxi(host: Host, disk: Document, links: bool = False, datastore: bool = True) -> None:
    """What ESXi's installer leaves on a disk. ``links``: ESXi runs from it, so /bootbank points there."""
    label = labels.Label(sectors_of(host, disk), disk["sector_size"])
    share = disk["sector_size"] // 512
    for partition in boot_table(host.hardware["release"], label.sectors * share):
        if partition.type == labels.VMFS and not datastore:
            continue
        partition.first //= share
        partition.last = min((partition.last + 1) // share - 1, label.usable[1])
        label.add(partition)
    labels.write_label(disk_path(host, disk["name"]), label)
    host.hardware["system_partitions"] = [number for number in (1, 2, 5, 6, 7, 8, 9) if number in label.partitions]
    seven = host.release >= [7, 0]
    if seven and 8 in label.partitions:
        host.hardware["system_partitions"].remove(8)
    for number, name, link in ((5, "BOOTBANK1", "/bootbank"), (6, "BOOTBANK2", "/altbootbank")):
        known = _make_bank(host, disk, label.partitions[number], name if seven else "", active=number == 5)
        if links:
            os.symlink("vmfs/volumes/" + known, host.store.root(link))
    for partition in label.partitions.values():
        if partition.type == labels.VMFSL:
            make_volume(host, disk, partition, "VMFS-L", None)
        elif partition.type == labels.VMFS:
            make_volume(host, disk, partition, "VMFS-6", "datastore1")


def _make_bank(host: Host, disk: Document, partition: labels.Partition, name: str, *, active: bool) -> str:
    identity = uuid.uuid4()
    text = identity.hex
    known = "-".join((text[:8], text[8:16], text[16:20], text[20:32]))
    size = (partition.last - partition.first + 1) * disk["sector_size"]
    bank = {"uuid": known, "label": name, "device": disk["name"], "partition": partition.number, "bytes": size}
    host.hardware["banks"].append(bank)
    directory = host.store.root("/vmfs/volumes/" + known)
    os.makedirs(directory)
    with open(os.path.join(directory, "boot.cfg"), "w", encoding="utf-8") as stream:
        stream.write(
            "bootstate={}\ntitle=Loading VMware ESXi\ntimeout=5\nprefix=\nkernel=b.b00\nkernelopt=\n"
            "modules=jumpstrt.gz --- useropts.gz --- k.b00 --- s.v00 --- state.tgz\nbuild={}-{}\nupdated={}\n".format(
                0 if active else 3, host.hardware["release"], host.hardware["build"], 1 if active else 2
            )
        )
    for file in ("b.b00", "jumpstrt.gz", "useropts.gz", "k.b00", "s.v00", "state.tgz") if active else ():
        with open(os.path.join(directory, file), "wb") as module:
            module.write(b"stand-in " + file.encode("ascii"))
    # The marker by which the loader knows a bank, in the second sector of its FAT volume.
    with open(disk_path(host, disk["name"]), "r+b") as stream_bytes:
        stream_bytes.seek((partition.first + 1) * disk["sector_size"])
        stream_bytes.write(b"VMWARE FAT16    " + identity.bytes)
    return known


def make_volume(host: Host, disk: Document, partition: labels.Partition, kind: str, name: Optional[str]) -> None:
    """A VMFS or VMFS-L volume on a partition; ``name`` None: OSDATA's."""
    identity = new_uuid()
    size = (partition.last - partition.first + 1) * disk["sector_size"] // MEBIBYTE * MEBIBYTE
    record = {
        "uuid": identity,
        "label": name or "OSDATA-" + identity,
        "type": kind,
        "number": 0,
        "count": 1,
        "bytes": size,
    }
    write_record(host, disk["name"], partition.first, record)


def _lay_out_old_disk(host: Host, disk: Document) -> None:
    """A disk from an earlier life: a VMFS 5 datastore with somebody's files, which nobody may touch."""
    label = labels.Label(sectors_of(host, disk), disk["sector_size"])
    partition = labels.Partition(1, 2048, label.usable[1], labels.VMFS)
    label.add(partition)
    labels.write_label(disk_path(host, disk["name"]), label)
    make_volume(host, disk, partition, "VMFS-5", disk["old_volume"])

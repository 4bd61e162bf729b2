"""Linux's disks under ESXi's names: /vmfs/devices/disks with disks, ``NAME:N`` partitions and ``vml.*`` links.

Names as public outputs show them (tests/data/esxi): SATA and IDE ``t10.ATA_____MODEL…SERIAL…`` from the disk's own
identification page, NVMe ``t10.NVMe____MODEL…NUMBER``, SCSI with a page 0x83 NAA ``naa.…``, everything else
``mpx.vmhbaH:C0:T0:L0``.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standin.esxi import label as labels

SYS = Path("/sys/block")
NODES = Path("/vmfs/devices/disks")
_BLKPG = 0x1269
_ADD, _DELETE = 1, 2
_ADAPTERS = {"usb": ("vmhba32", "vmkusb"), "sata": ("vmhba0", "vmw_ahci"), "nvme": ("vmhba2", "nvme_pcie"),
             "scsi": ("vmhba1", "pvscsi")}  # fmt: skip


@dataclass(frozen=True)
class LinuxDisk:
    """A disk as Linux has it. ``kind``: sata, nvme, usb or scsi."""

    node: str
    kind: str
    bytes: int
    model: str
    vendor: str
    identity: str
    removable: bool = False

    @property
    def path(self) -> str:
        return f"/dev/{self.node}"

    def partition(self, number: int) -> str:
        """Linux's name of a partition."""
        return f"{self.node}p{number}" if self.node[-1].isdigit() else f"{self.node}{number}"


def find_disks() -> list[LinuxDisk]:
    """Every disk, in Linux's order; no CD drives, no empty readers."""
    found = []
    for directory in sorted(SYS.iterdir()):
        size = int(_text(directory / "size") or 0) * 512
        if size and re.match(r"(sd|nvme\d+n|hd)", directory.name):
            found.append(_disk(directory, size))
    return found


def _disk(directory: Path, size: int) -> LinuxDisk:
    device = os.path.realpath(directory / "device")
    model, vendor = _text(directory / "device/model"), _text(directory / "device/vendor")
    removable = _text(directory / "removable") == "1"
    if directory.name.startswith("nvme"):
        number = hashlib.sha256(_text(directory / "device/serial").encode()).hexdigest()[:16].upper()
        model = _text(directory / "device/model")
        return LinuxDisk(directory.name, "nvme", size, model, "NVMe", f"t10.NVMe____{_padded(model, 40)}{number}")
    if "/usb" in device:
        return LinuxDisk(directory.name, "usb", size, model, vendor, "", removable)
    identity = _page_83(directory / "device/vpd_pg83")
    kind = "sata" if "/ata" in device else "scsi"
    if kind == "sata" and not identity:
        identity = f"t10.ATA_____{_padded(model, 40)}{_padded(directory.name, 20)}"
    return LinuxDisk(directory.name, kind, size, model, vendor, identity, removable)


def esxi_disks(found: list[LinuxDisk], boot: str | None = None) -> list[dict[str, Any]]:
    """What the fake ESXi calls them: its documents of disks. ``boot``: Linux's name of the boot disk."""
    return [_document(disk, number, boot) for number, disk in enumerate(found)]


def _document(disk: LinuxDisk, number: int, boot: str | None) -> dict[str, Any]:
    adapter, driver = _ADAPTERS[disk.kind]
    place = f"{adapter[:5]}{int(adapter[5:]) + number}" if disk.kind == "usb" else adapter
    name = disk.identity or f"mpx.{place}:C0:T{0 if disk.kind == 'usb' else number}:L0"
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {
        "name": name, "bytes": disk.bytes, "kind": disk.kind, "boot": disk.node == boot, "sector_size": 512,
        "adapter": place, "driver": driver, "vml": f"vml.01000000{digest[:40]}", "vendor": disk.vendor or "ATA",
        "model": disk.model, "revision": "0001", "ssd": disk.kind == "nvme", "dead": False, "local": True,
        "removable": disk.removable, "path": disk.path, "node": disk.node,
    }  # fmt: skip


def make_nodes(documents: list[dict[str, Any]]) -> None:
    """Let the kernel know each label's partitions, then make the directory of nodes and links anew."""
    NODES.mkdir(parents=True, exist_ok=True)
    for old in NODES.iterdir():
        old.unlink()
    for disk in documents:
        name, vml = disk["name"], disk["vml"]
        _make_node(name, disk["node"])
        (NODES / vml).symlink_to(name)
        for number, partition in sorted(_synchronise(disk).items()):
            _make_node(f"{name}:{number}", partition)
            (NODES / f"{vml}:{number}").symlink_to(f"{name}:{number}")


def _make_node(name: str, node: str) -> None:
    device = os.stat(f"/dev/{node}").st_rdev
    os.mknod(NODES / name, stat.S_IFBLK | 0o600, device)


def _synchronise(disk: dict[str, Any]) -> dict[int, str]:
    """The kernel's partitions, made to agree with the label; number → Linux's name."""
    try:
        desired = {
            one.number: (one.first, one.last - one.first + 1)
            for one in labels.read_primary(disk["path"], disk["sector_size"]).in_order()
        }
    except labels.LabelError:
        desired = {}
    known = kernel_partitions(disk["node"])
    with open(disk["path"], "rb") as stream:
        for number, (_, start, size) in known.items():
            if desired.get(number) != (start, size):
                _change(stream.fileno(), _DELETE, number, 0, 0)
        for number, (start, size) in desired.items():
            if number not in known or known[number][1:] != (start, size):
                _change(stream.fileno(), _ADD, number, start * 512, size * 512)
    return {number: name for number, (name, _, _) in kernel_partitions(disk["node"]).items()}


def kernel_partitions(node: str) -> dict[int, tuple[str, int, int]]:
    """What the kernel knows of a disk: number → (name, first sector, sectors)."""
    found = {}
    for directory in (SYS / node).glob(f"{node}*"):
        found[int(_text(directory / "partition"))] = (
            directory.name,
            int(_text(directory / "start")),
            int(_text(directory / "size")),
        )
    return found


class _Partition(ctypes.Structure):
    _fields_ = (("start", ctypes.c_longlong), ("length", ctypes.c_longlong), ("number", ctypes.c_int),
                ("name", ctypes.c_char * 64), ("volume", ctypes.c_char * 64))  # fmt: skip


class _Request(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_int), ("flags", ctypes.c_int), ("length", ctypes.c_int),
                ("data", ctypes.POINTER(_Partition)))  # fmt: skip


def _change(descriptor: int, operation: int, number: int, start: int, length: int) -> None:
    # Reading the label anew (BLKRRPART) is refused while any partition of the disk is mounted, and boot banks are.
    partition = _Partition(start, length, number)
    request = _Request(operation, 0, ctypes.sizeof(partition), ctypes.pointer(partition))
    fcntl.ioctl(descriptor, _BLKPG, request)


def _page_83(path: Path) -> str:
    """The name in a SCSI identification page (SPC-4, 7.8.6): NAA first, else the T10 vendor's."""
    try:
        page = path.read_bytes()
    except OSError:
        return ""
    found: dict[int, bytes] = {}
    at = 4
    while at + 4 <= len(page):
        kind, length = page[at + 1] & 0x0F, page[at + 3]
        found.setdefault(kind, page[at + 4 : at + 4 + length])
        at += 4 + length
    if 3 in found:
        return "naa." + found[3].hex()
    if 1 in found:
        return "t10." + re.sub(r"[^A-Za-z0-9_.-]", "_", found[1].decode("latin-1"))
    return ""


def _padded(text: str, size: int) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text.ljust(size)[:size])


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""

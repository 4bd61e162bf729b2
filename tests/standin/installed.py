"""Disks as VMware's installer leaves them: real partition tables, FAT volumes by mkfs.fat and mtools, fillers for VMFS.

Nothing here is made with the product's own code for GPT and FAT, so that neither hides the other's mistakes.
"""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from standin.esxi import label as labels
from standin.esxi.presets import BASIC, DUMP, ESP, boot_table

GIB = 1 << 30
SYSLINUX = Path("/usr/lib/syslinux")
# Where syslinux 3.86's boot code keeps the GUID of the partition that it starts (its doc/gpt.txt).
GUID_AT = 424
SECTOR = 512
_ENVIRONMENT = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "MTOOLS_SKIP_CHECK": "1"}
MODULES = ("jumpstrt.gz", "useropts.gz", "k.b00", "s.v00", "imgdb.tgz", "onetime.tgz")
STARTED_FILES = ("etc/hosts", "etc/ssh/ssh_host_rsa_key", "etc/vmware/ssl/rui.key")
FRESH_FILES = ("etc/hosts", "etc/shadow")


@dataclass(frozen=True)
class InstalledLayout:
    """What the disk shall be. ``state``: names in local.tgz, None for no state.tgz, "encrypted" for one since 7.0U2.

    ``bios``: syslinux for a legacy BIOS, by Debian's packages, found by "attribute" (its own boot code) or by "guid" (a
    filler with the GUID where syslinux 3.86 looks for it); empty: no boot code that leads anywhere.
    """

    release: str = "8.0.3"
    build: str = "8.0.3-0.35.24280767"
    size: int = 32 * GIB
    state: tuple[str, ...] | str | None = None
    kernelopt: str = "installerDiskDumpSlotSize=2560 no-auto-partition"
    module_bytes: int = 300_000
    esp_filler_bytes: int = 0
    datastore: bool = True
    bank_cfg: dict[int, dict[str, str]] = field(default_factory=dict)
    bios: str = ""


def make(path: Path, layout: InstalledLayout = InstalledLayout()) -> labels.Label:
    """Make the disk, sparse; what was put on it is the same for the same layout, but for UUIDs."""
    with path.open("wb") as disk:
        disk.truncate(layout.size)
    label = labels.Label(layout.size // SECTOR)
    compact = layout.size < 2 * GIB
    for partition in _compact_table(layout.release, label) if compact else boot_table(layout.release, label.sectors):
        if partition.type != labels.VMFS or layout.datastore:
            partition.last = min(partition.last, label.usable[1])
            label.add(partition)
    labels.write_label(str(path), label)
    fill(path, label, layout)
    if layout.bios:
        make_bios_bootable(path, layout.bios)
    return label


def fill(path: Path, label: labels.Label, layout: InstalledLayout) -> None:
    """Fill the partitions of a disk with this label."""
    six = int(layout.release.split(".")[0]) < 7
    with path.open("r+b") as disk:
        disk.write(b"\xebstand-in boot code")
        for number, partition in label.partitions.items():
            _fill(path, disk.fileno(), number, partition, layout, six=six)


def make_bios_bootable(path: Path, kind: str) -> None:
    """syslinux on partition 1, and boot code of a kind (see ``InstalledLayout.bios``) in the first sector."""
    start, number = partition_start(path, 1), "1"
    subprocess.run(
        ["syslinux", "--install", "--offset", str(start), str(path)], check=True, env=_ENVIRONMENT, capture_output=True
    )
    for name in ("ldlinux.c32", "libcom32.c32", "mboot.c32"):
        put(path, start, name, (SYSLINUX / "modules/bios" / name).read_bytes())
    put(path, start, "safeboot.c32", b"VMware's, of which there is no copy here")
    code = (SYSLINUX / "mbr/gptmbr.bin").read_bytes() if kind == "attribute" else b"\xeb\xfe boot code of syslinux 3.86"
    guid = partition_guid(path, 1).bytes_le
    with path.open("r+b") as disk:
        disk.write(code.ljust(440, b"\0") if kind == "attribute" else code.ljust(GUID_AT, b"\0") + guid)
    if kind == "attribute":
        subprocess.run(["sgdisk", "--attributes", f"{number}:set:2", str(path)], check=True, capture_output=True)


def partition_start(path: Path, number: int) -> int:
    """Where a partition begins, in bytes, as sgdisk says it."""
    return int(_sgdisk(path, number, "First sector")) * SECTOR


def partition_guid(path: Path, number: int) -> uuid.UUID:
    """A partition's unique GUID, as sgdisk says it."""
    return uuid.UUID(_sgdisk(path, number, "Partition unique GUID"))


def _sgdisk(path: Path, number: int, name: str) -> str:
    said = subprocess.run(["sgdisk", f"--info={number}", str(path)], check=True, capture_output=True, text=True).stdout
    return next(line.split(": ")[1].split()[0] for line in said.splitlines() if line.startswith(name))


def _compact_table(release: str, label: labels.Label) -> list[labels.Partition]:
    """The installer's partitions by number and type, but small: most tests need no more."""
    mib = 2048
    if int(release.split(".", maxsplit=1)[0]) < 7:
        rows = [(1, 64, 8191, ESP), (5, 8224, 64 * mib, BASIC), (6, 65 * mib, 128 * mib, BASIC),
                (7, 129 * mib, 140 * mib, DUMP), (8, 141 * mib, 170 * mib, BASIC), (9, 171 * mib, 180 * mib, DUMP),
                (2, 181 * mib, 260 * mib, BASIC), (3, 261 * mib, label.usable[1], labels.VMFS)]  # fmt: skip
    else:
        rows = [(1, 64, 100 * mib, ESP), (5, 102 * mib, 170 * mib, BASIC), (6, 171 * mib, 240 * mib, BASIC),
                (7, 241 * mib, label.usable[1], labels.VMFSL)]  # fmt: skip
    return [labels.Partition(*row, 128 if row[0] == 1 else 0) for row in rows]


def _fill(
    path: Path, disk: int, number: int, partition: labels.Partition, layout: InstalledLayout, *, six: bool
) -> None:
    start, size = partition.first * SECTOR, (partition.last - partition.first + 1) * SECTOR
    noise = random.Random(number)  # noqa: S311  the same filler every time
    if partition.type == ESP:
        _format(path, start, size, 12 if six else 16)
        put(path, start, "EFI/BOOT/BOOTX64.EFI", b"MZ safeboot" * 9000)
        put(path, start, "EFI/VMware/mboot64.efi", b"MZ mboot" * 15000)
        if layout.esp_filler_bytes:
            put(path, start, "filler.bin", noise.randbytes(layout.esp_filler_bytes))
    elif partition.type == BASIC:
        _format(path, start, size, 16)
        os.pwrite(disk, b"VMWARE FAT16    " + uuid.uuid4().bytes, start + SECTOR)
        if number in (5, 6):
            _fill_bank(path, start, number, layout)
        elif number == 8:
            put(path, start, "packages/tools.iso", noise.randbytes(500_000))
    elif partition.type == DUMP:
        os.pwrite(disk, noise.randbytes(70_000), start + (1 << 20))  # a dump with a piece of somebody's memory
    else:
        for place in (0, 5 << 20, 5 << 20 | 1 << 18, size // 2 + 12345, size - (1 << 20)):
            os.pwrite(disk, noise.randbytes(90_000), start + place)


def _fill_bank(path: Path, start: int, number: int, layout: InstalledLayout) -> None:
    active = number == 5
    keys = {
        "bootstate": "0" if active else "3",
        "title": "Loading VMware ESXi",
        "timeout": "5",
        "prefix": "",
        "kernel": "b.b00",
        "kernelopt": layout.kernelopt if active else "",
        "modules": " --- ".join([*MODULES, *(["state.tgz"] if layout.state is not None else [])]) if active else "",
        "build": layout.build if active else "",
        "updated": "1" if active else "0",
        **layout.bank_cfg.get(number, {}),
    }
    put(path, start, "boot.cfg", "".join(f"{key}={value}\n" for key, value in keys.items()).encode())
    if not active:
        return
    for name in ("b.b00", *MODULES):
        put(path, start, name, random.Random(name).randbytes(layout.module_bytes))  # noqa: S311  likewise
    if layout.state is not None:
        put(path, start, "state.tgz", state_of(layout.state))


def state_of(names: tuple[str, ...] | str) -> bytes:
    """state.tgz: a tar with local.tgz in it, or with one that is encrypted."""
    if isinstance(names, str):
        return _tar({"local.tgz.ve": b"\x8f" * 512, "encryption.info": b"{}"})
    return _tar({"local.tgz": _tar(dict.fromkeys(names, b"secret of the disk that was captured\n"))})


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _format(path: Path, start: int, size: int, bits: int) -> None:
    clusters = {12: 4, 16: max(1, 1 << max(0, (size // 65000 // SECTOR).bit_length()))}[bits]
    command = [
        "mkfs.fat",
        "-a",
        "-F",
        str(bits),
        "-R",
        "4",
        "-s",
        str(min(clusters, 128)),
        "--offset",
        str(start // SECTOR),
    ]
    done = subprocess.run(
        [*command, str(path), str(size // 1024)], env=_ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def put(path: Path, start: int, name: str, data: bytes) -> None:
    """Put a file on the volume at ``start``, with mtools."""
    drive = f"{path}@@{start}"
    parts = name.split("/")
    for depth in range(1, len(parts)):
        subprocess.run(
            ["mmd", "-D", "s", "-i", drive, "::/" + "/".join(parts[:depth])],
            env=_ENVIRONMENT, capture_output=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    command = ["mcopy", "-D", "o", "-i", drive, "-", "::/" + name]
    done = subprocess.run(command, env=_ENVIRONMENT, input=data, capture_output=True, check=False)
    assert done.returncode == 0, (name, done.stderr)


def get(path: Path, start: int, name: str) -> bytes:
    """A file of the volume at ``start``, as mtools reads it."""
    command = ["mtype", "-i", f"{path}@@{start}", "::/" + name]
    return subprocess.run(command, env=_ENVIRONMENT, capture_output=True, check=True).stdout

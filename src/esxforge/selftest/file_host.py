"""A machine for the hook in one directory: what it reads of Linux as small files, and disks that are sparse files.

So the very hook that curtin starts runs here in process, on a virtual host's disks. The directory has what the hook
looks at: /sys (block devices, firmware variables), /proc (mounts, kernel command line), udev's database, and /dev.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.hook.volume import FatBlocksVolume, HookVolume
from esxforge_target.runtime.blocks import Blocks, FileBlocks, Window

# EFI_GLOBAL_VARIABLE; a file of efivarfs holds 4 bytes of attributes, then the value.
GLOBAL_VARIABLE = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_ATTRIBUTES = b"\x06\0\0\0"
# EFI_IMAGE_SECURITY_DATABASE_GUID, of db and dbx.
IMAGE_SECURITY = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
CREDENTIALS = "root/curtin-install-cfg.yaml"


class HostDirectory:
    """Puts the directory together. ``root`` must be empty; ``sector_size`` is that of all disks, in bytes."""

    def __init__(self, root: Path, *, boot_mac: str, sector_size: int = 512) -> None:
        self.root = root
        self.sector_size = sector_size
        self.target = root / "tmp" / "target dir"
        self._minor = 0
        for directory in ("sys/block", "sys/class/block", "sys/dev/block", "run/udev/data", "proc/self", "dev"):
            (root / directory).mkdir(parents=True)
        self.target.mkdir(parents=True)
        self.variable("SecureBoot", b"\0")
        self.variable("BootOrder", b"\x03\0\x01\0")
        bootif = "01-" + boot_mac.replace(":", "-")
        (root / "proc/cmdline").write_text(f"root=squash: BOOTIF={bootif} quiet\n")

    def device(self, name: str) -> Path:
        """The file that is the disk ``name``."""
        return self.root / "dev" / name

    def variable(self, name: str, value: bytes, vendor: str = GLOBAL_VARIABLE) -> None:
        """Set a variable of the firmware."""
        directory = self.root / "sys/firmware/efi/efivars"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}-{vendor}").write_bytes(_ATTRIBUTES + value)

    def hardware_clock(self, seconds: float) -> None:
        """Show a hardware clock, in seconds since 1970."""
        directory = self.root / "sys/class/rtc/rtc0"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "since_epoch").write_text(f"{seconds:.0f}\n")
        (directory / "hctosys").write_text("1\n")

    def attach(self, name: str, size: int, serial: str = "", **udev: str) -> Path:
        """Show the disk ``name`` of ``size`` bytes; its file is made, or grown to that size."""
        node = self.root / "sys/devices/pci0" / f"host{name}" / "block" / name
        (node / "device").mkdir(parents=True)
        (node / "queue").mkdir()
        (node / "queue/logical_block_size").write_text(f"{self.sector_size}\n")
        (node / "size").write_text(f"{size // 512}\n")
        number = f"8:{self._minor}"
        self._node(name, node, number)
        link = self.root / "dev/disk/by-id" / f"ata-ESXFORGE_{serial or name}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # of two disks of one name udev links one
        link.symlink_to(f"../../{name}")
        names = {**udev, **({"ID_SERIAL_SHORT": serial} if serial else {})}
        lines = [f"E:{key}={value}\n" for key, value in names.items()]
        (self.root / "run/udev/data" / f"b{number}").write_text("".join(["S:disk/by-path/x\n", *lines]))
        (self.root / "sys/block" / name).symlink_to(os.path.relpath(node, self.root / "sys/block"))
        path = self.device(name)
        path.touch()
        os.truncate(path, size)
        return path

    def partition(self, disk: str, name: str) -> None:
        """Show a partition of a disk in /sys, and mount it for curtin."""
        node = (self.root / "sys/block" / disk).resolve() / name
        node.mkdir()
        (node / "partition").write_text("1\n")
        self._node(name, node, f"8:{self._minor}")
        self.mount(f"8:{self._minor - 1}", f"/dev/{name}")

    def mount(self, number: str, source: str) -> None:
        """Mount a device at the target."""
        place = str(self.target.resolve()).replace(" ", "\\040")
        text = f"20 1 0:1 / / rw - ext4 /dev/x rw\n36 25 {number} / {place} rw - vfat {source} rw\n"
        (self.root / "proc/self/mountinfo").write_text(text)

    def _node(self, name: str, node: Path, number: str) -> None:
        (node / "dev").write_text(number + "\n")
        for directory, link in (("sys/class/block", name), ("sys/dev/block", number)):
            (self.root / directory / link).symlink_to(os.path.relpath(node, self.root / directory))
        self._minor += 1

    def credentials(self, disk: str, config: dict[str, Any]) -> None:
        """Leave curtin's configuration on the boot volume, as curtin does."""
        with FileBlocks(str(self.device(disk)), True, self.sector_size) as blocks:
            volume_of(blocks).write_file(CREDENTIALS, json.dumps(config).encode())

    def variables(self, config: dict[str, Any]) -> dict[str, str]:
        """curtin's environment."""
        place = self.root / "config.json"
        place.write_text(json.dumps(config))
        return {
            "CONFIG": str(place),
            "TARGET_MOUNT_POINT": str(self.target),
            "WORKING_DIR": str(self.root),
            "OUTPUT_NETWORK_CONFIG": str(self.root / "netconfig"),
            "OUTPUT_FSTAB": str(self.root / "fstab"),
        }


class FileHost(LinuxHost):
    """The hook's machine on such a directory. ``has_keys``: whether MAAS has an SSH key for the owner; ``maas_time``:
    what MAAS says that the time is, in seconds since 1970."""

    def __init__(self, directory: HostDirectory, *, has_keys: bool = False, maas_time: float | None = None) -> None:
        super().__init__(str(directory.root))
        self._sector_size = directory.sector_size
        self._has_keys = has_keys
        self._maas_time = maas_time

    def open_disk(self, name: str, writable: bool = False) -> Blocks:
        return FileBlocks(self.device(name), writable, self._sector_size)

    def open_volume(self, directory: str, disk: Blocks) -> HookVolume:
        return FatBlocksVolume(volume_of(disk))

    def resolve(self, host: str) -> list[str]:
        return []

    def maas_has_keys(self, config: dict[str, Any]) -> bool:
        return self._has_keys

    def maas_clock(self, config: dict[str, Any]) -> float | None:
        return self._maas_time


def volume_of(disk: Blocks) -> FatEditor:
    """The boot volume of an installer image: partition 1."""
    return FatEditor(Window(disk, *read_table(disk).table.byte_range(1)))

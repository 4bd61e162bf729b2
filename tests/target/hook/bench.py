"""A machine for the hook in one folder: /sys, /proc, udev's database, and disks that are sparse files."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from esxforge_target.blocks import Blocks, DiskError, FileBlocks, Window
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.hook.machine import Machine
from esxforge_target.hook.main import main
from esxforge_target.hook.report import Report
from esxforge_target.hook.volume import FatBlocksVolume, Volume

GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
CREDENTIALS = "root/curtin-install-cfg.yaml"


class Recorded(FileBlocks):
    """A disk that remembers what was written to it, in order, and fails at the write that it is told to fail at."""

    def __init__(self, bench: Bench, path: Path, *, writable: bool, sector_size: int) -> None:
        super().__init__(str(path), writable, sector_size)
        self._bench = bench

    def write_at(self, offset: int, data: bytes) -> None:
        if len(self._bench.writes) == self._bench.fail_at:
            raise DiskError(f"{self.path}: writing at byte {offset} failed: Input/output error.")
        self._bench.writes.append((Path(self.path).name, offset, bytes(data)))
        super().write_at(offset, data)


class Overlay(Blocks):
    """A disk as it was, with some writes laid over it."""

    def __init__(self, base: Blocks) -> None:
        self._base = base
        self.size = base.size
        self.sector_size = base.sector_size
        self._sectors: dict[int, bytes] = {}

    def write_at(self, offset: int, data: bytes) -> None:
        for at in range(offset - offset % 512, offset + len(data), 512):
            sector = bytearray(self.read_at(at, 512))
            start, end = max(at, offset), min(at + 512, offset + len(data))
            sector[start - at : end - at] = data[start - offset : end - offset]
            self._sectors[at] = bytes(sector)

    def read_at(self, offset: int, length: int) -> bytes:
        start = offset - offset % 512
        data = bytearray(self._base.read_at(start, min(self.size, offset + length + -(offset + length) % 512) - start))
        for at in range(start, offset + length, 512):
            if at in self._sectors:
                data[at - start : at - start + 512] = self._sectors[at]
        return bytes(data[offset - start : offset - start + length])

    def flush(self) -> None:
        """Nothing to do."""


class FileMachine(Machine):
    """The hook's machine, on the bench's files."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(str(bench.root))
        self._bench = bench

    def open_disk(self, name: str, writable: bool = False) -> Blocks:
        self._bench.opened.append((name, writable))
        return Recorded(
            self._bench, self._bench.root / "dev" / name, writable=writable, sector_size=self._bench.sector_size
        )

    def open_volume(self, folder: str, disk: Blocks) -> Volume:
        return FatBlocksVolume(FatEditor(Window(disk, *read_table(disk).table.byte_range(1))))

    def resolve(self, host: str) -> list[str]:
        return ["10.0.0.2"]

    def maas_has_keys(self, config: dict[str, Any]) -> bool:
        return self._bench.maas_has_keys


class Bench:
    """Puts a machine together; ``run`` runs the hook on it."""

    def __init__(self, root: Path, sector_size: int = 512) -> None:
        self.root = root
        self.sector_size = sector_size
        self.target = root / "tmp" / "target dir"
        self.writes: list[tuple[str, int, bytes]] = []
        self.opened: list[tuple[str, bool]] = []
        self.fail_at = -1
        self.maas_has_keys = False
        self.output = ""
        self._minor = 0
        for folder in ("sys/block", "sys/class/block", "sys/dev/block", "run/udev/data", "proc/self", "dev"):
            (root / folder).mkdir(parents=True)
        self.target.mkdir(parents=True)
        self.variable("SecureBoot", b"\0")
        self.variable("BootOrder", b"\x03\0\x01\0")
        (root / "proc/cmdline").write_text("root=squash: BOOTIF=01-52-54-00-00-00-01 quiet\n")

    def variable(self, name: str, value: bytes) -> None:
        """Set a variable of the firmware."""
        folder = self.root / "sys/firmware/efi/efivars"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}-{GUID}").write_bytes(b"\x06\0\0\0" + value)

    def disk(self, name: str, size: int, serial: str = "", image: Path | None = None, **udev: str) -> Path:
        """Attach a disk; ``image`` stands at its start."""
        node = self.root / "sys/devices/pci0" / f"host{name}" / "block" / name
        (node / "device").mkdir(parents=True)
        (node / "queue").mkdir()
        (node / "queue/logical_block_size").write_text(f"{self.sector_size}\n")
        (node / "size").write_text(f"{size // 512}\n")
        number = f"8:{self._minor}"
        self._node(name, node, number)
        names = {**udev, **({"ID_SERIAL_SHORT": serial} if serial else {})}
        lines = [f"E:{key}={value}\n" for key, value in names.items()]
        (self.root / "run/udev/data" / f"b{number}").write_text("".join(["S:disk/by-path/x\n", *lines]))
        (self.root / "sys/block" / name).symlink_to(os.path.relpath(node, self.root / "sys/block"))
        path = self.root / "dev" / name
        if image is None:
            path.touch()
        else:
            subprocess.run(["cp", "--sparse=always", "--", str(image), str(path)], check=True)
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
        for folder, link in (("sys/class/block", name), ("sys/dev/block", number)):
            (self.root / folder / link).symlink_to(os.path.relpath(node, self.root / folder))
        self._minor += 1

    def credentials(self, disk: str, config: dict[str, Any]) -> None:
        """Leave curtin's configuration on the boot volume, as curtin does."""
        with FileBlocks(str(self.root / "dev" / disk), True, self.sector_size) as blocks:
            editor = FatEditor(Window(blocks, *read_table(blocks).table.byte_range(1)))
            editor.write_file(CREDENTIALS, json.dumps(config).encode())

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

    def run(self, config: dict[str, Any]) -> int:
        """Run the hook as curtin does; its status. ``output`` has its lines."""
        stream = io.StringIO()
        status = main(FileMachine(self), self.variables(config), Report(stream))
        self.output = stream.getvalue()
        return status

    @property
    def said(self) -> str:
        """The output as one line, to look for sentences in."""
        return " ".join(self.output.replace("esxforge: ", "").split())

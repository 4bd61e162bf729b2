"""The hook's machine in one directory, which remembers what was written to it, and fails where it is told to."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

from esxforge.selftest import file_host
from esxforge_target.hook.main import main
from esxforge_target.runtime.blocks import Blocks, DiskError, FileBlocks
from esxforge_target.runtime.report import Report

CREDENTIALS = file_host.CREDENTIALS


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


class FileHost(file_host.FileHost):
    """The hook's machine, on the bench's files."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench, has_keys=bench.maas_has_keys, maas_time=bench.maas_time)
        self._bench = bench

    def open_disk(self, name: str, writable: bool = False) -> Blocks:
        self._bench.opened.append((name, writable))
        path = self._bench.device(name)
        return Recorded(self._bench, path, writable=writable, sector_size=self._bench.sector_size)

    def resolve(self, host: str) -> list[str]:
        return list(self._bench.resolved)


class Bench(file_host.HostDirectory):
    """Puts a machine together; ``run`` runs the hook on it."""

    def __init__(self, root: Path, sector_size: int = 512) -> None:
        super().__init__(root, boot_mac="52:54:00:00:00:01", sector_size=sector_size)
        self.writes: list[tuple[str, int, bytes]] = []
        self.opened: list[tuple[str, bool]] = []
        self.fail_at = -1
        self.maas_has_keys = False
        self.maas_time: float | None = None
        self.resolved = ["10.0.0.2"]
        self.output = ""

    def disk(self, name: str, size: int, serial: str = "", image: Path | None = None, **udev: str) -> Path:
        """Attach a disk; ``image`` stands at its start."""
        if image is not None:
            subprocess.run(["cp", "--sparse=always", "--", str(image), str(self.device(name))], check=True)
        return self.attach(name, size, serial, **udev)

    def run(self, config: dict[str, Any]) -> int:
        """Run the hook as curtin does; its status. ``output`` has its lines."""
        stream = io.StringIO()
        status = main(FileHost(self), self.variables(config), Report(stream))
        self.output = stream.getvalue()
        return status

    @property
    def said(self) -> str:
        """The output as one line, to look for sentences in."""
        return " ".join(self.output.replace("esxforge: ", "").split())

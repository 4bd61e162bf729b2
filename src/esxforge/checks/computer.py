"""Interface for properties of the build computer: the real implementation here, others in tests."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Protocol

from esxforge.errors import ForgeError
from esxforge.local import processes
from esxforge.local.directories import temporary
from esxforge.vm.accelerator import KvmProbe, probe_kvm
from esxforge.vm.firmware import find_ovmf

_VERSION = re.compile(r"version (\d+(?:\.\d+)+)")


class Computer(Protocol):
    """Properties of a computer. Sizes are in bytes; None means absent or unknown."""

    def python_version(self) -> tuple[int, int]: ...
    def system(self) -> str: ...
    def architecture(self) -> str: ...
    def processors(self) -> int: ...
    def memory(self) -> tuple[int, int] | None:
        """Return the total and the currently available memory."""

    def free_disk(self, directory: Path) -> int | None: ...
    def temporary_directory(self) -> Path: ...
    def program_version(self, name: str) -> str | None:
        """Return the version; empty if the program is there but reports none."""

    def firmware(self) -> str | None: ...
    def kvm(self) -> KvmProbe: ...
    def ignores_unknown_msrs(self) -> bool | None: ...


class ThisComputer:
    """The computer that esxforge runs on."""

    def python_version(self) -> tuple[int, int]:
        return sys.version_info[:2]

    def system(self) -> str:
        return platform.system()

    def architecture(self) -> str:
        return platform.machine()

    def processors(self) -> int:
        # Those that we may use: a container may have fewer than the computer.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def memory(self) -> tuple[int, int] | None:
        try:
            text = Path("/proc/meminfo").read_text("ascii")
        except OSError:
            return None
        sizes = {name: int(size) * 1024 for name, size in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
        if "MemTotal" not in sizes:
            return None
        return sizes["MemTotal"], sizes.get("MemAvailable", sizes.get("MemFree", 0))

    def free_disk(self, directory: Path) -> int | None:
        try:
            return shutil.disk_usage(directory).free
        except OSError:
            return None

    def temporary_directory(self) -> Path:
        return temporary()

    def program_version(self, name: str) -> str | None:
        try:
            finished = processes.run([name, "--version"], timeout=20, check=False)
        except ForgeError:
            return None
        if finished.status != 0:
            return None
        found = _VERSION.search(finished.stdout)
        return found[1] if found else ""

    def firmware(self) -> str | None:
        try:
            return str(find_ovmf().code)
        except ForgeError:
            return None

    def kvm(self) -> KvmProbe:
        return probe_kvm()

    def ignores_unknown_msrs(self) -> bool | None:
        try:
            return Path("/sys/module/kvm/parameters/ignore_msrs").read_text("ascii").strip() in ("Y", "1")
        except OSError:
            return None

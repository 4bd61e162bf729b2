"""ESXi's installer as the step sees it: files of its RAM disk, disks, commands, consoles. Tests put a directory
there."""

import os
import posixpath
import sys
from typing import Any, Dict, List, Optional, TextIO

from esxforge_target.esxi.banks import BankFiles
from esxforge_target.inventory.disk_identities import DEVICES, DeviceDirectory
from esxforge_target.runtime.blocks import DiskError, FileBlocks, sync_if_possible, write_whole
from esxforge_target.runtime.clock import Clock
from esxforge_target.runtime.commands import ProcessRunner, Runner
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.strict_json import load_json

LOG = "/var/log/esxforge-installer.log"
_FROM_MODULE = (
    "It comes with the host module that the deployment wrote onto the boot disk (ESXFORGE.TGZ). Deploy the machine "
    "again; if that does not help, the disk returns other data than were written to it."
)


class _RawDisk(FileBlocks):
    """ESXi's raw disks have no cache that could hold writes back."""

    def flush(self) -> None:
        try:
            sync_if_possible(self._fd())
        except OSError as error:
            raise DiskError(
                "{}: what was written could not be made safe: {}.".format(self.path, error.strerror),
                "The disk is failing: replace it.",
            )


class Installer:
    """``root`` is /; ``stream`` is where the section's output goes, which ESXi's installer logs."""

    def __init__(
        self,
        root: str = "/",
        runner: "Optional[Runner]" = None,
        devices: "Optional[DeviceDirectory]" = None,
        clock: "Optional[Clock]" = None,
        stream: "Optional[TextIO]" = None,
    ) -> None:
        self.root = root
        self.runner = runner or ProcessRunner()
        self.devices = devices or DeviceDirectory(self.locate(DEVICES))
        self.clock = clock or Clock()
        self.stream = stream or sys.stdout
        self.bank_files = BankFiles(root)

    def locate(self, path: str) -> str:
        """Where the installer's ``path`` is for us."""
        return posixpath.join(self.root, path.lstrip("/"))

    def open_disk(self, name: str, sector_size: int, writable: bool = False) -> FileBlocks:
        """A whole disk by its name."""
        return _RawDisk(posixpath.join(self.devices.path, name), writable, sector_size, device=True)

    def read(self, path: str, hint: str = _FROM_MODULE) -> bytes:
        """A file of the RAM disk. Raises ForgeError with this hint."""
        try:
            with open(self.locate(path), "rb") as stream:
                return stream.read()
        except OSError as error:
            raise ForgeError("{} cannot be read: {}.".format(path, error.strerror), hint)

    def text(self, path: str) -> str:
        """A file that the deployment wrote, as ASCII; what is not ASCII becomes U+FFFD. Raises ForgeError."""
        return self.read(path).decode("ascii", "replace")

    def document(self, path: str, hint: str = _FROM_MODULE) -> "Dict[str, Any]":
        """A JSON object in the RAM disk. Raises ForgeError, which repeats nothing of it."""
        found = load_json(self.read(path, hint), path, hint)
        if not isinstance(found, dict) or not found:
            raise ForgeError("{} is damaged.".format(path), hint)
        return found

    def write(self, path: str, data: bytes) -> None:
        """A file of the RAM disk that root alone may read. Raises ForgeError."""
        target = self.locate(path)
        try:
            os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
            self.remove(path)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                write_whole(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ForgeError("{} cannot be written: {}.".format(path, error.strerror), "Is the RAM disk full?")

    def remove(self, path: str) -> None:
        """Remove a file of the RAM disk; it is fine when it is gone already."""
        try:
            os.unlink(self.locate(path))
        except FileNotFoundError:
            return

    def directory(self, path: str) -> "List[str]":
        """All files below a directory of the RAM disk, relative to it, without compiled Python."""
        top = self.locate(path)
        found = []
        for place, directories, names in os.walk(top):
            directories[:] = sorted(name for name in directories if name != "__pycache__")
            found += [os.path.relpath(os.path.join(place, name), top) for name in names if not name.endswith(".pyc")]
        return sorted(found)

"""The machine that the hook runs on: firmware, kernel command line, names, disks as devices. The seam for tests."""

import os
import re
import socket
import struct
from typing import Any, Dict, List, Optional

from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.token import Token
from esxforge_target.formats.efi_signatures import LARGEST_DATABASE
from esxforge_target.hook.direct import DirectBlocks
from esxforge_target.hook.volume import HookVolume, MountedVolume
from esxforge_target.metadata.client import MetadataClient, Patience
from esxforge_target.metadata.errors import RIGHT, MetadataError
from esxforge_target.runtime.blocks import Blocks, FileBlocks
from esxforge_target.runtime.errors import ForgeError

# EFI_GLOBAL_VARIABLE, UEFI specification 2.10, 3.3. A file of efivarfs holds 4 bytes of attributes, then the value.
_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
# EFI_IMAGE_SECURITY_DATABASE_GUID, there 32.6.1: the vendor of db and dbx.
_IMAGE_SECURITY = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
_EFIVARS = "sys/firmware/efi/efivars"
_ATTRIBUTES = 4
_DATE_SECONDS = 20.0


class LinuxHost:
    """``root`` is the directory in which sys, proc, run and dev lie."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def path(self, path: str) -> str:
        """The place of ``/path``."""
        return os.path.join(self.root, path.lstrip("/"))

    def text(self, path: str) -> str:
        """A small file's text without blanks around it; empty where it is not there or cannot be read."""
        return self.data(path).decode("utf-8", "replace").strip()

    def data(self, path: str) -> bytes:
        """A small file's bytes; none where it is not there or cannot be read."""
        try:
            with open(self.path(path), "rb") as file:
                return file.read()
        except OSError:
            return b""

    # -- firmware -----------------------------------------------------------------------------------------------

    def is_uefi(self) -> bool:
        """Return whether the machine started by UEFI."""
        return os.path.isdir(self.path("sys/firmware/efi"))

    def efi_variable(self, name: str) -> "Optional[bytes]":
        """The value of a global variable of the firmware, or None."""
        data = self.data("{}/{}-{}".format(_EFIVARS, name, _GLOBAL))
        return data[_ATTRIBUTES:] if len(data) > _ATTRIBUTES else None

    def signature_database(self, name: str) -> "Optional[bytes]":
        """The firmware's ``db`` or ``dbx``; None where it has no such variable. Raises ForgeError if it is unreadable.

        A variable that is not there is no entry in the directory; that directory itself must be there.
        """
        variable = "{}-{}".format(name, _IMAGE_SECURITY)
        try:
            if variable not in os.listdir(self.path(_EFIVARS)):
                return None
            with open(self.path("{}/{}".format(_EFIVARS, variable)), "rb") as file:
                data = file.read(_ATTRIBUTES + LARGEST_DATABASE + 1)
        except OSError as error:
            raise ForgeError(
                "the firmware's variable {} cannot be read: {}.".format(name, error.strerror), "Disable Secure Boot."
            )
        if len(data) < _ATTRIBUTES:
            raise ForgeError(
                "the firmware's variable {} cannot be read: it is cut short.".format(name), "Disable Secure Boot."
            )
        return data[_ATTRIBUTES:]

    def secure_boot(self) -> "Optional[bool]":
        """Return whether Secure Boot is on; None where the firmware does not say."""
        value = self.efi_variable("SecureBoot")
        return None if value is None else value[0] == 1

    def boot_order(self) -> "List[str]":
        """Return the firmware's present BootOrder, such as 0003; empty if there is none."""
        value = self.efi_variable("BootOrder") or b""
        return ["{:04X}".format(number) for (number,) in struct.iter_unpack("<H", value[: len(value) // 2 * 2])]

    # -- clocks -------------------------------------------------------------------------------------------------

    def hardware_clock(self) -> "Optional[int]":
        """Seconds since 1970 by the hardware clock that the system's was set from; None where none can be read.

        Not the system's clock, which NTP may have corrected since: ESXi reads the hardware's (Linux: rtc class, sysfs).
        """
        directory = "sys/class/rtc"
        try:
            names = sorted(os.listdir(self.path(directory)))
        except OSError:
            return None
        names.sort(key=lambda name: self.text("{}/{}/hctosys".format(directory, name)) != "1")
        seconds = self.text("{}/{}/since_epoch".format(directory, names[0])) if names else ""
        return int(seconds) if re.match("[0-9]{1,12}$", seconds) else None

    def maas_clock(self, config: "Dict[str, Any]") -> "Optional[float]":
        """Seconds since 1970 by the Date header of MAAS's answer; None where it does not answer or gives no date.

        Of another answer than MAAS's own the date is a stranger's: only the one that names this machine counts, or one
        that judges the token, which a proxy in between does not.
        """
        client = self._maas(config)
        if client is None:
            return None
        found = client.probe(_DATE_SECONDS)
        return client.maas_time if found.connectivity == RIGHT or found.status in (401, 403) else None

    def _maas(self, config: "Dict[str, Any]") -> "Optional[MetadataClient]":
        """MAAS as the configuration names it; None where that says too little."""
        try:
            maas = config["reporting"]["maas"]
            return MetadataClient(parse_endpoint(maas["endpoint"]), Token.from_config(maas), Patience(total=60.0))
        except (ForgeError, KeyError, TypeError):
            return None

    # -- network ------------------------------------------------------------------------------------------------

    def boot_mac(self) -> str:
        """The MAC of the NIC that booted from MAAS (``BOOTIF=01-aa-bb-…``), or empty."""
        found = re.search(
            r"(?:\A|\s)BOOTIF=(?:01-)?([0-9A-Fa-f]{2}(?:[-:][0-9A-Fa-f]{2}){5})(?=\s|\Z)", self._cmdline()
        )
        return found.group(1).lower().replace("-", ":") if found else ""

    def _cmdline(self) -> str:
        return self.text("proc/cmdline")

    def resolve(self, host: str) -> "List[str]":
        """The addresses of a name, each once; none where it cannot be resolved."""
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return []
        found = []  # type: List[str]
        for answer in answers:
            address = str(answer[4][0])
            if address not in found and "%" not in address:
                found.append(address)
        return found

    def maas_has_keys(self, config: "Dict[str, Any]") -> bool:
        """Return whether MAAS has an SSH key for this machine's owner; not where it cannot be asked."""
        client = self._maas(config)
        try:
            return client is not None and bool(client.public_keys().keys)
        except MetadataError:
            return False

    # -- disks --------------------------------------------------------------------------------------------------

    def device(self, name: str) -> str:
        """The device of a disk by its name in /sys, where a ! stands for a slash."""
        return self.path("dev/" + name.replace("!", "/"))

    def open_disk(self, name: str, writable: bool = False) -> Blocks:
        """Open an entire disk past the page cache. ``close_disk`` ends it."""
        return DirectBlocks(self.device(name), writable)

    def close_disk(self, disk: Blocks) -> None:
        """Close what ``open_disk`` opened."""
        if isinstance(disk, FileBlocks):
            disk.close()

    def open_volume(self, directory: str, disk: Blocks) -> HookVolume:
        """The boot volume, mounted at ``directory``."""
        number = os.stat(directory).st_dev
        node = self.path("sys/dev/block/{}:{}".format(os.major(number), os.minor(number)))
        return MountedVolume(directory, self.device(os.path.basename(os.path.realpath(node))))

"""What the boot loader does: find the volume it was started from, choose a bank, load every file, hand over.

The program is mboot where a boot.cfg stands beside it (a boot medium), else safeboot, which looks for boot banks on its
own disk (vmware/esx-boot). After that all loaded modules are unpacked into the root of the RAM disk.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from standin.esxi import label as labels
from standin.system import boot_cfg, efi_variables, fat16
from standin.system.boot_cfg import LoaderError
from standin.system.console import say
from standin.system.linux_disks import LinuxDisk, find_disks

_MOUNT_POINT = Path("/run/boot-volume")
_PATIENCE = 30.0
TARDISKS = Path("/tardisks")
# Where ESXi has its drivers. Those of VMware's own modules are in the stand-in's program.
DRIVERS = Path("/usr/lib/vmware/vmkmod")


@dataclass(frozen=True)
class BootVolume:
    """Where the program came from: a disk and the number of its partition, or a CD (no disk)."""

    disk: LinuxDisk | None
    partition: int | None
    device: str
    kind: str = "vfat"


@dataclass
class Loaded:
    """What was handed over. ``bank``: the partition of the boot bank, None on a boot medium. ``modules``: by name in
    lower case, unzipped; ``programs``: the loader's own EFI programs, for the installer."""

    volume: BootVolume
    bank: int | None
    configuration: boot_cfg.Configuration
    modules: dict[str, bytes] = field(default_factory=dict)
    program: bytes = b""
    extra_options: str = ""

    @property
    def options(self) -> list[str]:
        """The kernel's command line, word by word."""
        return f"{self.configuration.command_line} {self.extra_options}".split()


def load() -> Loaded:
    """All that is done before the kernel runs. Raises :class:`LoaderError`."""
    volume = find_boot_volume()
    program = efi_variables.boot_program() or "/EFI/BOOT/BOOTX64.EFI"
    with mounted(volume.device, volume.kind) as root:
        beside = find(root, f"{PurePosixPath(program).parent}/boot.cfg")
        image = find(root, program)
        if beside is not None:
            path = f"{PurePosixPath(program).parent}/boot.cfg"
            loaded = _load(root, path, beside.read_bytes(), volume, None)
            loaded.program = image.read_bytes() if image else b""
            return loaded
    if volume.disk is None or volume.partition is None:
        raise LoaderError(boot_cfg.NOT_FOUND, f"there is no boot.cfg beside {program}")
    return _load_from_bank(volume, volume.disk)


def find_boot_volume() -> BootVolume:
    """The volume of the running program. Raises :class:`LoaderError`."""
    desired = efi_variables.boot_partition()
    deadline = time.monotonic() + _PATIENCE
    while True:
        for disk in find_disks():
            number = _partition_with_guid(disk, desired) if desired else None
            if number is not None:
                return BootVolume(disk, number, f"/dev/{disk.partition(number)}")
        if desired is None and Path("/sys/block/sr0").exists() and _has_medium("/dev/sr0"):
            return BootVolume(None, None, "/dev/sr0", "iso9660")
        if time.monotonic() > deadline:
            raise LoaderError(
                boot_cfg.NOT_FOUND, f"the volume with the boot loader ({desired or 'a CD'}) does not appear"
            )
        time.sleep(0.2)


def _partition_with_guid(disk: LinuxDisk, guid: str) -> int | None:
    try:
        label = labels.read_primary(disk.path)
    except (labels.LabelError, OSError):
        return None
    return next((one.number for one in label.in_order() if one.guid.lower() == guid), None)


def _load_from_bank(volume: BootVolume, disk: LinuxDisk) -> Loaded:
    banks: list[tuple[int, bytes, boot_cfg.Bank]] = []
    for one in labels.read_primary(disk.path).in_order():
        with open(disk.path, "rb") as stream:
            uuid = fat16.bank_uuid(stream, one.first * 512)
        if uuid is None:
            continue
        device = f"/dev/{disk.partition(one.number)}"
        with mounted(device, "vfat", writable=True) as root:
            file = find(root, "/boot.cfg")
            if file is None:
                continue
            data = file.read_bytes()
            bank = boot_cfg.bank_of(data)
            if bank.state_after != bank.state:
                file.write_bytes(boot_cfg.with_state(data, bank.state_after))
                os.sync()
        banks.append((one.number, uuid, bank))
        if len(banks) == 3:
            break
    chosen = boot_cfg.choose_bank([bank for _, _, bank in banks])
    if chosen is None:
        raise LoaderError(boot_cfg.NOT_FOUND, "No hypervisor found.")
    number, uuid, _ = banks[chosen]
    with mounted(f"/dev/{disk.partition(number)}", "vfat") as root:
        file = find(root, "/boot.cfg")
        loaded = _load(root, "/boot.cfg", file.read_bytes() if file else b"", volume, number)
    loaded.extra_options = f"bootUUID={uuid.hex()}"
    return loaded


def _load(root: Path, path: str, data: bytes, volume: BootVolume, bank: int | None) -> Loaded:
    say(f"Loading {path}")
    configuration = boot_cfg.mboot_configuration(data, path)
    say(configuration.title or "Loading ESXi")
    loaded = Loaded(volume, bank, configuration)
    for module in configuration.files:
        say(f"Loading {module.path}")
        file = find(root, module.path)
        if file is None or not file.is_file():
            raise LoaderError(
                boot_cfg.NOT_FOUND, f"Error {boot_cfg.NOT_FOUND} (Not found) while loading module: {module.path}"
            )
        loaded.modules[PurePosixPath(module.path).name.lower()] = unzipped(file.read_bytes(), module.path)
    say("Shutting down firmware services...")
    say("Relocating modules and starting up the kernel...")
    return loaded


def unzipped(data: bytes, path: str) -> bytes:
    """A module without its gzip; as it is if it has none. Raises :class:`LoaderError` for a damaged one."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise LoaderError(boot_cfg.INCONSISTENT_DATA, f"gzip_extract failed for {path}: {error}") from error


def unpack(modules: dict[str, bytes]) -> dict[str, str]:
    """Unpack what is a tar into the root, and keep each module in /tardisks.

    Returns path → SHA-256 of the files below /etc that came from modules other than the saved state. Raises
    :class:`LoaderError` for a module that is called .tgz and is no tar.
    """
    TARDISKS.mkdir(exist_ok=True)
    digests: dict[str, str] = {}
    for name, data in modules.items():
        (TARDISKS / name).write_bytes(data)
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                extract(archive)
                for member in archive:
                    if member.isfile() and name not in ("state.tgz", "onetime.tgz"):
                        text = archive.extractfile(member)
                        digests[f"/{member.name.lstrip('./')}"] = hashlib.sha256(
                            text.read() if text else b""
                        ).hexdigest()
        except tarfile.TarError as error:
            if name.endswith(".tgz"):
                raise LoaderError(boot_cfg.INCONSISTENT_DATA, f"{name} is no tar archive: {error}") from error
    return {path: digest for path, digest in digests.items() if path.startswith("/etc/")}


def load_drivers() -> None:
    """Load the drivers that modules brought, in the order of their names; ESXi takes each where it has the hardware."""
    for path in sorted(DRIVERS.glob("*.ko")):
        done = subprocess.run(["insmod", str(path)], capture_output=True, text=True, check=False)
        say(f"Loading driver {path.stem}" + (f": {done.stderr.strip()}" if done.returncode else ""))


def extract(archive: tarfile.TarFile) -> None:
    """Unpack into the root, as it is: what a boot loader loads is trusted."""
    if hasattr(tarfile, "fully_trusted_filter"):
        archive.extractall("/", filter="fully_trusted")  # noqa: S202
    else:  # before 3.10.12 and 3.11.4 it is the only way
        archive.extractall("/")  # noqa: S202


def find(root: Path, path: str) -> Path | None:
    """A file by its path on a volume, in whatever case its names are."""
    here = root
    for part in PurePosixPath(path).parts:
        if part == "/":
            continue
        try:
            names = {name.lower(): name for name in os.listdir(here)}
        except OSError:
            return None
        if part.lower() not in names:
            return None
        here /= names[part.lower()]
    return here


@contextmanager
def mounted(device: str, kind: str, *, writable: bool = False, where: Path = _MOUNT_POINT) -> Iterator[Path]:
    """A volume, mounted as long as it is looked at."""
    where.mkdir(parents=True, exist_ok=True)
    mount(device, kind, where, writable=writable)
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def mount(device: str, kind: str, where: Path, *, writable: bool = False) -> None:
    """Mount a volume. Raises :class:`LoaderError` when it cannot be."""
    options = "rw" if writable else "ro"
    if kind == "vfat":
        options += ",codepage=437,iocharset=iso8859-1,shortname=mixed,errors=continue"
    done = subprocess.run(
        ["mount", "-t", kind, "-o", options, device, str(where)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LoaderError(boot_cfg.INCONSISTENT_DATA, f"{device}: {done.stderr.strip()}")


def _has_medium(device: str) -> bool:
    try:
        with open(device, "rb") as stream:
            stream.seek(32769)
            return stream.read(5) == b"CD001"
    except OSError:
        return False

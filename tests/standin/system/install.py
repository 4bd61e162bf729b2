"""What ESXi's installer writes on a disk: a new label, FAT volumes, boot banks, the loader's programs, a boot entry.

Tables and names: tests/data/esxi; docs/stand-in.md. Only what is there is written: the rest of the disk stays sparse.
"""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from standin.esxi import label as labels
from standin.esxi.disks import make_nodes
from standin.esxi.fake import FakeEsxi
from standin.esxi.install import make_volume
from standin.esxi.presets import MEDIA_SIZES, boot_table
from standin.esxi.scripts import write_state
from standin.esxi.volumes import make_directories
from standin.system import efi_variables, fat16, machine
from standin.system.kickstart import Section
from standin.system.loader import Loaded, mounted

_SMALLEST = {6: 1 << 30, 7: 8 << 30}
# The image profile names them too, but they go to the locker, or nowhere.
_NOT_IN_BANK = frozenset(("tools.t00", "imgpayld.tgz", "resvibs.tgz", "esxiodpt.tgz"))
_LOADER_NAME = "VMware ESXi"
_ON_ESP = "/EFI/VMware/safeboot64.efi"
_IN_BANK = "/standin.efi"
_SMALL_PROGRAM = Path("/usr/lib/standin/unused.efi")
FIRST_BOOT = "var/lib/standin/firstboot"


class InstallError(Exception):
    """What the installer shows, and stops at."""


@dataclass
class NewHost:
    """What the installed host starts with. ``shadow``: root's line of /etc/shadow."""

    configuration: dict[str, Any]
    shadow: str
    first_boot: list[Section] = field(default_factory=list)


def install(fake: FakeEsxi, name: str, loaded: Loaded, host: NewHost, *, overwrite_vmfs: bool, datastore: bool) -> None:
    """Install on the disk with ESXi's ``name``. Raises :class:`InstallError` before anything is written."""
    told = machine.release()
    disk = next((one for one in fake.hardware["disks"] if one["name"] == name), None)
    if disk is None:
        raise InstallError(f'install --disk= specified, but drive "{name}" was not found on the system.')
    _check(disk, told, loaded, overwrite_vmfs=overwrite_vmfs)
    machine.forget_volumes(fake, disk["node"])
    label = _write_label(disk, told["version"], _media(loaded), datastore=datastore)
    with fake.edit() as machine_now:
        make_nodes(machine_now)
    _format(disk, label)
    _fill_esp(disk, label, loaded)
    _fill_banks(disk, label, loaded, host)
    with fake.edit() as machine_now:
        for partition in label.partitions.values():
            if partition.type == labels.VMFSL:
                make_volume(machine_now, disk, partition, "VMFS-L", None)
            elif partition.type == labels.VMFS:
                # Another disk may have a datastore of that name; ESXi then numbers on.
                make_volume(machine_now, disk, partition, "VMFS-6", _free_name(machine_now))
        for one in machine_now.hardware["disks"]:
            one["boot"] = one["node"] == disk["node"]
        machine.find_banks(machine_now)
        make_nodes(machine_now)
        make_directories(machine_now)
    _add_boot_entry(label)
    os.sync()


def _check(disk: dict[str, Any], told: dict[str, Any], loaded: Loaded, *, overwrite_vmfs: bool) -> None:
    major = 6 if told["version"].startswith("6") else 7
    if disk["bytes"] < _SMALLEST[major]:
        raise InstallError(f"The disk {disk['name']} is too small: {disk['bytes'] >> 20} MiB.")
    try:
        old = labels.read_primary(disk["path"])
    except labels.LabelError:
        old = labels.Label(0)
    if labels.VMFS in [one.type for one in old.partitions.values()] and not overwrite_vmfs:
        raise InstallError(f"install --overwritevmfs not specified but {disk['name']} contains a VMFS partition")
    missing = [name for name in _bank_files(told) if name not in loaded.modules]
    if missing:
        raise InstallError(f"Payloads of the image profile are missing: {', '.join(missing)}")


def _write_label(disk: dict[str, Any], version: str, media: str, *, datastore: bool) -> labels.Label:
    labels.erase(disk["path"])
    label = labels.Label(disk["bytes"] // 512)
    for partition in boot_table(version, label.sectors, media):
        if partition.type != labels.VMFS or datastore:
            label.add(partition)
    labels.write_label(disk["path"], label)
    os.sync()
    return label


def _media(loaded: Loaded) -> str:
    chosen = [word.partition("=")[2] for word in loaded.options if word.startswith("systemMediaSize=")]
    if chosen and chosen[-1] not in MEDIA_SIZES:
        raise InstallError(f"systemMediaSize={chosen[-1]} is not one of {', '.join(MEDIA_SIZES)}.")
    return chosen[-1] if chosen else "default"


def _format(disk: dict[str, Any], label: labels.Label) -> None:
    with open(disk["path"], "r+b") as stream:
        for number, name in ((1, "BOOT"), (5, "BOOTBANK1"), (6, "BOOTBANK2")):
            one = label.partitions[number]
            fat16.format_volume(
                stream, one.first * 512, one.last - one.first + 1, serial=secrets.randbits(32),
                label=name if 7 in label.partitions and label.partitions[7].type == labels.VMFSL else "",
                uuid=None if number == 1 else secrets.token_bytes(16),
            )  # fmt: skip
        for one in label.partitions.values():
            if one.type in (labels.VMFS, labels.VMFSL):
                stream.seek(one.first * 512)
                stream.write(bytes(2 << 20))
        os.fsync(stream.fileno())


def _fill_esp(disk: dict[str, Any], label: labels.Label, loaded: Loaded) -> None:
    program = loaded.program
    small = _SMALL_PROGRAM.read_bytes()
    fits = _esp_holds_programs(label)
    with mounted(_device(disk, 1), "vfat", writable=True) as root:
        for path, content in (
            ("EFI/BOOT/BOOTX64.EFI", program if fits else small),
            (_ON_ESP.lstrip("/"), program if fits else small),
            ("EFI/VMware/mboot64.efi", small),
        ):
            _write(root / path, content)


def _fill_banks(disk: dict[str, Any], label: labels.Label, loaded: Loaded, host: NewHost) -> None:
    told = machine.release()
    names = _bank_files(told)
    with mounted(_device(disk, 5), "vfat", writable=True) as root:
        for name in names:
            _write(root / name, gzip.compress(loaded.modules[name], 1, mtime=0))
        if not _esp_holds_programs(label):
            _write(root / _IN_BANK.lstrip("/"), loaded.program)
        _write_state(root / "state.tgz", host)
        if host.first_boot:
            _write(root / "onetime.tgz", _one_time(host.first_boot))
        _write(root / "boot.cfg", _boot_cfg(told, names, loaded))
    with mounted(_device(disk, 6), "vfat", writable=True) as root:
        empty = f"bootstate=3\nkernel=\nkernelopt=\nmodules=\nbuild={told['boot_cfg_build']}\nupdated=2\n"
        _write(root / "boot.cfg", empty.encode())


def _bank_files(told: dict[str, Any]) -> list[str]:
    return [name for name in (told["kernel"], *told["modules"]) if name not in _NOT_IN_BANK]


def _boot_cfg(told: dict[str, Any], names: list[str], loaded: Loaded) -> bytes:
    kept = [word for word in loaded.options if word.partition("=")[0] not in ("runweasel", "cdromBoot", "ks", "BOOTIF")]
    lines = [
        "bootstate=0", "title=Loading VMware ESXi", "timeout=5", "prefix=", f"kernel={told['kernel']}",
        "kernelopt=" + " ".join(kept), "modules=" + " --- ".join([*names[1:], "state.tgz"]),
        f"build={told['boot_cfg_build'] or told['version'] + '-0.0.' + told['build']}", "updated=1",
    ]  # fmt: skip
    return ("\n".join(lines) + "\n").encode()


def _write_state(path: Path, host: NewHost) -> None:
    etc = Path("/tmp/new-etc")
    shutil.rmtree(etc, ignore_errors=True)
    etc.mkdir()
    for name in ("passwd", "group", "hosts", "ntp.conf", "shadow"):
        shutil.copy(f"/etc/{name}", etc / name)
    lines = (etc / "shadow").read_text().splitlines()
    others = [line for line in lines if not line.startswith("root:")]
    (etc / "shadow").write_text("\n".join([host.shadow, *others]) + "\n")
    write_state(str(path), host.configuration, str(etc))
    shutil.rmtree(etc)


def _one_time(scripts: list[Section]) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for number, script in enumerate(scripts):
            data = script.text.encode()
            member = tarfile.TarInfo(f"{FIRST_BOOT}/{number:03}_{script.interpreter}")
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, BytesIO(data))
    return out.getvalue()


def _add_boot_entry(label: labels.Label) -> None:
    # 6.x makes a system partition of 4 MiB, which real loaders fit in, and the stand-in's one program does not.
    number, path = (1, _ON_ESP) if _esp_holds_programs(label) else (5, _IN_BANK)
    one = label.partitions[number]
    efi_variables.add_first_boot_entry(_LOADER_NAME, (number, one.first, one.last - one.first + 1, one.guid), path)


def _esp_holds_programs(label: labels.Label) -> bool:
    return label.partitions[1].last - label.partitions[1].first > 65536


def _free_name(host: Any) -> str:
    from standin.esxi.volumes import volumes

    taken = {volume["label"] for volume in volumes(host)}
    return next(name for name in ("datastore1", *(f"datastore1 ({n})" for n in range(1, 100))) if name not in taken)


def _device(disk: dict[str, Any], number: int) -> str:
    node = disk["node"]
    return f"/dev/{node}p{number}" if node[-1].isdigit() else f"/dev/{node}{number}"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def crypted(password: str) -> str:
    """A SHA-512 crypt of a plain password."""
    done = subprocess.run(
        ["/bin/busybox", "mkpasswd", "-m", "sha512", "-P", "0"], input=password + "\n", capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout.strip()

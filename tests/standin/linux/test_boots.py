"""A guest made of the usual parts starts under OVMF, loads its modules and runs Python."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from esxforge.local.processes import run
from esxforge.vm.hardware import Disk
from esxforge.vm.unattended import Limits, run_until_power_off
from standin.linux.contents import DISKS, FILE_SYSTEMS, NETWORK, add_busybox, add_modules, add_python
from standin.linux.cpio import Archive
from standin.linux.fetched import find_guest_linux
from standin.linux.guest import Hardware, make_program, uefi_machine

INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read path; do insmod $path || echo "no $path"; done < /lib/modules/order
mount -t efivarfs efivars /sys/firmware/efi/efivars
PYTHON -c 'import ctypes, json, ssl, sys; print("python", sys.version_info[0])'
sleep 2
ls /dev/sd* /sys/class/net
poweroff -f
"""


@pytest.mark.vm
@pytest.mark.slow
def test_a_guest_boots_from_a_fat_volume(tmp_path: Path) -> None:
    linux = find_guest_linux()
    archive = Archive()
    add_busybox(archive)
    add_modules(archive, linux, (*DISKS, *FILE_SYSTEMS, *NETWORK))
    python = add_python(archive, Path(shutil.which("python3", path="/usr/bin") or "python3"), tmp_path / "python")
    for directory in ("proc", "sys", "dev"):
        archive.add_directory(directory)
    archive.add_character_device("dev/console", 5, 1)
    archive.add("init", INIT.replace("PYTHON", python), 0o755)
    program = tmp_path / "BOOTX64.EFI"
    program.write_bytes(make_program(linux, archive))
    disk = tmp_path / "disk.raw"
    run(["mkfs.fat", "-C", "-F", "32", str(disk), str(128 << 10)], timeout=60)
    run(["mmd", "-i", str(disk), "::EFI", "::EFI/BOOT"], timeout=60)
    run(["mcopy", "-i", str(disk), str(program), "::EFI/BOOT/BOOTX64.EFI"], timeout=60)

    machine = uefi_machine("guest", tmp_path, Hardware(disks=(Disk(disk, boot_index=0),)))
    run_until_power_off(machine, tmp_path, Limits(seconds=300), listener=lambda _: None)

    said = (tmp_path / "serial.log").read_text(errors="replace")
    assert "python 3" in said
    assert "/dev/sda" in said
    assert "eth0" in said
    assert "no /lib/modules" not in said

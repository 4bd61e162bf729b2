"""A stand-in ISO under real firmware."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from esxforge.local.processes import run
from esxforge.standin_iso.efi_program import STARTED_FROM_EFIBOOT
from esxforge.standin_iso.iso import make_standin_iso


def firmware() -> tuple[Path, Path]:
    """OVMF's code and an empty variable store, without Secure Boot keys."""
    directory = Path("/usr/share/OVMF")
    for suffix in ("_4M", ""):
        code, variables = directory / f"OVMF_CODE{suffix}.fd", directory / f"OVMF_VARS{suffix}.fd"
        if code.exists() and variables.exists():
            return code, variables
    pytest.skip("OVMF is not installed (Debian package ovmf)")


@pytest.mark.vm
@pytest.mark.slow
def test_ovmf_starts_the_efi_program_of_the_iso(tmp_path: Path) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed (Debian package qemu-system-x86)")
    code, variables = firmware()
    iso = tmp_path / "esxi.iso"
    make_standin_iso(iso, release="8.0")
    serial = tmp_path / "serial.log"
    flash = "if=pflash,format=raw"
    machine = ["-machine", "q35", "-accel", "tcg", "-m", "256", "-display", "none", "-nic", "none", "-no-reboot"]
    code_drive = ["-drive", f"{flash},readonly=on,file={code}"]
    variables_drive = ["-drive", f"{flash},snapshot=on,file={variables}"]
    media = ["-cdrom", str(iso), "-serial", f"file:{serial}"]
    # It ends by itself: the program powers the machine off.
    run(["qemu-system-x86_64", *machine, *code_drive, *variables_drive, *media], timeout=150)
    assert STARTED_FROM_EFIBOOT in serial.read_text(errors="replace")

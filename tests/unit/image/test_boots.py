"""A built image under real firmware: OVMF finds the partition, the FAT and the program, and starts it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge.local.processes import run
from esxforge.standin_iso.efi_program import STARTED
from esxforge.vm.firmware import find_ovmf, private_copy

from .conftest import Builder


@pytest.mark.vm
@pytest.mark.slow
def test_ovmf_starts_the_efi_program_of_the_image(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    image = build(iso_of("8.0"), tmp_path / "image.raw", image={"format": "raw"})
    firmware = private_copy(find_ovmf(), tmp_path)
    serial = tmp_path / "serial.log"
    run(
        ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "256", "-display", "none", "-nic", "none",
         "-no-reboot", "-serial", f"file:{serial}",
         "-drive", f"if=pflash,format=raw,readonly=on,file={firmware.code}",
         "-drive", f"if=pflash,format=raw,file={firmware.variables}",
         "-drive", f"if=none,id=disk,format=raw,file={image.image}",
         "-device", "ich9-ahci,id=sata", "-device", "ide-hd,bus=sata.0,drive=disk"],
        timeout=200,
    )  # fmt: skip
    assert STARTED in serial.read_text(errors="replace")

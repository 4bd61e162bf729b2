"""A golden image on legacy BIOS: SeaBIOS, boot code, syslinux, a kernel with its modules, after capture and the hook.

syslinux, its boot code (of the attribute kind) and its mboot.c32 are Debian's; VMware's loader is not free to pass on.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from esxforge.events import Event
from esxforge.image.capture import CaptureOptions, capture_disk
from esxforge.image.host_settings import captured_settings
from esxforge.recipe.load import load_recipe
from esxforge.vm.hardware import Accelerator, Chipset, Disk, Machine, SeaBios, SerialToFile
from esxforge.vm.serial import read
from esxforge.vm.unattended import Limits, run_until_power_off
from standin import installed
from target.hook.bench import Bench
from target.plan.configs import sample
from vm.multiboot import kernel
from vm.traces import nothing_left

pytestmark = [pytest.mark.vm, pytest.mark.slow]
MODULES = {name: random.Random(name).randbytes(700_001) for name in ("first.b00", "last.tgz")}  # noqa: S311  fillers
CONFIGURATION = """PROMPT 0
TIMEOUT 1
DEFAULT esxi
LABEL esxi
  KERNEL mboot.c32
  APPEND kernel.bin --- first.b00 --- last.tgz
"""


def ignore(event: Event) -> None:
    """Listen to nothing."""


def modules_seen(disk: Path, directory: Path) -> list[str]:
    """Start the disk under SeaBIOS; what the kernel says of its modules."""
    directory.mkdir()
    machine = Machine(
        "golden disk",
        Chipset.Q35,
        Accelerator.TCG,
        cpus=1,
        memory_mib=256,
        firmware=SeaBios(),
        disks=(Disk(disk, boot_index=0),),
        serial=SerialToFile(directory / "serial.log"),
    )
    with nothing_left(directory):
        run_until_power_off(machine, directory, Limits(180, tick=0.05), listener=ignore)
    return [line for line in read(directory / "serial.log").splitlines() if line.startswith(tuple(MODULES))]


def test_a_captured_and_a_personalised_disk_start_a_kernel_with_all_its_modules(tmp_path: Path) -> None:
    disk, image = tmp_path / "installed.raw", tmp_path / "image.raw"
    installed.make(disk, installed.InstalledLayout(size=400 << 20, bios="attribute"))
    start = installed.partition_start(disk, 1)
    for name, data in {"kernel.bin": kernel(), "syslinux.cfg": CONFIGURATION.encode(), **MODULES}.items():
        installed.put(disk, start, name, data)
    expected = [f"{name} {sum(data):08x}" for name, data in MODULES.items()]
    assert modules_seen(disk, tmp_path / "1") == expected, "the disk itself"
    recipe = load_recipe(None, {"image": {"kind": "golden", "format": "raw"}})
    settings = captured_settings(recipe, "8.0.3", ignore)
    capture_disk(disk, recipe, lambda release: settings, CaptureOptions(image), ignore)
    assert modules_seen(image, tmp_path / "2") == expected, "the image"
    config = sample("simple-static")
    bench = Bench(tmp_path / "machine")
    shutil.rmtree(bench.root / "sys/firmware")
    entry = next(entry for entry in config["storage"]["config"] if entry["type"] == "disk")
    bench.disk(entry["name"], 140 * 10**9 // 512 * 512, entry["serial"], image)
    bench.partition("sda", "sda1")
    bench.credentials("sda", config)
    assert bench.run(config) == 0, bench.output
    assert modules_seen(bench.device("sda"), tmp_path / "3") == expected, "this host's disk"

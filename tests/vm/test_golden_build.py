"""A golden image, the whole way in virtual machines: the installer at build time, the hook, the host's first boot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from esxforge.events import ignore
from esxforge.image.verify import verify_image
from esxforge.standin_iso.iso import make_standin_iso
from esxforge.vm.disks import unpack
from esxforge.vm.firmware import find_ovmf, private_copy
from esxforge.vm.hardware import Accelerator, Disk, Machine, Nic, SerialToFile, hardware_for
from esxforge.vm.machine import RunningMachine
from esxforge.vm.serial import read
from esxforge_target.contract.names import AGENT_LOG
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.runtime.blocks import FileBlocks, Window
from standin.system.iso import make_bootable_iso
from target.hook.bench import Bench
from target.plan.configs import sample
from vm.traces import nothing_left, processes_naming

pytestmark = [pytest.mark.vm, pytest.mark.slow]

HASH = "$6$saltsalt$" + "a" * 86
COMMAND = [sys.executable, "-m", "esxforge", "build"]
SLOW = ["--kind", "golden", "--accept-eula", "--root-password-hash", HASH, "--accel", "tcg", "--memory", "1024"]
PATIENCE = 900.0


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The directory of temporary files."""
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


def environment(work: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(work), "COLUMNS": "200", "NO_COLOR": "1"}


def test_a_golden_image_is_built_deployed_and_starts_the_agent(tmp_path: Path, work: Path) -> None:
    iso, image = tmp_path / "esxi.iso", tmp_path / "golden.dd.gz"
    make_bootable_iso(iso, release="8.0")
    command = [*COMMAND, str(iso), *SLOW, "--disk-size", "10", "--timeout", "30", "-v", "-o", str(image)]
    with nothing_left(tmp_path):
        done = subprocess.run(command, env=environment(work), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "The installer writes the disk: done" in done.stderr
    assert list(work.iterdir()) == []
    iso.unlink()

    assert verify_image(image, ignore).manifest.details["golden"]["life"] == "never-started"
    raw = tmp_path / "golden.raw"
    unpack(image, raw, ignore)
    bench, config = Bench(tmp_path / "machine"), sample("simple-static")
    (disk,) = (entry for entry in config["storage"]["config"] if entry["type"] == "disk")
    bench.disk(disk["name"], 140 * 10**9 // 512 * 512, disk["serial"], raw)
    raw.unlink()
    bench.partition("sda", "sda1")
    bench.credentials("sda", config)
    assert bench.run(config) == 0, bench.output

    with nothing_left(tmp_path), RunningMachine(host(tmp_path, bench.root / "dev/sda"), tmp_path) as running:
        deadline = time.monotonic() + PATIENCE
        while AGENT_LOG not in bank_of(bench.root / "dev/sda") and time.monotonic() < deadline:
            assert running.follow(2).ending is None, read(tmp_path / "serial.log")
    log = bank_of(bench.root / "dev/sda").get(AGENT_LOG, b"").decode()
    assert "esxforge" in log or "agent" in log, read(tmp_path / "serial.log")[-2000:]


def host(directory: Path, disk: Path) -> Machine:
    """A machine with the NIC that MAAS knows, and this disk."""
    hardware = hardware_for("8.0")
    return Machine(
        name="golden-host",
        chipset=hardware.chipset,
        accelerator=Accelerator.TCG,
        cpus=2,
        memory_mib=1024,
        firmware=private_copy(find_ovmf(hardware.chipset), directory),
        disks=(Disk(disk, boot_index=0),),
        nics=(replace(Nic(hardware.card), mac="52:54:00:00:00:01"),),
        serial=SerialToFile(directory / "serial.log"),
    )


def bank_of(disk: Path) -> dict[str, bytes]:
    """The agent's log in the boot bank, if it is there; the bank may be written at this moment."""
    with FileBlocks(str(disk)) as blocks:
        volume = FatVolume(Window(blocks, *read_table(blocks).table.byte_range(5)))
        entry = volume.find(AGENT_LOG)
        return {AGENT_LOG: volume.read_file(AGENT_LOG)} if entry is not None and entry.size else {}


PHASES = {
    "building the medium": "esxforge-*",
    "starting the machine": "esxforge-*/disk.raw",
    "installing": "esxforge-*/serial.log",
}


@pytest.fixture(scope="module")
def idle_iso(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An ISO whose boot program powers off: the installer that installs nothing."""
    path = tmp_path_factory.mktemp("iso") / "idle.iso"
    make_standin_iso(path, release="8.0")
    yield path
    path.unlink()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", PHASES)
def test_an_interrupt_at_every_phase_leaves_no_process_and_no_file(
    phase: str, number: signal.Signals, idle_iso: Path, tmp_path: Path, work: Path
) -> None:
    command = [*COMMAND, str(idle_iso), *SLOW, "-o", str(tmp_path / "golden.dd.gz")]
    with subprocess.Popen(
        command, env=environment(work), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while not list(work.glob(PHASES[phase])) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            process.send_signal(number)
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert list(work.iterdir()) == []
    assert not list(tmp_path.glob("golden*"))
    assert processes_naming(str(work)) == []


def test_an_installer_that_powers_off_without_installing_is_told_and_its_directory_kept(
    idle_iso: Path, tmp_path: Path, work: Path
) -> None:
    command = [*COMMAND, str(idle_iso), *SLOW, "-o", str(tmp_path / "golden.dd.gz")]
    done = subprocess.run(command, env=environment(work), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "powered off, but ESXi was not installed" in done.stderr
    (kept,) = work.iterdir()
    assert str(kept) in done.stderr
    assert {"disk.raw", "serial.log", "qemu.log"} <= {path.name for path in kept.iterdir()}
    assert not list(tmp_path.glob("golden*"))

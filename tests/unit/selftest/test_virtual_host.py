"""The virtual host: its hardware, its disks while it is off, and how the computer is checked before."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esxforge.checks.computer import ThisComputer
from esxforge.errors import ProcessError
from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.media.installer import open_installer
from esxforge.recipe.load import load_recipe
from esxforge.selftest.file_host import volume_of
from esxforge.selftest.order import FIRST, SECOND, GuestToken, Order, smallest_disks
from esxforge.selftest.scenario import SelftestSettings
from esxforge.selftest.session import check_computer
from esxforge.selftest.subject import is_standin
from esxforge.selftest.virtual_host import VirtualHost
from esxforge.standin_iso.iso import make_standin_iso
from esxforge.standin_iso.texts import MARK
from esxforge.vm.deployed import Changes
from esxforge.vm.disks import create_overlay
from esxforge.vm.hardware import Accelerator, Ovmf, qemu_arguments
from esxforge_target.runtime.blocks import FileBlocks

ENDPOINT = f"http://{SECOND.gateway}:5248/MAAS/metadata/status/selftest"
FIRMWARE = Ovmf(Path("/code.fd"), Path("/variables.fd"))


@pytest.fixture
def iso(tmp_path: Path) -> Path:
    path = tmp_path / "s.iso"
    make_standin_iso(path, release="8.0")
    return path


@pytest.fixture
def host(tmp_path: Path, iso: Path) -> VirtualHost:
    made = VirtualHost(tmp_path / "host", Order("8.0.3", *smallest_disks("8.0")), Accelerator.TCG, Changes())
    recipe = load_recipe(
        None,
        {
            "image": {"format": "raw"},
            "install": {"accept_eula": True},
            "root_password": {"hash": "$6$saltsalt$" + "a" * 86},
        },
    )
    build_installer_image(iso, recipe, BuildOptions(made.boot_disk), lambda event: None)
    made.attach_disks()
    return made


def test_the_hook_leaves_stamps_and_says_nothing_of_the_token(host: VirtualHost) -> None:
    token = GuestToken()
    ran = host.run_hook(ENDPOINT, token)
    assert ran.succeeded, ran.lines
    assert set(ran.disk_guids) == {"sda", "sdb"}
    assert not any(secret in line for line in ran.lines for secret in token.secrets)


def test_a_hook_that_refuses_says_why(host: VirtualHost) -> None:
    with FileBlocks(str(host.boot_disk), True) as disk:
        volume = volume_of(disk)
        volume.overwrite("K.B00", b"damage")
    ran = host.run_hook(ENDPOINT, GuestToken())
    assert not ran.succeeded
    assert any("NOT prepared" in line for line in ran.lines)


def test_only_the_second_nic_leads_to_this_computer(host: VirtualHost) -> None:
    arguments = " ".join(qemu_arguments(host.machine(FIRMWARE)))
    assert f"user,id=net0,restrict=on,net={FIRST.subnet} " in arguments
    forward = f"hostfwd=tcp:127.0.0.1:{host.management_port}-{SECOND.address}:443"
    assert f"user,id=net1,net={SECOND.subnet},{forward} " in arguments
    assert arguments.index(FIRST.mac) < arguments.index(SECOND.mac)
    assert "serial=ESXFORGE0,bootindex=0" in arguments
    assert "serial=ESXFORGE1" in arguments


def test_a_write_of_the_guest_is_noticed_however_small(host: VirtualHost, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    create_overlay(host.boot_disk, overlay, host.order.boot_bytes)
    assert not host.differs(host.boot_disk, overlay)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 9G 512", str(overlay)], check=True, capture_output=True)
    assert host.differs(host.boot_disk, overlay)


def test_firmware_keeps_its_variables_from_start_to_start(host: VirtualHost) -> None:
    first = host.firmware("firmware")
    first.variables.write_bytes(b"changed")
    assert host.firmware("firmware").variables.read_bytes() == b"changed"
    assert host.firmware("other").variables.read_bytes() != b"changed"


def test_kernel_options_are_added_once(host: VirtualHost) -> None:
    # Partition 1 is a FAT volume with a boot.cfg as a bank is one.
    for _ in range(2):
        host.add_kernel_options(1, ("logPort=com1",))
    listed = ["mtype", "-i", f"{host.boot_disk}@@{1 << 20}", "::/boot.cfg"]
    environment = {"MTOOLS_SKIP_CHECK": "1", "PATH": "/usr/bin:/bin"}
    text = subprocess.run(listed, check=True, capture_output=True, text=True, env=environment).stdout
    assert text.count("logPort=com1") == 1


def test_a_standin_is_known_by_what_is_in_it(iso: Path, tmp_path: Path) -> None:
    assert is_standin(open_installer(iso))
    other = tmp_path / "other.iso"
    other.write_bytes(iso.read_bytes().replace(MARK.encode(), b"x" * len(MARK)))
    assert not is_standin(open_installer(other))


class Computer(ThisComputer):
    """One with whatever is desired."""

    def __init__(self, **answers: Any) -> None:
        for name, value in answers.items():
            setattr(self, name, _always(value))


def _always(value: Any) -> Callable[..., Any]:
    return lambda *_: value


def test_what_the_computer_lacks_is_told_at_once(iso: Path) -> None:
    settings = SelftestSettings(iso, Accelerator.TCG, 60.0)
    poor = Computer(processors=1, memory=(1 << 30, 1 << 30), firmware=None)
    with pytest.raises(ProcessError) as told:
        check_computer(settings, poor)
    for word in ("Processor cores", "Memory", "OVMF"):
        assert word in told.value.message
    assert "another computer" in told.value.hint


def test_memory_that_the_person_chose_is_their_own_matter(iso: Path) -> None:
    settings = SelftestSettings(iso, Accelerator.TCG, 60.0, Changes(memory_mib=1024))
    check_computer(settings, Computer(memory=(2 << 30, 2 << 30), processors=2))
    with pytest.raises(ProcessError):
        check_computer(replace(settings, changes=Changes()), Computer(memory=(2 << 30, 2 << 30), processors=2))

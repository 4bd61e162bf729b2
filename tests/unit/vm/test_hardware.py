"""QEMU's arguments: golden files for what the releases get, and rules that hold for every machine.

``ESXFORGE_RENEW_GOLDEN=1 pytest tests/unit/vm`` writes the golden files anew; look at the difference before committing.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.errors import RecipeError
from esxforge.vm.deployed import Changes, deployed_host, machine_name
from esxforge.vm.hardware import (
    Accelerator,
    Chipset,
    Disk,
    LinuxKernel,
    Machine,
    NetworkCard,
    Nic,
    Ovmf,
    SeaBios,
    Segment,
    SerialToFile,
    SerialToSocket,
    SerialToTerminal,
    UsbDisk,
    Vnc,
    hardware_for,
    parse_vnc,
    qemu_arguments,
)
from unit.vm.golden_files import check_golden

SEGMENT = Segment("10.0.0.0/24", "10.0.0.2", "10.0.0.100", "2001:db8:0:1::/64", "2001:db8:0:1::2", 4711)
FIRMWARE = Ovmf(Path("/firmware/code.fd"), Path("/scratch/variables.fd"))
DISK = Disk(Path("/scratch/disk.qcow2"), "qcow2", boot_index=0)
ESXI_8 = deployed_host("8.0", DISK, FIRMWARE, Accelerator.KVM, serial=SerialToFile(Path("/scratch/serial.log")))
MACHINES = {
    "esxi-8-uefi-kvm": ESXI_8,
    "esxi-7-bios-tcg-vnc": deployed_host("7.0", DISK, SeaBios(), Accelerator.TCG, vnc=Vnc(3)),
    "esxi-6.7-bios-kvm-terminal": deployed_host(
        "6.7", DISK, SeaBios(), Accelerator.KVM, serial=SerialToTerminal(), vnc=Vnc(0, "::1")
    ),
    "esxi-9-e1000e-more-of-everything": deployed_host(
        "9.0", DISK, FIRMWARE, Accelerator.KVM, changes=Changes(16384, 4, NetworkCard.E1000E)
    ),
    "installer-on-usb": replace(
        ESXI_8,
        disks=(Disk(Path("/scratch/disk.raw")),),
        usb_disks=(UsbDisk(Path("/scratch/installer.raw"), boot_index=0),),
        nics=(replace(ESXI_8.nics[0], connected=False),),
        serial=SerialToSocket(Path("/scratch/serial.sock"), Path("/scratch/serial.log")),
        qmp_fd=7,
        restart_allowed=False,
        smbios_uuid="11111111-2222-3333-4444-555555555555",
    ),
    "started-from-the-network-on-one-segment": replace(
        ESXI_8,
        disks=(Disk(Path("/scratch/boot.raw"), serial="S1"), Disk(Path("/scratch/data.raw"), serial="S2")),
        nics=(
            Nic(NetworkCard.E1000E, "52:54:00:00:00:01", segment=SEGMENT),
            Nic(NetworkCard.E1000E, "52:54:00:00:00:02", segment=SEGMENT),
            Nic(NetworkCard.E1000E, "52:54:00:00:00:03", connected=False),
        ),
        linux=LinuxKernel(
            Path("/scratch/vmlinuz"), Path("/scratch/initrd"), "console=ttyS0 BOOTIF=01-52-54-00-00-00-01"
        ),
    ),
}


@pytest.mark.parametrize("name", MACHINES)
def test_arguments_are_those_of_the_golden_file(name: str) -> None:
    check_golden(f"{name}.args", "\n".join(qemu_arguments(MACHINES[name])) + "\n")


@pytest.mark.parametrize("release", ["6.5", "6.7.0", "7.0", "8.0.3", "9.0"])
def test_no_release_gets_hardware_without_a_driver(release: str) -> None:
    arguments = qemu_arguments(deployed_host(release, DISK, SeaBios(), Accelerator.KVM))
    assert "virtio" not in " ".join(arguments)
    hardware = hardware_for(release)
    assert hardware.cpus >= 2
    assert hardware.memory_mib >= (4096 if release.startswith("6") else 8192)
    assert hardware.chipset is (Chipset.PC if release.startswith("6") else Chipset.Q35)


@pytest.mark.parametrize("release", ["5.5", "10.0", "", "eight", "٨.0", "-8.0"])
def test_unknown_releases_are_refused(release: str) -> None:
    with pytest.raises(RecipeError, match="No virtual hardware"):
        hardware_for(release)


def test_an_accelerated_guest_sees_the_hosts_processor_and_an_interpreted_one_all_that_qemu_can() -> None:
    assert _value(qemu_arguments(ESXI_8), "-cpu") == "host"
    assert _value(qemu_arguments(replace(ESXI_8, accelerator=Accelerator.TCG)), "-cpu") == "max"


def test_firmware_with_secure_boot_keeps_its_variables_to_its_own_mode() -> None:
    assert isinstance(ESXI_8.firmware, Ovmf)
    arguments = qemu_arguments(replace(ESXI_8, firmware=replace(ESXI_8.firmware, secure=True)))
    assert _value(arguments, "-machine").endswith(",smm=on")
    assert _value(arguments, "-global") == "driver=cfi.pflash01,property=secure,value=on"
    assert "-global" not in qemu_arguments(ESXI_8)


def test_disks_of_both_chipsets_go_to_places_of_their_own() -> None:
    disks = tuple(Disk(Path(f"/d{number}")) for number in range(4))
    for chipset in Chipset:
        arguments = qemu_arguments(replace(ESXI_8, chipset=chipset, disks=disks))
        places = [entry.split("drive=")[0] for entry in arguments if entry.startswith("ide-hd")]
        assert len(set(places)) == 4


@given(name=st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=30))
@settings(deadline=None)
def test_commas_in_paths_never_become_options(name: str) -> None:
    machine = replace(
        ESXI_8,
        name=name,
        disks=(Disk(Path("/d") / name),),
        serial=SerialToFile(Path("/s") / name),
        firmware=Ovmf(Path("/c") / name, Path("/v") / name),
    )
    plain = qemu_arguments(replace(machine, name="x", disks=(Disk(Path("/d/x")),)))
    arguments = qemu_arguments(machine)
    assert len(arguments) == len(plain)
    drive = next(entry for entry in arguments if "id=disk0," in entry and "file=" in entry)
    # QEMU's rule: a single comma separates, a double one is a comma.
    options = drive.replace(",,", "\0").split(",")
    assert options[-1] == f"file={Path('/d') / name}".replace(",", "\0")


def test_every_combination_of_serial_and_vnc_names_each_device_once() -> None:
    serials = (None, SerialToFile(Path("/s")), SerialToSocket(Path("/k"), Path("/s")), SerialToTerminal())
    for serial, vnc in itertools.product(serials, (None, Vnc(0))):
        arguments = qemu_arguments(replace(ESXI_8, serial=serial, vnc=vnc))
        assert arguments.count("-serial") == (serial is not None)
        assert arguments.count("-vnc") == (vnc is not None)
        assert _value(arguments, "-display") == "none"


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("1", "127.0.0.1:1"),
        (":2", "127.0.0.1:2"),
        ("0.0.0.0:0", "0.0.0.0:0"),
        ("[::1]:5", "[::1]:5"),
        ("::1:5", "[::1]:5"),
    ],
)
def test_vnc_displays_are_read(text: str, argument: str) -> None:
    assert parse_vnc(text).argument == argument


@pytest.mark.parametrize("text", ["", "x", "1:", "host:-1", "1,password=on:1", "99999", "²"])
def test_bad_vnc_displays_are_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="VNC"):
        parse_vnc(text)


@pytest.mark.parametrize(
    ("file", "name"),
    [("vmware-esxi-8.0.dd.gz", "vmware-esxi-8.0"), ("my disk.raw", "my-disk"), ("...", "esxi"), ("a,b.img", "a-b")],
)
def test_machines_are_named_after_their_image(file: str, name: str) -> None:
    assert machine_name(Path(file)) == name


def test_the_same_machine_gives_the_same_arguments() -> None:
    copy: Machine = replace(ESXI_8)
    assert qemu_arguments(copy) == qemu_arguments(ESXI_8)


def _value(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1]

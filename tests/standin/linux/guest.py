"""Making a guest's EFI program, and running it under OVMF without KVM, with all it says kept in a file."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path

from esxforge.vm.firmware import find_ovmf, private_copy
from esxforge.vm.hardware import Accelerator, Chipset, Disk, Machine, NetworkCard, Nic, SerialToFile, UsbDisk
from standin.linux.cpio import Archive
from standin.linux.efi import unified_program
from standin.linux.fetched import GuestLinux

# Said on the first serial port and on the screen; the last one named is /dev/console. On a busy computer the
# processor's own counter is measured wrongly, and time would run several times too fast: hence hpet. The timer's first
# ticks come too late there for Linux, which would panic: it is not to check them.
COMMAND_LINE = (
    "console=tty0 console=ttyS0,115200 quiet loglevel=4 panic=-1 clocksource=hpet no_timer_check mitigations=off"
)


def make_program(linux: GuestLinux, archive: Archive, command_line: str = COMMAND_LINE) -> bytes:
    """The EFI program that starts ``linux`` with the archive as its root; its ``/init`` is the first process."""
    unpacked = io.BytesIO()
    archive.write(unpacked)
    # Level 6: under TCG what takes time is unpacking, which does not depend on the level.
    packed = gzip.compress(unpacked.getvalue(), 6, mtime=0)
    return unified_program(
        linux.stub.read_bytes(), kernel=linux.kernel.read_bytes(), initramfs=packed, command_line=command_line
    )


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a guest of a test runs on. ``memory_mib`` holds the unpacked root too."""

    disks: tuple[Disk, ...] = ()
    usb_disks: tuple[UsbDisk, ...] = ()
    nics: tuple[Nic, ...] = (Nic(NetworkCard.E1000),)
    memory_mib: int = 1024
    cpus: int = 2
    restart_allowed: bool = True


def uefi_machine(name: str, directory: Path, hardware: Hardware) -> Machine:
    """A q35 machine with OVMF, its variables in ``directory``, its serial port in ``directory/serial.log``, without
    KVM.

    The variables of an earlier machine in the same directory are kept: the boot order is theirs.
    """
    template = find_ovmf(Chipset.Q35)
    own = directory / f"firmware-variables.{template.variables_format}"
    code = template if own.exists() else private_copy(template, directory)
    return Machine(
        name,
        Chipset.Q35,
        Accelerator.TCG,
        cpus=hardware.cpus,
        memory_mib=hardware.memory_mib,
        firmware=type(template)(code.code, own, template.code_format, template.variables_format),
        disks=hardware.disks,
        usb_disks=hardware.usb_disks,
        nics=hardware.nics,
        serial=SerialToFile(directory / "serial.log"),
        restart_allowed=hardware.restart_allowed,
    )

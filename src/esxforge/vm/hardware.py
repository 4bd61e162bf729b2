"""The virtual machine as data, and the one pure function that turns it into QEMU's arguments.

Hardware that each ESXi release accepts (VMware's requirements pages; packer templates of public projects): no virtio;
SATA disks and vmxnet3 or e1000e NICs from 7.0, IDE disks and e1000 on 6.x; two CPUs at least; 4 GB of memory, 8 GB from
7.0; a copy of the host's CPU.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from esxforge.errors import FormatError, RecipeError
from esxforge.formats.release_name import version_of
from esxforge_target.runtime.documents import shown
from esxforge_target.runtime.numbers import is_whole

LONGEST_VNC_PASSWORD = 8
"""Characters: what follows is ignored by the protocol (RFC 6143, 7.2.2)."""
QEMU = "qemu-system-x86_64"


class Accelerator(str, Enum):
    """Executor of the guest's instructions: the processor, or QEMU's slow interpreter."""

    KVM = "kvm"
    TCG = "tcg"


class Chipset(str, Enum):
    """The machine type. Its disk controller is built in: AHCI (SATA) on q35, IDE on pc."""

    Q35 = "q35"
    PC = "pc"


class NetworkCard(str, Enum):
    """The NICs for which QEMU has a model and ESXi has a driver."""

    E1000 = "e1000"
    E1000E = "e1000e"
    VMXNET3 = "vmxnet3"


@dataclass(frozen=True, slots=True)
class Ovmf:
    """UEFI firmware in two flash chips: the code, read-only, and this machine's own copy of the variables.

    ``secure``: the code enforces Secure Boot, and nothing but its own system management mode may write the variables.
    """

    code: Path
    variables: Path
    code_format: str = "raw"
    variables_format: str = "raw"
    secure: bool = False


@dataclass(frozen=True, slots=True)
class SeaBios:
    """Legacy BIOS firmware, which QEMU brings along."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A hard disk on the chipset's own controller. ``boot_index``: place in the boot order, from 0; ``serial``: as the
    drive reports it (at most 20 characters), empty: ESXFORGE and its number."""

    path: Path
    format: str = "raw"
    boot_index: int | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class UsbDisk:
    """A USB storage device behind an xHCI controller; writes to it are dropped when the machine ends."""

    path: Path
    format: str = "raw"
    boot_index: int | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """A TCP port of 127.0.0.1 on this computer that leads to a port of the guest."""

    port: int
    guest_address: str
    guest_port: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One Ethernet segment for several of a machine's NICs, with QEMU's user network on it: DHCP, a name server, and
    this computer's 127.0.0.1 under the address ``host``.

    ``network`` is in CIDR; so is ``ipv6_network``, which goes with ``ipv6_host`` (empty: QEMU's own).
    ``neighbour_port`` is a TCP port on 127.0.0.1 where a program takes part, for what the user network lacks (VLANs,
    other hosts): each frame follows its length, 4 bytes, most significant first.
    """

    network: str
    host: str
    first_dhcp_address: str
    ipv6_network: str = ""
    ipv6_host: str = ""
    neighbour_port: int | None = None


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card, on ``segment``, or else on a user network of its own, which answers DHCP and where, with
    ``connected``, packets get out through the host.

    ``subnet`` is that own network's, like 10.0.3.0/24, where the guest finds this computer as .2 and a name server as
    .3; empty for QEMU's own, 10.0.2.0/24.
    """

    card: NetworkCard
    mac: str = "52:54:00:65:73:78"
    connected: bool = True
    subnet: str = ""
    forwards: tuple[Forward, ...] = ()
    segment: Segment | None = None


@dataclass(frozen=True, slots=True)
class LinuxKernel:
    """A Linux kernel that the firmware starts instead of looking for a boot disk, as from a network."""

    kernel: Path
    initrd: Path
    command_line: str


@dataclass(frozen=True, slots=True)
class SerialToFile:
    """The first serial port is written to a file."""

    path: Path


@dataclass(frozen=True, slots=True)
class SerialToSocket:
    """The first serial port is a Unix socket that anybody may connect to; all of it is kept in a file too."""

    socket: Path
    log: Path


@dataclass(frozen=True, slots=True)
class SerialToTerminal:
    """The first serial port is the terminal; Ctrl-A x ends the machine, Ctrl-C goes to the guest."""


Serial = SerialToFile | SerialToSocket | SerialToTerminal


@dataclass(frozen=True, slots=True)
class Vnc:
    """A VNC display on ``address``, TCP port 5900 + ``display``. ``password`` is set once the machine is there: QEMU's
    command line, which everybody on this computer can read, says only that there is one."""

    display: int
    address: str = "127.0.0.1"
    password: str = field(default="", repr=False)

    @property
    def argument(self) -> str:
        """Value of QEMU's option."""
        return f"{self._host}:{self.display}{',password=on' if self.password else ''}"

    @property
    def where(self) -> str:
        """Address and TCP port, for people."""
        return f"{self._host}:{5900 + self.display}"

    @property
    def is_local(self) -> bool:
        """Whether only programs on this computer reach it."""
        try:
            return self.address == "localhost" or ipaddress.ip_address(self.address).is_loopback
        except ValueError:  # a name, which may lead anywhere
            return False

    @property
    def _host(self) -> str:
        return f"[{self.address}]" if ":" in self.address else self.address


@dataclass(frozen=True, slots=True)
class Machine:
    """A complete virtual machine. ``qmp_fd``: an open socket that QEMU inherits and speaks QMP on."""

    name: str
    chipset: Chipset
    accelerator: Accelerator
    cpus: int
    memory_mib: int
    firmware: Ovmf | SeaBios
    disks: tuple[Disk, ...] = ()
    usb_disks: tuple[UsbDisk, ...] = ()
    nics: tuple[Nic, ...] = ()
    serial: Serial | None = None
    vnc: Vnc | None = None
    qmp_fd: int | None = None
    restart_allowed: bool = True
    smbios_uuid: str | None = None
    linux: LinuxKernel | None = None


@dataclass(frozen=True, slots=True)
class ReleaseHardware:
    """Hardware with which a release installs and runs."""

    chipset: Chipset
    card: NetworkCard
    memory_mib: int
    smallest_disk_gib: int
    cpus: int = 2


_ESXI_6 = ReleaseHardware(Chipset.PC, NetworkCard.E1000, memory_mib=4096, smallest_disk_gib=10)
# systemMediaSize=min makes 33 GB of system partitions; VMware asks for 32 GB at least.
_ESXI_7 = ReleaseHardware(Chipset.Q35, NetworkCard.VMXNET3, memory_mib=8192, smallest_disk_gib=32)
_KNOWN_MAJOR_RELEASES = {6: _ESXI_6, 7: _ESXI_7, 8: _ESXI_7, 9: _ESXI_7}


def hardware_for(release: str) -> ReleaseHardware:
    """Return the hardware for an ESXi release such as ``8.0`` or ``8.0U3e``. Raises :class:`RecipeError` otherwise."""
    try:
        return _KNOWN_MAJOR_RELEASES[int(version_of(release).split(".")[0])]
    except (FormatError, KeyError):
        raise RecipeError(
            [f"No virtual hardware is known for ESXi release {shown(release)}."], "Give 6.5, 6.7, 7.0, 8.0 or 9.0."
        ) from None


def parse_vnc(text: str) -> Vnc:
    """Read ``N``, ``:N`` or ``ADDRESS:N`` (IPv6 in brackets). Raises :class:`RecipeError`."""
    address, _, display = text.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    if not (is_whole(display) and int(display) <= 65535 - 5900) or "," in address:
        raise RecipeError([f"“{text}” is not a VNC display."], "Give a number N (TCP port 5900 + N), or ADDRESS:N.")
    return Vnc(int(display), address or "127.0.0.1")


def qemu_arguments(machine: Machine) -> list[str]:
    """Return QEMU's arguments for ``machine``, program name first. The same machine gives the same list."""
    return [
        QEMU,
        *("-name", _escaped(machine.name)),
        "-no-user-config",
        "-nodefaults",
        # vmport: else ESXi believes that it runs on VMware's own hypervisor and asks it things KVM does not answer.
        *("-machine", f"{machine.chipset.value},accel={machine.accelerator.value},vmport=off{_smm(machine)}"),
        *("-cpu", "host" if machine.accelerator is Accelerator.KVM else "max"),
        *("-smp", f"cpus={machine.cpus},sockets=1,cores={machine.cpus},threads=1"),
        *("-m", f"size={machine.memory_mib}M"),
        *(("-uuid", machine.smbios_uuid) if machine.smbios_uuid else ()),
        *_firmware(machine.firmware),
        *(_linux(machine.linux) if machine.linux else ()),
        *(("-boot", "strict=on") if any(_boot_indexes(machine)) else ()),
        *(argument for number, disk in enumerate(machine.disks) for argument in _disk(machine, number, disk)),
        *(("-device", "qemu-xhci,id=usb") if machine.usb_disks else ()),
        *(argument for number, disk in enumerate(machine.usb_disks) for argument in _usb_disk(number, disk)),
        *(argument for number, one in enumerate(_segments(machine)) for argument in _segment(number, one)),
        *(argument for number, nic in enumerate(machine.nics) for argument in _nic(machine, number, nic)),
        *(_serial(machine.serial) if machine.serial is not None else ()),
        *("-device", "VGA,id=video"),
        *("-display", "none"),
        *(("-vnc", machine.vnc.argument) if machine.vnc else ()),
        *(_control(machine.qmp_fd) if machine.qmp_fd is not None else ()),
        *(() if machine.restart_allowed else ("-no-reboot",)),
    ]


def _escaped(value: object) -> str:
    # A comma ends a value in QEMU's option syntax; two stand for one.
    return str(value).replace(",", ",,")


def _boot_indexes(machine: Machine) -> list[bool]:
    disks: tuple[Disk | UsbDisk, ...] = (*machine.disks, *machine.usb_disks)
    return [disk.boot_index is not None for disk in disks]


def _smm(machine: Machine) -> str:
    return ",smm=on" if isinstance(machine.firmware, Ovmf) and machine.firmware.secure else ""


def _firmware(firmware: Ovmf | SeaBios) -> list[str]:
    if isinstance(firmware, SeaBios):
        return []
    return [
        *(("-global", "driver=cfi.pflash01,property=secure,value=on") if firmware.secure else ()),
        "-drive",
        f"if=pflash,unit=0,format={firmware.code_format},readonly=on,file={_escaped(firmware.code)}",
        "-drive",
        f"if=pflash,unit=1,format={firmware.variables_format},file={_escaped(firmware.variables)}",
    ]


def _boot_order(boot_index: int | None) -> str:
    return "" if boot_index is None else f",bootindex={boot_index}"


def _disk(machine: Machine, number: int, disk: Disk) -> list[str]:
    # q35's AHCI has a port a disk; pc's IDE has two channels of two.
    place = f"bus=ide.{number}" if machine.chipset is Chipset.Q35 else f"bus=ide.{number // 2},unit={number % 2}"
    serial = _escaped(disk.serial or f"ESXFORGE{number}")
    # The file is deleted or copied after the run, so syncing it is not worth its time; zeros stay holes.
    behaviour = "cache=unsafe,discard=unmap,detect-zeroes=unmap"
    return [
        "-drive",
        f"if=none,id=disk{number},format={disk.format},{behaviour},file={_escaped(disk.path)}",
        "-device",
        f"ide-hd,{place},drive=disk{number},serial={serial}{_boot_order(disk.boot_index)}",
    ]


def _usb_disk(number: int, disk: UsbDisk) -> list[str]:
    return [
        "-drive",
        f"if=none,id=usbdisk{number},format={disk.format},snapshot=on,file={_escaped(disk.path)}",
        "-device",
        f"usb-storage,bus=usb.0,drive=usbdisk{number},removable=on{_boot_order(disk.boot_index)}",
    ]


def _linux(linux: LinuxKernel) -> list[str]:
    return ["-kernel", str(linux.kernel), "-initrd", str(linux.initrd), "-append", linux.command_line]


def _segments(machine: Machine) -> list[Segment]:
    """Return each segment once, in the order of the NICs."""
    return list(dict.fromkeys(nic.segment for nic in machine.nics if nic.segment is not None))


def _segment(hub: int, segment: Segment) -> list[str]:
    user = f"user,id=user{hub},net={segment.network},host={segment.host},dhcpstart={segment.first_dhcp_address}"
    if segment.ipv6_network:
        user += f",ipv6-net={segment.ipv6_network},ipv6-host={segment.ipv6_host}"
    members = {f"user{hub}": user}
    if segment.neighbour_port is not None:
        members[f"neighbour{hub}"] = f"socket,id=neighbour{hub},connect=127.0.0.1:{segment.neighbour_port}"
    return [
        argument
        for name, member in members.items()
        for argument in ("-netdev", member, "-netdev", f"hubport,id=hub{name},hubid={hub},netdev={name}")
    ]


def _nic(machine: Machine, number: int, nic: Nic) -> list[str]:
    if nic.segment is None:
        backend = f"user,id=net{number}" + ("" if nic.connected else ",restrict=on")
        backend += f",net={nic.subnet}" if nic.subnet else ""
        backend += "".join(
            f",hostfwd=tcp:127.0.0.1:{one.port}-{one.guest_address}:{one.guest_port}" for one in nic.forwards
        )
    else:
        backend = f"hubport,id=net{number},hubid={_segments(machine).index(nic.segment)}"
    # No option ROM: nothing here boots from the network, and waiting for it costs minutes.
    return ["-netdev", backend, "-device", f"{nic.card.value},netdev=net{number},mac={nic.mac},romfile="]


def _serial(serial: Serial) -> list[str]:
    match serial:
        case SerialToFile(path):
            backend = f"file,id=serial0,path={_escaped(path)}"
        case SerialToSocket(socket, log):
            backend = f"socket,id=serial0,path={_escaped(socket)},server=on,wait=off,logfile={_escaped(log)}"
        case SerialToTerminal():
            backend = "stdio,id=serial0,mux=on,signal=off"
    return ["-chardev", backend, "-serial", "chardev:serial0"]


def _control(descriptor: int) -> list[str]:
    # -S: the guest starts on a command of the control channel; else one that ends at once would be gone unheard.
    return ["-chardev", f"socket,id=qmp,fd={descriptor}", "-mon", "chardev=qmp,mode=control", "-S"]

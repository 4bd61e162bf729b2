"""Requirements of each kind of build: the list as data, each check a small function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from esxforge.checks.computer import Computer
from esxforge.checks.report import CheckStatus, Line, line
from esxforge.vm.hardware import QEMU, hardware_for

_GIB = 1 << 30
_MIB = 1 << 20
_OLDEST_QEMU = (6, 2)  # Ubuntu 22.04's
_QEMU_PACKAGES = "Install it: “qemu-system-x86 qemu-utils” on Debian and Ubuntu, “qemu-kvm qemu-img” on Fedora."
# The installed system takes some 2 GB of the sparse disk, the installer image and the result one each; VMware's and
# MAAS's pages ask for 10 GB.
_GOLDEN_DISK = 10 * _GIB
_INSTALLER_DISK = 1 * _GIB


class Kind(str, Enum):
    """The two kinds of image."""

    INSTALLER = "installer"
    GOLDEN = "golden"


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """The planned build. ``without_kvm``: the slow way is accepted. ``memory_mib``: other than the release's."""

    kind: Kind = Kind.INSTALLER
    release: str = "8.0"
    output: Path = Path()
    without_kvm: bool = False
    memory_mib: int | None = None


Check = Callable[[Computer, DoctorOptions], Line]


def check_computer(computer: Computer, options: DoctorOptions) -> list[Line]:
    """Return all lines for this build, in order. Raises :class:`~esxforge.errors.RecipeError` for a bad release."""
    return [check(computer, options) for check in CHECKS[options.kind]]


def _python(computer: Computer, _wish: DoctorOptions) -> Line:
    major, minor = computer.python_version()
    return line(
        "Python", f"{major}.{minor}", "3.10 or newer", "Install a newer Python.", good=(major, minor) >= (3, 10)
    )


def _system(computer: Computer, _wish: DoctorOptions) -> Line:
    found = computer.system()
    return line("System", found, "Linux", "Build golden images on GNU/Linux.", good=found == "Linux")


def _architecture(computer: Computer, _wish: DoctorOptions) -> Line:
    found = computer.architecture()
    good = found in ("x86_64", "AMD64")
    return line("Architecture", found, "x86_64", "Build golden images on a computer with an x86_64 CPU.", good=good)


def _processors(computer: Computer, _wish: DoctorOptions) -> Line:
    found = computer.processors()
    return line("Processor cores", str(found), "2", "ESXi needs two cores: use another computer.", good=found >= 2)


def _memory(computer: Computer, options: DoctorOptions) -> Line:
    guest = (options.memory_mib or hardware_for(options.release).memory_mib) * _MIB
    needed = f"{_size(guest)} for ESXi {options.release}"
    found = computer.memory()
    if found is None:
        return Line("Memory", "unknown", needed, CheckStatus.ADVICE, "Make sure that there is as much.")
    total, available = found
    text = f"{_size(total)}, {_size(available)} of it free"
    if total < guest:
        return Line("Memory", text, needed, CheckStatus.MISSING, "Use a computer with more memory.")
    free = available >= guest
    return line("Memory", text, needed, "Close other programs first.", good=free, otherwise=CheckStatus.ADVICE)


def _disk(name: str, computer: Computer, directory: Path, needed: int, where: str) -> Line:
    found = computer.free_disk(directory)
    if found is None:
        return Line(name, f"{directory} is not there", _size(needed), CheckStatus.MISSING, f"Create it, or {where}.")
    text = f"{_size(found)} in {directory.absolute()}"
    return line(name, text, _size(needed), f"Free some, or {where}.", good=found >= needed)


def _output_disk(computer: Computer, options: DoctorOptions) -> Line:
    needed = _INSTALLER_DISK if options.kind is Kind.INSTALLER else _GOLDEN_DISK
    return _disk("Free disk for the output", computer, options.output, needed, "choose another place with --output")


def _temporary_disk(computer: Computer, _wish: DoctorOptions) -> Line:
    directory = computer.temporary_directory()
    return _disk("Free disk for the work", computer, directory, _GOLDEN_DISK, "choose another place with TMPDIR")


def _qemu(computer: Computer, _wish: DoctorOptions) -> Line:
    return _program(computer, QEMU)


def _qemu_img(computer: Computer, _wish: DoctorOptions) -> Line:
    return _program(computer, "qemu-img")


def _program(computer: Computer, name: str) -> Line:
    needed = ".".join(str(number) for number in _OLDEST_QEMU) + " or newer"
    found = computer.program_version(name)
    if found is None:
        return Line(name, "not installed", needed, CheckStatus.MISSING, _QEMU_PACKAGES)
    numbers = tuple(int(number) for number in found.split(".")[:2]) if found else ()
    if not numbers:
        return Line(name, "version unknown", needed, CheckStatus.ADVICE, f"See what “{name} --version” says.")
    return line(name, found, needed, "Install a newer QEMU.", good=numbers >= _OLDEST_QEMU)


def _firmware(computer: Computer, _wish: DoctorOptions) -> Line:
    found = computer.firmware()
    hint = "Install it: “ovmf” on Debian and Ubuntu, “edk2-ovmf” on Fedora and Arch."
    return line("UEFI firmware (OVMF)", found or "not found", "without Secure Boot", hint, good=found is not None)


def _hosts(_computer: Computer, options: DoctorOptions) -> Line:
    """Return what an administrator has to set on the hosts: known beforehand, so never a fault of this computer."""
    bios = "; legacy BIOS where “esxforge inspect” says so of the image" if options.kind is Kind.GOLDEN else ""
    hint = "Set the hosts' firmware so."
    return line("Hosts start the image by", f"UEFI{bios}", "without Secure Boot", hint, good=True)


def _kvm(computer: Computer, options: DoctorOptions) -> Line:
    name, needed = "Hardware virtualisation", "a guest runs with KVM"
    found = computer.kvm()
    text = "a guest ran" if found.works else found.sentence
    hint = f"{found.hint} Or take the slow way: --accel tcg."
    otherwise = CheckStatus.ADVICE if options.without_kvm else CheckStatus.MISSING
    return line(name, text, needed, hint, good=found.works, otherwise=otherwise)


def _unknown_msrs(computer: Computer, _wish: DoctorOptions) -> Line:
    found = computer.ignores_unknown_msrs()
    text = {True: "yes", False: "no", None: "unknown: the module kvm is not loaded"}[found]
    hint = (
        "Should ESXi stop with “Exception 13”: as root, echo 1 > /sys/module/kvm/parameters/ignore_msrs (until the "
        "next start; for good: “options kvm ignore_msrs=1” in /etc/modprobe.d/kvm.conf)."
    )
    return line("KVM ignores unknown MSRs", text, "yes", hint, good=found is True, otherwise=CheckStatus.ADVICE)


CHECKS: dict[Kind, tuple[Check, ...]] = {
    Kind.INSTALLER: (_python, _output_disk, _hosts),
    Kind.GOLDEN: (
        _python,
        _system,
        _architecture,
        _processors,
        _kvm,
        _unknown_msrs,
        _memory,
        _output_disk,
        _temporary_disk,
        _qemu,
        _qemu_img,
        _firmware,
        _hosts,
    ),
}


def _size(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"

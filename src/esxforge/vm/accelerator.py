"""Test whether KVM works, by running a guest for a moment: ``/dev/kvm`` may be there, open, and still not work.

The guest is a firmware image of our own. Like every real firmware it goes from real mode to long mode with
paging, uses the FPU and SSE there, and tells QEMU its result through the ISA debug-exit device: restricted
hypervisors that run 16-bit code well have been seen to fail exactly there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from esxforge.errors import ProcessError
from esxforge.local import processes
from esxforge.local.interrupts import put_off
from esxforge.local.workspace import work_directory
from esxforge.vm.hardware import QEMU, Accelerator

_ROM_SIZE = 0x10000
_DEBUG_EXIT_PORT = 0xF4
# The guest reports round(π²) + 0x21; QEMU's debug-exit device makes the exit status (value << 1) | 1 of it.
_STATUS_OF_SUCCESS = ((10 + 0x21) << 1) | 1

_CODE = bytes.fromhex(
    "fa"  # cli
    "31c0 8ed8"  # xor ax, ax; mov ds, ax
    "66c70600100320 0000"  # mov dword [0x1000], 0x2003   PML4 entry 0: next table, present, writable
    "66c70600200330 0000"  # mov dword [0x2000], 0x3003   PDPT entry 0
    "66c70600308300 0000"  # mov dword [0x3000], 0x0083   PD entry 0: 2 MiB page, identity
    "66b800100000 0f22d8"  # mov eax, 0x1000; mov cr3, eax
    "0f20e0 660d20060000 0f22e0"  # cr4 |= PAE | OSFXSR | OSXMMEXCPT
    "66b9800000c0 0f32 660d00010000 0f30"  # EFER |= LME
    "2e660f0116a000"  # lgdt cs:[0xa0]
    "0f20c0 6683e0fb 660d03000080 0f22c0"  # cr0 = cr0 & ~EM | PG | MP | PE
    "66ea64000f000800"  # jmp 8:0xf0064   from here on 64-bit
    "9bdbe3 d9eb dd1c2500400000"  # finit; fldpi; fstp qword [0x4000]
    "31c0 0fa2"  # xor eax, eax; cpuid
    "f20f10042500400000 f20f59c0 f20f2dc0"  # movsd xmm0, [0x4000]; mulsd xmm0, xmm0; cvtsd2si eax, xmm0
    "83c021 e6f4"  # add eax, 0x21; out 0xf4, al
    "f4 ebfd"  # hlt; jmp back to it
)
_DESCRIPTOR_TABLE = bytes.fromhex("0000000000000000 00000000009b2000 0f0090000f00")  # null, 64-bit code; limit and base
_RESET_VECTOR = bytes.fromhex("ea000000f0")  # jmp 0xf000:0


class KvmState(str, Enum):
    """Result of the test."""

    WORKS = "works"
    MISSING = "missing"
    NO_PERMISSION = "no permission"
    BROKEN = "present, but broken"
    NO_QEMU = "not tried: QEMU is missing"


_FIXES = {
    KvmState.WORKS: "",
    KvmState.MISSING: "Enable VT-x or AMD-V in the firmware (in a virtual machine: nested virtualisation on its host), "
    "and load the module kvm_intel or kvm_amd.",
    KvmState.NO_PERMISSION: "Join the group that owns /dev/kvm (sudo usermod -aG kvm $USER) and log in again.",
    KvmState.BROKEN: "Look at “dmesg”; in a virtual machine its host must offer nested virtualisation.",
    KvmState.NO_QEMU: "Install QEMU: “qemu-system-x86” on Debian and Ubuntu, “qemu-kvm” on Fedora.",
}


@dataclass(frozen=True, slots=True)
class KvmProbe:
    """The state of KVM, and the message of QEMU or the kernel if it does not work."""

    state: KvmState
    detail: str = ""

    @property
    def works(self) -> bool:
        """Whether a guest ran."""
        return self.state is KvmState.WORKS

    @property
    def sentence(self) -> str:
        """Description for a person, without a full stop."""
        return f"KVM: {self.state.value}" + (f" ({self.detail})" if self.detail else "")

    @property
    def hint(self) -> str:
        """Remedy; empty if it works."""
        return _FIXES[self.state]


def probe_rom() -> bytes:
    """Return the guest, 64 KiB, ending at the top of the first 4 GiB like any PC firmware."""
    rom = bytearray(b"\xf4" * _ROM_SIZE)
    rom[: len(_CODE)] = _CODE
    rom[0x90 : 0x90 + len(_DESCRIPTOR_TABLE)] = _DESCRIPTOR_TABLE
    rom[0xFFF0 : 0xFFF0 + len(_RESET_VECTOR)] = _RESET_VECTOR
    return bytes(rom)


def probe_arguments(accelerator: Accelerator, rom: Path) -> list[str]:
    """Return QEMU's arguments to run the guest."""
    return [
        QEMU,
        *("-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-machine", f"q35,accel={accelerator.value}"),
        *("-cpu", "host" if accelerator is Accelerator.KVM else "max"),
        *("-smp", "2", "-m", "64", "-bios", str(rom).replace(",", ",,")),
        *("-device", f"isa-debug-exit,iobase={_DEBUG_EXIT_PORT:#x},iosize=1"),
    ]


def run_guest(accelerator: Accelerator, *, limit: float = 15) -> str:
    """Run the guest; return empty text if it reported the right result, else the problem.

    ``limit`` is in seconds. Raises :class:`ProcessError` if QEMU is missing.
    """
    with work_directory() as directory:
        rom, log = directory / "guest.rom", directory / "qemu.log"
        rom.write_bytes(probe_rom())
        process = None
        try:
            with log.open("wb") as stream, put_off():
                process = processes.spawn(probe_arguments(accelerator, rom), stderr=stream)
            return _outcome(process, log, time.monotonic() + limit)
        finally:
            if process is not None:
                with put_off():
                    processes.end(process, patience=2)


def _outcome(process: processes.Process, log: Path, deadline: float) -> str:
    while process.poll() is None:
        # QEMU does not exit when KVM gives up; it stops the guest and says so.
        if b"KVM internal error" in log.read_bytes():
            return "KVM gave up on the guest on its way into 64-bit mode"
        if time.monotonic() > deadline:
            return "the guest did not finish in time"
        time.sleep(0.01)
    if process.returncode == _STATUS_OF_SUCCESS:
        return ""
    said = log.read_text("utf-8", "replace").strip().splitlines()
    return said[-1] if said else f"QEMU ended with exit status {process.returncode} before the guest reported"


def probe_kvm(device: Path = Path("/dev/kvm"), guest: Callable[[Accelerator], str] = run_guest) -> KvmProbe:
    """Test whether KVM works. Takes a tenth of a second if it does."""
    if not device.exists():
        return KvmProbe(KvmState.MISSING, f"there is no {device}")
    if not os.access(device, os.R_OK | os.W_OK):
        return KvmProbe(KvmState.NO_PERMISSION, f"{device} may not be opened")
    try:
        problem = guest(Accelerator.KVM)
    except ProcessError as error:
        return KvmProbe(KvmState.NO_QEMU, error.message)
    return KvmProbe(KvmState.BROKEN, problem) if problem else KvmProbe(KvmState.WORKS)


def choose(desired: Accelerator | None, probe: Callable[[], KvmProbe] = probe_kvm) -> Accelerator:
    """Return the accelerator to use; None requires KVM, and is an error if that does not work.

    Raises :class:`ProcessError`, whose hint names the slow way.
    """
    if desired is Accelerator.TCG:
        return desired
    found = probe()
    if found.works:
        return Accelerator.KVM
    raise ProcessError(
        f"{found.sentence}.", f"{found.hint} Or take the slow way, without KVM: --accel tcg (some ten times slower)."
    )

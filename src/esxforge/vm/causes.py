"""The known causes of failure: the texts that betray them, and what to tell the person.

The texts are those of ESXi's installer and boot loader, QEMU, SeaBIOS and OVMF, as public recordings show them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Cause(str, Enum):
    """The known causes; the value is a stable word for programs."""

    NO_KVM = "no-kvm"
    KVM_BROKEN = "kvm-broken"
    CPU_NOT_SUPPORTED = "cpu-not-supported"
    TOO_LITTLE_MEMORY = "too-little-memory"
    HOST_OUT_OF_MEMORY = "host-out-of-memory"
    PORT_IN_USE = "port-in-use"
    DISK_TOO_SMALL = "disk-too-small"
    HOST_DISK_FULL = "host-disk-full"
    NO_DISK = "no-disk"
    NO_NIC = "no-nic"
    SCRIPT_FAILED = "script-failed"
    KICKSTART_REFUSED = "kickstart-refused"
    STUCK_AT_PROMPT = "stuck-at-prompt"
    NOT_BOOTABLE = "not-bootable"
    MEDIA_DAMAGED = "media-damaged"
    CRASHED = "crashed"
    RESTART_LOOP = "restart-loop"
    QEMU_KILLED = "qemu-killed"
    QEMU_REFUSED = "qemu-refused"
    TOO_SLOW = "too-slow"
    SILENT = "silent"
    SWITCHED_ITSELF_OFF = "switched-itself-off"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A cause, the sentence that says it, and what to do."""

    cause: Cause
    sentence: str
    hint: str


def _any_of(*patterns: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.MULTILINE | flags)


SAID_BY_QEMU = (
    (
        Cause.NO_KVM,
        _any_of(
            "Could not access KVM", "failed to initialize kvm", "Could not initialize KVM", "invalid accelerator kvm"
        ),
    ),
    (Cause.KVM_BROKEN, _any_of("KVM internal error", "error: failed to set MSR", "kvm run failed")),
    (Cause.HOST_OUT_OF_MEMORY, _any_of("annot allocate memory", "cannot set up guest memory")),
    (Cause.PORT_IN_USE, _any_of("Address already in use", "Failed to find an available port")),
    (Cause.HOST_DISK_FULL, _any_of("No space left on device")),
)
SAID_ON_CONSOLE = (
    (
        Cause.CPU_NOT_SUPPORTED,
        _any_of(
            r"CPU_SUPPORT(?: ERROR|:|>)",
            r"CPU (?:in|on) this host is not supported",
            r"CPU_CORES ERROR",
            r"64BIT_LONGMODESTATUS",
            r"Fatal CPU mismatch",
            r"CPU is not supported",
        ),
    ),
    (
        Cause.TOO_LITTLE_MEMORY,
        _any_of(
            r"MEMORY_SIZE(?: ERROR|:|>)",
            r"(?:insufficient|not enough|too little) (?:physical )?memory",
            r"Fatal error: \d+ \(Out of resources\)",
            flags=re.IGNORECASE,
        ),
    ),
    (
        Cause.DISK_TOO_SMALL,
        _any_of(
            r"disk.{0,60} (?:is )?too small",
            r"smaller than the minimum",
            r"(?:insufficient|not enough) (?:disk )?space",
            flags=re.IGNORECASE,
        ),
    ),
    (
        Cause.NO_DISK,
        _any_of(
            r"no (?:eligible |suitable |supported )?(?:disk|storage device)s? (?:was |were )?(?:found|available)",
            r"not find (?:a|the|any) (?:suitable |target )?disk",
            flags=re.IGNORECASE,
        ),
    ),
    (Cause.NO_NIC, _any_of(r"no (?:compatible )?network adapters (?:were )?(?:found|detected)", flags=re.IGNORECASE)),
    (
        Cause.SCRIPT_FAILED,
        _any_of(r"User-supplied %\w+ script failed", r"Your %(?:pre|post) \(line \d+ of your kickstart\)"),
    ),
    (
        Cause.KICKSTART_REFUSED,
        _any_of(
            r"parsing the installation\s+script",
            r"error:\S*ks\.cfg",
            r"could not open the (?:ks|kickstart)",
            flags=re.IGNORECASE,
        ),
    ),
    (
        Cause.MEDIA_DAMAGED,
        _any_of(r"Fatal error: \d+ \((?:Not found|Inconsistent data|CRC error|Load error|Volume corrupted)\)"),
    ),
    (
        Cause.CRASHED,
        _any_of(
            r"The system has found a problem on your machine",
            r"Module\(s\) involved in panic",
            r"#(?:PF|GP|UD|DE|MC) Exception",
            r"^VMware ESXi.*\[Releasebuild.*\]\n.*(?:PANIC|Exception|NOT_REACHED|ASSERT)",
        ),
    ),
    (
        Cause.NOT_BOOTABLE,
        _any_of(
            r"No bootable (?:device|option)",
            r"BdsDxe: No bootable",
            r"BdsDxe: failed to (?:load|start) Boot",
            r"UEFI Interactive Shell",
            r"Boot failed: ",
        ),
    ),
)
# Said by the firmware or the boot loader, which may find another way: no cause where something started after it.
BEFORE_THE_KERNEL = frozenset({Cause.NOT_BOOTABLE, Cause.MEDIA_DAMAGED})
# A running kernel's log is full of heaps and ramdisks short of something; what ends an install is said plainly.
PASSING_IN_KERNEL_LOG = frozenset({Cause.TOO_LITTLE_MEMORY, Cause.DISK_TOO_SMALL})
KERNEL_LOG_LINE = re.compile(r"^.*\bcpu\d+:\d+\).*$", re.MULTILINE)
PROMPT = _any_of(
    r"\((?:Enter|F11)\) (?:Continue|Accept|Install|Reboot|OK)",
    r"Press (?:any key|<?Enter>?|ENTER)",
    r"Select a Disk to Install",
    r"Confirm Install",
    r"Enter a root password",
    r"(?:login|[Pp]assword): ?$",
    r"Shell> ?$",
    r"\[[Yy]/[Nn]\]",
    r"Error\(s\)/Warning\(s\) Found",
)

# A box of the installer's that ends an unattended run: it waits for a key, and nobody is there. Warnings go by
# themselves ("Wait or press <Enter>"), and so does the last box where the kickstart says reboot.
ERROR_BOX = _any_of(
    r"An error has occurred",
    r"An exceptional circumstance has occurred",
    r"The system was not installed correctly",
    r"User-supplied %\w+ script failed",
    r"[Nn]o [Nn]etwork [Aa]dapters",
)
WAITS_FOR_A_KEY = _any_of(r"(?<!Wait or )[Pp]ress (?:any key|<Enter>)", r"\(Enter\) (?:Reboot|Continue|OK)")

_GOLDEN_CHECK = "“esxforge doctor --kind golden”"
DIAGNOSES = {
    diagnosis.cause: diagnosis
    for diagnosis in (
        Diagnosis(
            Cause.NO_KVM,
            "KVM, the processor's virtualisation, cannot be used.",
            f"{_GOLDEN_CHECK} says why; --accel tcg is the slow way without it.",
        ),
        Diagnosis(
            Cause.KVM_BROKEN,
            "KVM is there but gave up while the guest ran.",
            "In a virtual machine its host must offer nested virtualisation; --accel tcg is the slow way without KVM.",
        ),
        Diagnosis(
            Cause.CPU_NOT_SUPPORTED,
            "ESXi does not support this processor.",
            "Use a newer processor, or add the kernel option allowLegacyCPU=true; with --accel tcg ESXi sees "
            "QEMU's own model instead of yours.",
        ),
        Diagnosis(
            Cause.TOO_LITTLE_MEMORY,
            "The machine has too little memory for ESXi.",
            "Give more with --memory: 4096 MiB for 6.x, 8192 MiB from 7.0.",
        ),
        Diagnosis(
            Cause.HOST_OUT_OF_MEMORY,
            "This computer has not enough free memory for the machine.",
            "Free some, or give the machine less with --memory (at least 4096 MiB for 6.x, 8192 MiB from 7.0).",
        ),
        Diagnosis(
            Cause.PORT_IN_USE,
            "Another program has the TCP port that the machine's display needs.",
            "Give another number for --vnc; ss -ltnp shows which program has the port.",
        ),
        Diagnosis(
            Cause.DISK_TOO_SMALL,
            "The disk is too small for ESXi.",
            "Give a larger one: 10 GiB for 6.x, 32 GiB from 7.0. The file is sparse.",
        ),
        Diagnosis(
            Cause.HOST_DISK_FULL,
            "There is no space left on this computer where the machine's disk is.",
            "Free some, or choose another place for temporary files with TMPDIR.",
        ),
        Diagnosis(
            Cause.NO_DISK,
            "The installer sees no disk that it may use.",
            "ESXi has no virtio drivers: the disk must be SATA (7.0 and later) or IDE (6.x), as "
            "“esxforge run --release 6.7 IMAGE” sets it.",
        ),
        Diagnosis(
            Cause.NO_NIC,
            "The installer has no driver for the machine's network card, and installs nothing without one.",
            "Use an ISO with that driver, such as the server maker's; 6.x has one for e1000, from 7.0 on for vmxnet3.",
        ),
        Diagnosis(
            Cause.SCRIPT_FAILED,
            "A script of the kickstart failed.",
            "Its output is in the serial log. Correct it, or add ignorefailure=true to a %post that may fail.",
        ),
        Diagnosis(
            Cause.KICKSTART_REFUSED,
            "The installer refused the kickstart.",
            "Check it: esxforge kickstart check FILE. The screenshot and the serial log's end name the line.",
        ),
        Diagnosis(
            Cause.STUCK_AT_PROMPT,
            "The machine is waiting at a prompt.",
            "Look at the screenshot; an unattended install asks when the kickstart leaves something out.",
        ),
        Diagnosis(
            Cause.NOT_BOOTABLE,
            "The firmware found nothing to boot.",
            "Is it made for this firmware? “esxforge run --firmware bios IMAGE” starts an image by legacy BIOS; "
            "“esxforge verify IMAGE” checks that it is intact.",
        ),
        Diagnosis(
            Cause.MEDIA_DAMAGED,
            "The boot loader could not read a file of the image.",
            "Check the image with esxforge verify IMAGE, and the ISO's checksum.",
        ),
        Diagnosis(
            Cause.CRASHED,
            "ESXi's kernel stopped with a purple screen.",
            "The screenshot names the exception. If it is Exception 13: as root, echo 1 > "
            "/sys/module/kvm/parameters/ignore_msrs, then try again.",
        ),
        Diagnosis(
            Cause.RESTART_LOOP,
            "The machine starts over instead of finishing.",
            "Mostly its kernel or boot loader crashes, or the kickstart says reboot: watch it with --vnc.",
        ),
        Diagnosis(
            Cause.QEMU_KILLED,
            "Something ended QEMU from outside.",
            "Often it is the kernel, for want of memory: look for “Out of memory” in dmesg.",
        ),
        Diagnosis(
            Cause.QEMU_REFUSED,
            "QEMU did not accept its command line or its files.",
            f"Its own message is above; {_GOLDEN_CHECK} checks its version.",
        ),
        Diagnosis(
            Cause.TOO_SLOW,
            "It was still at work.",
            "Give it more time with --timeout; without KVM everything takes some ten times longer.",
        ),
        Diagnosis(
            Cause.SILENT,
            "It stopped making progress without a word.",
            "Watch it with --vnc; the screenshot shows where it is.",
        ),
        Diagnosis(
            Cause.SWITCHED_ITSELF_OFF,
            "The system in it switched it off before its work was done.",
            "Watch it with --watch; a kickstart of your own that halts, or installs to another disk, does this.",
        ),
    )
}

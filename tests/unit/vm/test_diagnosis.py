"""What a failure looks like: texts and endings, and the cause that is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from esxforge.cli.main import app
from esxforge.vm.causes import DIAGNOSES, Cause
from esxforge.vm.diagnosis import Ending, FailureEvidence, diagnose, error_box
from esxforge.vm.phases import Phase

QEMU_SAID = [
    ("Could not access KVM kernel module: Permission denied", Cause.NO_KVM),
    ("qemu-system-x86_64: failed to initialize kvm: No such file or directory", Cause.NO_KVM),
    ("KVM internal error. Suberror: 1\nemulation failure", Cause.KVM_BROKEN),
    ("cannot set up guest memory 'pc.ram': Cannot allocate memory", Cause.HOST_OUT_OF_MEMORY),
    ("qemu-system-x86_64: -vnc :1: Failed to find an available port: Address already in use", Cause.PORT_IN_USE),
    ("qemu-system-x86_64: write failed: No space left on device", Cause.HOST_DISK_FULL),
]
CONSOLE_SAID = [
    ("CPU_SUPPORT ERROR: The CPU on this host is not supported by ESXi 9.1.0.", Cause.CPU_NOT_SUPPORTED),
    ("<CPU_SUPPORT ERROR: The CPU in this host is not supported by ESXi 7.0.3.", Cause.CPU_NOT_SUPPORTED),
    ("MEMORY_SIZE ERROR: This host has 3.9 GiB", Cause.TOO_LITTLE_MEMORY),
    ("Fatal error: 9 (Out of resources)", Cause.TOO_LITTLE_MEMORY),
    ("The selected disk is too small", Cause.DISK_TOO_SMALL),
    ("No eligible disks were found", Cause.NO_DISK),
    ("An error has occurred while parsing the installation script", Cause.KICKSTART_REFUSED),
    ("An error has occurred while parsing the installation\nscript\n\nerror:x", Cause.KICKSTART_REFUSED),
    ("User-supplied %post script failed. (Error code 1)", Cause.SCRIPT_FAILED),
    ("esxforge:   Your %pre (line 7 of your kickstart) ended with status 3.", Cause.SCRIPT_FAILED),
    ("No Network Adapters\nNo network adapters were detected.", Cause.NO_NIC),
    ("error:/vmfs/volumes/mpx.vmhba32:c0:t0:l3/KS.CFG:line 4", Cause.KICKSTART_REFUSED),
    ("Fatal error: 15 (Not found)", Cause.MEDIA_DAMAGED),
    ("VMware ESXi 8.0.3 [Releasebuild-24022510 x86_64]\n#GP Exception 13 in world 1", Cause.CRASHED),
    ("The system has found a problem on your machine and cannot continue.", Cause.CRASHED),
    ("Boot failed: could not read the boot disk\n\nNo bootable device.", Cause.NOT_BOOTABLE),
    ('BdsDxe: failed to load Boot0001 "UEFI QEMU HARDDISK": Not Found', Cause.NOT_BOOTABLE),
    ("Welcome\n (Enter) Continue   (Esc) Cancel", Cause.STUCK_AT_PROMPT),
    ("UEFI v2.70\nPress any key to continue", Cause.STUCK_AT_PROMPT),
    ("localhost login: ", Cause.STUCK_AT_PROMPT),
]


@pytest.mark.parametrize(("text", "cause"), QEMU_SAID)
def test_what_qemu_says_counts_most(text: str, cause: Cause) -> None:
    evidence = FailureEvidence(Ending.DIED, serial="(Enter) Continue", qemu_output=text, exit_status=1)
    assert diagnose(evidence).cause is cause


@pytest.mark.parametrize(("text", "cause"), CONSOLE_SAID)
def test_what_the_console_says_names_the_cause(text: str, cause: Cause) -> None:
    assert diagnose(FailureEvidence(Ending.TIMED_OUT, serial=text)).cause is cause


@pytest.mark.parametrize(
    ("evidence", "cause"),
    [
        (FailureEvidence(Ending.DIED, exit_status=-9), Cause.QEMU_KILLED),
        (FailureEvidence(Ending.DIED, exit_status=0), Cause.QEMU_KILLED),
        (FailureEvidence(Ending.DIED, exit_status=1), Cause.QEMU_REFUSED),
        (FailureEvidence(Ending.QUIT, exit_status=0), Cause.QEMU_KILLED),
        (FailureEvidence(Ending.POWERED_OFF, exit_status=0), Cause.SWITCHED_ITSELF_OFF),
        (FailureEvidence(Ending.NO_SPACE), Cause.HOST_DISK_FULL),
        (FailureEvidence(Ending.PAUSED, accelerated=True), Cause.KVM_BROKEN),
        (FailureEvidence(Ending.PAUSED, accelerated=False), Cause.CRASHED),
        (FailureEvidence(Ending.PANICKED), Cause.CRASHED),
        (FailureEvidence(Ending.RESTARTED), Cause.RESTART_LOOP),
        (FailureEvidence(Ending.RESTART_LOOP), Cause.RESTART_LOOP),
        (FailureEvidence(Ending.TIMED_OUT, recent_growth=True), Cause.TOO_SLOW),
        (FailureEvidence(Ending.TIMED_OUT), Cause.SILENT),
    ],
)
def test_without_words_the_ending_decides(evidence: FailureEvidence, cause: Cause) -> None:
    assert diagnose(evidence).cause is cause


def test_a_prompt_that_was_answered_long_ago_is_not_the_cause() -> None:
    log = "(Enter) Continue\n" + "\n".join(f"cpu0:1)line {number}" for number in range(40))
    assert diagnose(FailureEvidence(Ending.TIMED_OUT, serial=log)).cause is Cause.SILENT


FAILED_TO_LOAD = 'BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM": Not Found\nBdsDxe: loading Boot0002 "USB"\n'


@pytest.mark.parametrize(
    ("serial", "phase", "cause"),
    [
        ("cpu0:1)WARNING: insufficient memory for heap vmfs3\n(Enter) Continue", Phase.INSTALLER, "stuck-at-prompt"),
        ("cpu0:1)x\nThe disk is too small\n(Enter) OK", Phase.INSTALLER, "disk-too-small"),
        ("cpu1:2)ALERT: ramdisk (root) is full: not enough space for esx.log", Phase.WRITING, "silent"),
        (FAILED_TO_LOAD + "Loading ESXi installer\ncpu0:1)weasel", Phase.WRITING, "silent"),
        (FAILED_TO_LOAD, Phase.WRITING, "silent"),
        (FAILED_TO_LOAD, Phase.FIRMWARE, "not-bootable"),
        ("cpu0:1)weasel\nInstallation complete\nBdsDxe: No bootable option", Phase.FINISHED, "not-bootable"),
        ("Loading /s.v00\nFatal error: 15 (Not found)", Phase.BOOT_LOADER, "media-damaged"),
    ],
)
def test_what_passed_is_not_the_cause(serial: str, phase: Phase, cause: str) -> None:
    assert diagnose(FailureEvidence(Ending.TIMED_OUT, serial=serial, phase=phase)).cause.value == cause


def test_every_cause_says_what_it_is_and_what_to_do() -> None:
    assert set(DIAGNOSES) == set(Cause)
    for diagnosis in DIAGNOSES.values():
        assert diagnosis.sentence.endswith(".")
        assert diagnosis.hint.endswith((".", "dmesg"))


def test_options_in_a_hint_are_there_in_every_verb_unless_the_verb_is_named() -> None:
    everywhere = set(re.findall(r"--[a-z-]+", _help("build"))) & set(re.findall(r"--[a-z-]+", _help("run")))
    for diagnosis in DIAGNOSES.values():
        unnamed = re.sub(r"“esxforge [^”]*”", "", diagnosis.hint)
        assert set(re.findall(r"--[a-z-]+", unnamed)) <= everywhere, diagnosis.hint


def _help(verb: str) -> str:
    return CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout


@given(
    ending=st.sampled_from(Ending),
    serial=st.text(max_size=300),
    output=st.text(max_size=300),
    status=st.none() | st.integers(-64, 255),
    phase=st.sampled_from(Phase),
)
@settings(deadline=None)
def test_any_evidence_gets_a_diagnosis(
    ending: Ending, serial: str, output: str, status: int | None, phase: Phase
) -> None:
    evidence = FailureEvidence(ending, serial, output, status, phase)
    assert diagnose(evidence).cause in Cause


@pytest.mark.parametrize(
    ("serial", "box"),
    [
        (
            (
                "Loading\n| An error has occurred while parsing the installation\nscript\n\n error:/ks.cfg:line 3\n"
                "  Press <Enter> to continue\n"
            ),
            (
                "| An error has occurred while parsing the installation\nscript\nerror:/ks.cfg:line 3\n"
                "Press <Enter> to continue"
            ),
        ),
        (
            "An error has occurred during the installation.\nno vSAN\n(Enter) Reboot\n",
            "An error has occurred during the installation.\nno vSAN\n(Enter) Reboot",
        ),
        ("The following warnings were encountered\nx\nWait or press <Enter> to continue\n", ""),
        ("An error has occurred while parsing\n", ""),
        ("Installation Complete\n(Enter) Reboot\n", ""),
        ("Press any key to enter the menu\nAn error has occurred", ""),
    ],
)
def test_an_error_box_is_one_that_waits_for_a_key(serial: str, box: str) -> None:
    assert error_box(serial) == box

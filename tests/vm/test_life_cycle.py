"""Real QEMU without KVM, with guests of 512 bytes: every way in which a run may end, and nothing left of it."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from esxforge.errors import ProcessError
from esxforge.events import BytesDone, Event, Notice, StepFinished, StepStarted, ignore
from esxforge.vm.accelerator import run_guest
from esxforge.vm.causes import Cause
from esxforge.vm.diagnosis import Ending, FailureEvidence, diagnose
from esxforge.vm.failure import MachineFailedError
from esxforge.vm.firmware import find_ovmf, private_copy
from esxforge.vm.hardware import (
    Accelerator,
    Chipset,
    Disk,
    Machine,
    NetworkCard,
    Nic,
    SerialToFile,
    SerialToSocket,
    UsbDisk,
    Vnc,
    qemu_arguments,
)
from esxforge.vm.machine import RunningMachine
from esxforge.vm.phases import SENTENCES, Phase
from esxforge.vm.qmp import QmpError
from esxforge.vm.serial import read
from esxforge.vm.unattended import Limits, run_until_power_off
from vm.guests import HANG, POWER_OFF, RESTART, boot_sector, machine
from vm.traces import nothing_left, processes_naming

pytestmark = pytest.mark.vm
PATIENT = Limits(120, tick=0.05)


def _fails(a_machine: Machine, directory: Path, limits: Limits = PATIENT) -> MachineFailedError:
    with nothing_left(directory), pytest.raises(MachineFailedError) as caught:
        run_until_power_off(a_machine, directory, limits, listener=ignore)
    return caught.value


@pytest.mark.parametrize("chipset", Chipset)
def test_a_guest_that_powers_off_ends_well(tmp_path: Path, chipset: Chipset) -> None:
    told: list[Event] = []
    guest = machine(tmp_path, boot_sector("hello", POWER_OFF), chipset=chipset)
    with nothing_left(tmp_path):
        run_until_power_off(guest, tmp_path, PATIENT, listener=told.append)
    assert read(tmp_path / "serial.log") == "hello"
    assert told[0] == StepStarted(SENTENCES[Phase.FIRMWARE])
    assert told[-1] == StepFinished(SENTENCES[Phase.FIRMWARE])


def test_writing_the_disk_is_progress(tmp_path: Path) -> None:
    told: list[Event] = []
    guest = machine(tmp_path, boot_sector("parsing ks.cfg", POWER_OFF, write_disk=True))
    with nothing_left(tmp_path):
        run_until_power_off(guest, tmp_path, PATIENT, listener=told.append)
    done = [event.done for event in told if isinstance(event, BytesDone)]
    assert done[-1] >= 16 << 20
    assert StepFinished(SENTENCES[Phase.WRITING]) in told


def test_a_prompt_is_told_after_the_time_limit_with_all_that_helps(tmp_path: Path) -> None:
    guest = machine(tmp_path, boot_sector("Welcome\r\n(Enter) Continue\r\n", HANG))
    error = _fails(guest, tmp_path, Limits(1.5, tick=0.05))
    report = error.report
    assert report.evidence.ending is Ending.TIMED_OUT
    assert report.diagnosis.cause is Cause.STUCK_AT_PROMPT
    assert report.screenshot is not None
    assert report.screenshot.read_bytes().startswith(b"\x89PNG\r\n")
    assert report.serial_log == tmp_path / "serial.log"
    for part in ("(Enter) Continue", report.command_line, str(report.screenshot), str(tmp_path)):
        assert part in error.message
    assert report.as_dict()["cause"] == "stuck-at-prompt"


def test_the_command_line_in_the_report_can_be_pasted(tmp_path: Path) -> None:
    guest = machine(tmp_path, boot_sector("again", HANG))
    report = _fails(guest, tmp_path, Limits(0.3, tick=0.05)).report
    (tmp_path / "disk.raw").write_bytes(boot_sector("pasted", POWER_OFF).ljust(1 << 20, b"\0"))
    done = subprocess.run(["sh", "-c", report.command_line], timeout=120, check=False, capture_output=True)
    assert done.returncode == 0
    assert read(tmp_path / "serial.log") == "pasted"


def test_a_restart_loop_is_stopped(tmp_path: Path) -> None:
    report = _fails(machine(tmp_path, boot_sector("loop\r\n", RESTART)), tmp_path).report
    assert report.evidence.ending is Ending.RESTART_LOOP
    assert report.diagnosis.cause is Cause.RESTART_LOOP


def test_a_restart_ends_the_run_where_none_is_allowed(tmp_path: Path) -> None:
    guest = replace(machine(tmp_path, boot_sector("once\r\n", RESTART)), restart_allowed=False)
    assert _fails(guest, tmp_path).report.evidence.ending is Ending.RESTARTED
    assert read(tmp_path / "serial.log") == "once\n"


def test_a_restart_after_the_disk_was_written_ends_the_run_where_that_must_not_be(tmp_path: Path) -> None:
    guest = machine(tmp_path, boot_sector("installed\r\n", RESTART, write_disk=True))
    limits = replace(PATIENT, restarts=1000, restart_after_writing=False)
    assert _fails(guest, tmp_path, limits).report.evidence.ending is Ending.RESTARTED


def test_a_machine_that_falls_silent_is_not_waited_for(tmp_path: Path) -> None:
    guest = machine(tmp_path, boot_sector("(Enter) Continue\r\n", HANG))
    report = _fails(guest, tmp_path, replace(PATIENT, silent=3)).report
    assert report.evidence.ending is Ending.STALLED
    assert report.diagnosis.cause is Cause.STUCK_AT_PROMPT
    assert "said and wrote nothing for too long" in report.text


def test_a_disk_that_does_not_boot_is_recognised_under_uefi(tmp_path: Path) -> None:
    template = find_ovmf()
    original = template.variables.read_bytes()
    blank = tmp_path / "blank.raw"
    blank.write_bytes(bytes(1 << 20))
    guest = replace(
        machine(tmp_path, boot_sector("unused", HANG)),
        firmware=private_copy(template, tmp_path),
        memory_mib=256,
        disks=(Disk(blank, boot_index=0),),
    )
    with nothing_left(tmp_path), RunningMachine(guest, tmp_path) as running:
        deadline = time.monotonic() + 120
        while "BdsDxe: failed" not in read(tmp_path / "serial.log") and time.monotonic() < deadline:
            assert running.follow(0.1).ending is None
    evidence = FailureEvidence(Ending.TIMED_OUT, serial=read(tmp_path / "serial.log"))
    assert diagnose(evidence).cause is Cause.NOT_BOOTABLE, evidence.serial
    assert template.variables.read_bytes() == original


def test_a_guest_starts_from_usb_and_what_it_writes_there_is_dropped(tmp_path: Path) -> None:
    stick = tmp_path / "stick.raw"
    stick.write_bytes(boot_sector("from usb", POWER_OFF, write_disk=True).ljust(32 << 20, b"\0"))
    before = stick.read_bytes()
    guest = replace(
        machine(tmp_path, boot_sector("from disk", POWER_OFF)),
        disks=(Disk(tmp_path / "disk.raw"),),
        usb_disks=(UsbDisk(stick, boot_index=0),),
        nics=tuple(Nic(card, mac=f"52:54:00:00:00:0{at}") for at, card in enumerate(NetworkCard)),
    )
    with nothing_left(tmp_path):
        run_until_power_off(guest, tmp_path, PATIENT, listener=ignore)
    assert read(tmp_path / "serial.log") == "from usb"
    assert stick.read_bytes() == before


def test_qemu_that_is_killed_is_told_with_its_signal(tmp_path: Path) -> None:
    guest = machine(tmp_path, boot_sector("alive", HANG))

    def kill(_event: Event) -> None:
        for process in processes_naming(str(tmp_path)):
            os.kill(process, signal.SIGKILL)

    with nothing_left(tmp_path), pytest.raises(MachineFailedError) as caught:
        run_until_power_off(guest, tmp_path, PATIENT, listener=kill)
    report = caught.value.report
    assert (report.evidence.ending, report.evidence.exit_status) == (Ending.DIED, -signal.SIGKILL)
    assert report.diagnosis.cause is Cause.QEMU_KILLED


def test_a_stopped_qemu_does_not_outlive_the_block(tmp_path: Path) -> None:
    with nothing_left(tmp_path), RunningMachine(machine(tmp_path, boot_sector("x", HANG)), tmp_path) as running:
        assert running.process_id is not None
        os.kill(running.process_id, signal.SIGSTOP)
        with pytest.raises(QmpError, match="did not answer"):
            running.qmp.execute("query-status", limit=0.2)


def test_what_qemu_refuses_is_told_with_its_own_words(tmp_path: Path) -> None:
    guest = machine(tmp_path, boot_sector("x", HANG))
    (tmp_path / "disk.raw").unlink()
    with (
        nothing_left(tmp_path),
        pytest.raises(ProcessError, match="exit status 1") as caught,
        RunningMachine(guest, tmp_path),
    ):
        pass
    assert "No such file" in caught.value.message
    assert shlex.join(qemu_arguments(guest)) in caught.value.message


def test_a_serial_port_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    guest = replace(
        machine(tmp_path, boot_sector("x", HANG)),
        serial=SerialToSocket(tmp_path / "none" / "s", tmp_path / "serial.log"),
    )
    with nothing_left(tmp_path), pytest.raises(ProcessError, match="did not start"), RunningMachine(guest, tmp_path):
        pass


def test_a_serial_socket_goes_away_even_when_qemu_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "s"
    guest = replace(machine(tmp_path, boot_sector("x", HANG)), serial=SerialToSocket(place, tmp_path / "serial.log"))
    with nothing_left(tmp_path), RunningMachine(guest, tmp_path) as running:
        assert place.is_socket()
        assert running.process_id is not None
        os.kill(running.process_id, signal.SIGKILL)
    assert not place.exists()


@pytest.mark.parametrize("moment", ["at the start", "while it runs", "twice"])
def test_ctrl_c_leaves_nothing(tmp_path: Path, moment: str) -> None:
    guest = machine(tmp_path, boot_sector("x", HANG))

    def interrupt(_event: Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with nothing_left(tmp_path):
        match moment:
            case "at the start":
                # Arrives in the very call that starts QEMU, as it waits for the first answer on QMP.
                timer = threading.Timer(0.0, interrupt, [None])
                with pytest.raises(KeyboardInterrupt), RunningMachine(guest, tmp_path) as running:
                    timer.start()
                    while True:
                        running.follow(0.1)
                timer.join()
            case "while it runs":
                with pytest.raises(KeyboardInterrupt):
                    run_until_power_off(guest, tmp_path, PATIENT, listener=interrupt)
            case _:
                with pytest.raises(KeyboardInterrupt), RunningMachine(guest, tmp_path):
                    try:
                        os.kill(os.getpid(), signal.SIGINT)
                    finally:
                        os.kill(os.getpid(), signal.SIGINT)


def test_the_screen_can_be_watched(tmp_path: Path) -> None:
    seen: list[tuple[bytes, bytes]] = []
    address: list[str] = []

    def look(event: Event) -> None:
        if isinstance(event, Notice):
            address.append(event.text.split()[-1])
        if isinstance(event, BytesDone) and not seen:
            with httpx2.Client(follow_redirects=True) as browser:
                page = browser.get(address[0])
                seen.append((page.content, browser.get(page.url.join("screen.png")).content))

    guest = machine(tmp_path, boot_sector("watched", HANG, write_disk=True))
    with nothing_left(tmp_path), pytest.raises(MachineFailedError):
        run_until_power_off(guest, tmp_path, Limits(2, tick=0.05), listener=look, watch=True)
    html, picture = seen[0]
    assert b"tiny guest" in html
    assert picture.startswith(b"\x89PNG")


def test_a_vnc_display_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        display = free.getsockname()[1] - 5900
    guest = replace(machine(tmp_path, boot_sector("x", HANG)), vnc=Vnc(display))
    with nothing_left(tmp_path), RunningMachine(guest, tmp_path):
        with socket.create_connection(("127.0.0.1", 5900 + display), timeout=20) as viewer:
            assert viewer.recv(12).startswith(b"RFB 003.")


@pytest.mark.parametrize(("password", "result"), [(b"s3cret", 0), (b"s3creT", 1), (b"", 1)])
def test_a_vnc_display_with_a_password_lets_in_who_knows_it(password: bytes, result: int, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        display = free.getsockname()[1] - 5900
    guest = replace(machine(tmp_path, boot_sector("x", HANG)), vnc=Vnc(display, password="s3cret"))
    with nothing_left(tmp_path), RunningMachine(guest, tmp_path) as running:
        assert "s3cret" not in running.command_line
        assert b"s3cret" not in Path(f"/proc/{running.process_id}/cmdline").read_bytes()
        with socket.create_connection(("127.0.0.1", 5900 + display), timeout=20) as viewer:
            viewer.recv(12)
            viewer.sendall(b"RFB 003.008\n")
            assert viewer.recv(16) == b"\x01\x02"  # one kind of security: VNC's password (RFC 6143, 7.1.2)
            viewer.sendall(b"\x02")
            viewer.sendall(_des(password, viewer.recv(16)))
            assert int.from_bytes(viewer.recv(4), "big") == result


def _des(password: bytes, challenge: bytes) -> bytes:
    """VNC's answer: DES with the password as key, the bits of each byte turned round (RFC 6143, 7.2.2)."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # noqa: S305  the protocol's
    return encryptor.update(challenge) + encryptor.finalize()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk_under_the_guest_is_told_as_that(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        guest = machine(small, boot_sector("filling", POWER_OFF, write_disk=True))
        report = _fails(replace(guest, serial=SerialToFile(tmp_path / "serial.log")), tmp_path).report
        assert report.evidence.ending is Ending.NO_SPACE
        assert report.diagnosis.cause is Cause.HOST_DISK_FULL
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_the_probes_guest_runs_without_kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with nothing_left(tmp_path):
        assert run_guest(Accelerator.TCG) == ""
    assert not list(tmp_path.iterdir())


def test_a_probe_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("esxforge.vm.accelerator.probe_rom", lambda: b"\xf4" * 0x10000)
    with nothing_left(tmp_path):
        assert "in time" in run_guest(Accelerator.TCG, limit=0.3)
    assert not list(tmp_path.iterdir())


def test_a_probe_whose_guest_fails_at_once_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # A wrong answer of a guest that ran is no success.
    wrong = bytearray(b"\xf4" * 0x10000)
    wrong[0xFFF0:0xFFF4] = bytes.fromhex("b001e6f4")  # mov al, 1; out 0xf4, al
    monkeypatch.setattr("esxforge.vm.accelerator.probe_rom", lambda: bytes(wrong))
    assert "exit status 3" in run_guest(Accelerator.TCG)

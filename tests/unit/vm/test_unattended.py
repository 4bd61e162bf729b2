"""Runs with QEMU played: each way in which it ends, told as what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from esxforge.events import ignore
from esxforge.vm import unattended
from esxforge.vm.causes import Cause
from esxforge.vm.deployed import deployed_host
from esxforge.vm.diagnosis import Ending
from esxforge.vm.failure import MachineFailedError
from esxforge.vm.hardware import Accelerator, Disk, Machine, SeaBios, SerialToFile, SerialToTerminal
from esxforge.vm.unattended import Limits, run_until_power_off
from unit.vm.fake_qemu import put_on_path

LIMITS = Limits(60, tick=0.05)


def _shutdown(reason: str) -> dict[str, object]:
    return {"event": "SHUTDOWN", "data": {"guest": reason.startswith("guest"), "reason": reason}}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a disk and a serial log."""
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(512))
    serial = SerialToFile(tmp_path / "serial.log")
    return deployed_host("8.0", Disk(disk), SeaBios(), Accelerator.TCG, serial=serial)


def test_only_the_guest_itself_ends_a_run_well(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(tmp_path / "bin", monkeypatch, serial="done", events=(_shutdown("guest-shutdown"),), status=0)
    run = run_until_power_off(machine, tmp_path, LIMITS, listener=ignore)
    assert (run.evidence.ending, run.evidence.serial) == (Ending.POWERED_OFF, "done")
    # As QEMU ends by SIGTERM: in order, and with status 0.
    put_on_path(tmp_path / "bin", monkeypatch, events=(_shutdown("host-signal"),), status=0)
    with pytest.raises(MachineFailedError, match="lost its QEMU process") as caught:
        run_until_power_off(machine, tmp_path, LIMITS, listener=ignore)
    report = caught.value.report
    assert (report.evidence.ending, report.evidence.exit_status) == (Ending.DIED, 0)
    assert report.diagnosis.cause is Cause.QEMU_KILLED


def test_a_person_at_the_console_may_end_it(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path(tmp_path / "bin", monkeypatch, events=(_shutdown("host-qmp-quit"),), status=0)
    run_until_power_off(replace(machine, serial=SerialToTerminal()), tmp_path, LIMITS, listener=ignore)
    with pytest.raises(MachineFailedError, match="was ended from its console"):
        run_until_power_off(machine, tmp_path, LIMITS, listener=ignore)


@pytest.mark.parametrize(
    ("said", "cause", "hint"),
    [
        ("cannot set up guest memory 'pc.ram': Cannot allocate memory", Cause.HOST_OUT_OF_MEMORY, "--memory"),
        ("-vnc :1: Failed to find an available port: Address already in use", Cause.PORT_IN_USE, "number for --vnc"),
        ("-machine q36: unsupported machine type", Cause.QEMU_REFUSED, "doctor --kind golden"),
    ],
)
def test_a_qemu_that_refuses_to_start_is_diagnosed(
    said: str, cause: Cause, hint: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = machine.disks[0].path.parent
    put_on_path(directory / "bin", monkeypatch, refuses=f"qemu-system-x86_64: {said}")
    with pytest.raises(MachineFailedError, match="QEMU's exit status 1") as caught:
        run_until_power_off(machine, directory, LIMITS, listener=ignore)
    assert caught.value.report.diagnosis.cause is cause
    assert said in caught.value.message
    assert f"Everything is kept in: {directory}" in caught.value.message
    assert hint in caught.value.hint


def test_an_error_box_of_the_installer_ends_an_unattended_run_at_once_with_its_text(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unattended, "_BOX_IS_DRAWN", 0.1)
    said = "An error has occurred during the installation.\\nthe disk is not claimed by vSAN\\n(Enter) Reboot\\n"
    put_on_path(tmp_path / "bin", monkeypatch, serial=said.replace("\\n", "\n"))
    with pytest.raises(MachineFailedError, match="stopped at an error box of the installer") as caught:
        run_until_power_off(machine, tmp_path, replace(LIMITS, error_box_ends=True), listener=ignore)
    assert "The installer says:\n  An error has occurred during the installation.\n  the disk is not cl" in str(
        caught.value
    )
    assert caught.value.report.seconds < LIMITS.seconds / 2

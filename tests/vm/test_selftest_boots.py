"""Starts of the virtual host, with guests of 512 bytes: each way in which one may end, and what is seen of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from esxforge.errors import ProcessError
from esxforge.events import Event, StepFinished, ignore
from esxforge.selftest.boots import SENTENCES, BootPlan, Finish, Progress, run_boot
from esxforge.selftest.evidence import Stage, Stop
from esxforge.selftest.scenario import _kernel_speaks
from esxforge.vm.hardware import Accelerator
from esxforge.vm.phases import Phase
from vm.guests import HANG, POWER_OFF, RESTART, boot_sector, machine
from vm.traces import nothing_left

pytestmark = pytest.mark.vm
LOADER = "Loading /esxforge.tgz\r\n"


def plan(directory: Path, text: str, ending: bytes, stage: Stage = Stage.INSTALL, *, write: bool = False) -> BootPlan:
    guest = machine(directory, boot_sector(text, ending, write_disk=write))
    return BootPlan(stage, guest, directory, 60.0, tick=0.05)


def test_a_guest_that_restarts_is_not_started_again(tmp_path: Path) -> None:
    told: list[Event] = []
    with nothing_left(tmp_path):
        boot = run_boot(plan(tmp_path, LOADER, RESTART), told.append)
    assert boot.stop is Stop.RESTARTED
    assert [phase for phase, _ in boot.marks] == [Phase.BOOT_LOADER]
    assert boot.console.count("Loading") == 1
    assert boot.diagnosis == ""
    assert StepFinished(SENTENCES[Stage.INSTALL]) in told
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in boot.screens)


def test_firmware_that_restarts_before_anything_is_given_another_start(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        boot = run_boot(plan(tmp_path, "firmware", RESTART), ignore)
    assert boot.stop is Stop.RESTARTED
    assert len(list(tmp_path.glob("2-install*.serial.log"))) == 3


def test_a_guest_that_powers_off_says_so(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        assert run_boot(plan(tmp_path, LOADER, POWER_OFF), ignore).stop is Stop.POWERED_OFF


@pytest.mark.parametrize("finish", Finish)
def test_enough_is_enough(tmp_path: Path, finish: Finish, monkeypatch: pytest.MonkeyPatch) -> None:
    # This guest heeds no button.
    monkeypatch.setattr("esxforge.selftest.boots._POWER_OFF_PATIENCE", {Accelerator.TCG: 0.5})

    def enough(progress: Progress) -> bool:
        return progress.phase >= Phase.BOOT_LOADER

    with nothing_left(tmp_path):
        boot = run_boot(replace(plan(tmp_path, LOADER, HANG), enough=enough, settle=0.2, finish=finish), ignore)
    assert boot.stop is Stop.ENOUGH
    assert boot.when(Phase.BOOT_LOADER) is not None


def test_a_kernel_that_speaks_under_seabios_is_enough_for_a_golden_disk(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        guest = plan(tmp_path, "2026-11-28T10:00:00Z cpu0:131072)VMB: 61\r\n", HANG, Stage.GOLDEN_BIOS)
        boot = run_boot(replace(guest, enough=_kernel_speaks), ignore)
    assert boot.stop is Stop.ENOUGH
    assert boot.reached(Phase.KERNEL)
    assert "7-golden-bios-end.png" in boot.screens


def test_time_runs_out_with_a_likely_cause(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        boot = run_boot(replace(plan(tmp_path, "(Enter) Continue\r\n", HANG), limit=15.0), ignore)
    assert boot.stop is Stop.TIMED_OUT
    assert "waiting at a prompt" in boot.diagnosis


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("An error while parsing the installation script\r\n", "refused the kickstart"),
        ("esxforge: ESXi was NOT installed:\r\n  no disk has it\r\n", "no disk has it"),
    ],
)
def test_an_error_and_then_silence_is_not_waited_for(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esxforge.selftest.boots._SILENCE_AFTER_AN_ERROR", 0.5)
    with nothing_left(tmp_path):
        boot = run_boot(plan(tmp_path, text, HANG), ignore)
    assert boot.stop is Stop.STUCK
    assert said in boot.diagnosis
    assert "esxforge:" not in boot.diagnosis


def test_an_installation_is_seen_by_its_writes_too(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        boot = run_boot(plan(tmp_path, LOADER, POWER_OFF, write=True), ignore)
    assert boot.reached(Phase.WRITING)


def test_a_qemu_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    broken = plan(tmp_path, "x", HANG)
    missing = replace(broken.machine.disks[0], path=tmp_path / "none")
    with nothing_left(tmp_path), pytest.raises(ProcessError):
        run_boot(replace(broken, machine=replace(broken.machine, disks=(missing,))), ignore)

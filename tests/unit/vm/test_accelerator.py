"""Deciding on KVM: every way in which it may be there and not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from esxforge.errors import ProcessError
from esxforge.vm.accelerator import KvmProbe, KvmState, choose, probe_arguments, probe_kvm, probe_rom
from esxforge.vm.hardware import Accelerator


def test_without_the_device_kvm_is_missing_and_no_guest_is_tried(tmp_path: Path) -> None:
    def guest(_accelerator: Accelerator) -> str:
        raise AssertionError

    found = probe_kvm(tmp_path / "kvm", guest)
    assert found.state is KvmState.MISSING
    assert "VT-x" in found.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_device_that_may_not_be_opened_is_a_matter_of_permission(tmp_path: Path) -> None:
    device = tmp_path / "kvm"
    device.touch(mode=0)
    assert probe_kvm(device, lambda _: "").state is KvmState.NO_PERMISSION


def test_permission_is_asked_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = probe_kvm(device, lambda _: "")
    assert found.state is KvmState.NO_PERMISSION
    assert "usermod" in found.hint


def test_a_device_whose_guest_fails_is_broken(tmp_path: Path) -> None:
    (tmp_path / "kvm").touch()
    found = probe_kvm(tmp_path / "kvm", lambda _: "it burst")
    assert (found.state, found.detail) == (KvmState.BROKEN, "it burst")
    assert not found.works


def test_a_guest_that_ran_means_that_it_works(tmp_path: Path) -> None:
    (tmp_path / "kvm").touch()
    assert probe_kvm(tmp_path / "kvm", lambda _: "").works


def test_without_qemu_nothing_is_claimed_of_kvm(tmp_path: Path) -> None:
    def guest(_accelerator: Accelerator) -> str:
        raise ProcessError("QEMU is not there.")

    (tmp_path / "kvm").touch()
    assert probe_kvm(tmp_path / "kvm", guest).state is KvmState.NO_QEMU


def test_kvm_is_chosen_where_it_works_and_the_slow_way_only_on_request() -> None:
    works, broken = KvmProbe(KvmState.WORKS), KvmProbe(KvmState.BROKEN, "why")
    assert choose(None, lambda: works) is Accelerator.KVM
    assert choose(Accelerator.KVM, lambda: works) is Accelerator.KVM
    assert choose(Accelerator.TCG, lambda: broken) is Accelerator.TCG
    for desired in (None, Accelerator.KVM):
        with pytest.raises(ProcessError, match="why") as caught:
            choose(desired, lambda: broken)
        assert "--accel tcg" in caught.value.hint


def test_the_probes_firmware_starts_at_the_reset_vector() -> None:
    rom = probe_rom()
    assert len(rom) == 0x10000
    assert rom[0xFFF0:0xFFF5] == bytes.fromhex("ea000000f0")
    # The far jump into 64-bit code and the descriptor table's own address are absolute: they must fit the layout.
    jump = rom.index(bytes.fromhex("66ea"))
    assert int.from_bytes(rom[jump + 2 : jump + 6], "little") == 0xF0000 + jump + 8
    table = int.from_bytes(rom[0xA2:0xA6], "little")
    assert rom[table - 0xF0000 :][:8] == bytes(8)


def test_the_probe_asks_for_the_accelerator_and_nothing_else() -> None:
    arguments = probe_arguments(Accelerator.KVM, Path("/a,b"))
    assert "q35,accel=kvm" in arguments
    assert "/a,,b" in arguments

"""The stand-in curtin's decisions, on files; what it does to a machine is seen in the tests that start one."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge_target.contract.token import Token
from standin.curtin.choices import InstallationError, boot_device, by_serial, kernel_parameter, wiped_devices
from standin.curtin.machine import MEBIBYTE, wipe
from standin.curtin.stages import MaasClient, Stages
from standin.maas_metadata import FakeMetadataService, MachineStatus

BY_ID = {
    "ata-QEMU_HARDDISK_0S1": "/dev/sdb",
    "ata-QEMU_HARDDISK_S1": "/dev/sda",
    "ata-QEMU_HARDDISK_S1-part1": "/dev/sda1",
    "ata-QEMU_HARDDISK_S2": "/dev/sdc",
}


def storage(*disks: dict[str, object]) -> dict[str, object]:
    return {"storage": {"config": [{"type": "disk", **disk} for disk in disks]}}


def test_the_boot_disk_is_the_first_name_that_contains_the_serial() -> None:
    warnings: list[str] = []
    config = storage({"serial": "S2"}, {"serial": "S1", "grub_device": True})
    assert boot_device(config, BY_ID, set(BY_ID.values()), warnings.append) == "/dev/sdb", "0S1 contains S1"
    assert not warnings
    with pytest.raises(InstallationError, match="no disk with serial 'S9'"):
        by_serial(BY_ID, "S9")


def test_without_a_serial_the_first_disk_is_taken_and_that_is_said() -> None:
    warnings: list[str] = []
    config = storage({"path": "/dev/sdc", "grub_device": True})
    assert boot_device(config, BY_ID, ["/dev/sdb", "/dev/sda"], warnings.append) == "/dev/sda"
    assert len(warnings) == 1
    assert wiped_devices(config, BY_ID, "/dev/sda") == ["/dev/sda"]


def test_wiping_leaves_all_but_one_mebibyte_at_both_ends(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"x" * (3 * MEBIBYTE + 5))
    wipe(str(disk))
    data = disk.read_bytes()
    assert data == bytes(MEBIBYTE) + b"x" * (MEBIBYTE + 5) + bytes(MEBIBYTE)
    disk.write_bytes(b"x" * 100)
    wipe(str(disk))
    assert disk.read_bytes() == bytes(100)


def test_kernel_parameters_are_whole_words() -> None:
    line = "quiet XBOOTIF=no BOOTIF=01-52-54 cloud-config-url=http://m/?op=get_preseed"
    assert kernel_parameter(line, "BOOTIF") == "01-52-54"
    assert kernel_parameter(line, "cloud-config-url") == "http://m/?op=get_preseed"
    with pytest.raises(InstallationError):
        kernel_parameter(line, "ip")


def test_maas_hears_each_stage_and_a_failed_one_with_its_log_fails_the_deployment() -> None:
    with FakeMetadataService() as maas:
        token = maas.reporting
        assert Token.from_config(token)
        stages = Stages(MaasClient(token), maas.endpoint)
        stages.run("cmd-install/stage-a", "doing a", lambda: None)
        assert maas.machine.status_changes == []

        def fail() -> None:
            raise InstallationError("no")

        with pytest.raises(InstallationError):
            stages.run("cmd-install", "all of it", fail, lambda: [("/tmp/install.log", b"why")])
        assert maas.machine.status_changes == [MachineStatus.FAILED_DEPLOYMENT]
        told = [(event["event_type"], event["name"], event.get("result")) for event in maas.machine.events]
        assert told == [
            ("start", "cmd-install/stage-a", None),
            ("finish", "cmd-install/stage-a", "SUCCESS"),
            ("start", "cmd-install", None),
            ("finish", "cmd-install", "FAIL"),
        ]
        (posted,) = maas.machine.events[-1]["files"]
        assert posted == {"path": "/tmp/install.log", "encoding": "base64", "content": "d2h5"}

"""What must end in curtin: MAAS shows Failed deployment and the reason, and no installer is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esxforge.vm.hardware import Ovmf
from standin.maas_metadata import MachineStatus
from whole_way import order
from whole_way.conftest import PutUp
from whole_way.deployer import Deployer
from whole_way.laboratory import Laboratory
from whole_way.order import GIB, WholeDisk

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def check_refused(lab: Laboratory, deployer: Deployer, *reasons: str) -> str:
    """Deploy; it fails, with these reasons in MAAS's log, and the machine does not go on to its disk.

    Returns what the hook said, as one line.
    """
    assert not lab.deploy(deployer), "it would start from its disk"
    assert lab.maas.status is MachineStatus.FAILED_DEPLOYMENT
    log = lab.maas.installation_log
    # As troubleshooting.md says it. curtin says all of it again, indented, and adds its tracebacks.
    said = " ".join(line.removeprefix("esxforge: ") for line in log.splitlines() if line.startswith("esxforge: "))
    said = " ".join(said.split())
    for reason in reasons:
        assert reason in said, log
    assert said.count("this host was NOT prepared") == 1
    assert [line.strip() for line in log.splitlines()].count("esxforge: this host was NOT prepared:") == 2
    assert log.count("Traceback (most recent call last)") == 2
    assert log.isascii()
    assert lab.maas.story()[-1] == "curtin: finish cmd-install FAIL: curtin command install"
    for part in lab.order.token.parts:
        assert part not in log
    return said


def test_an_image_that_was_cut_short_on_its_way(put_up: PutUp, deployer: Deployer, small_image: Path) -> None:
    with put_up(order.dhcp()) as lab:
        whole = small_image.read_bytes()
        lab.maas.publish(small_image)
        lab.maas.serve_image(whole[: len(whole) * 2 // 3])
        check_refused(lab, deployer, "was cut short on its way", "Deploy again")


def test_a_boot_disk_that_curtin_took_for_another(put_up: PutUp, deployer: Deployer, small_image: Path) -> None:
    def other_serial(config: dict[str, Any]) -> None:
        config["storage"]["config"][0]["serial"] = "98f0a1b2c300"
        order.one_nic(config)

    # MAAS means the second disk; the first one's serial contains that one's.
    disks = (WholeDisk("64cd98f0a1b2c300", 64 * GIB), WholeDisk("98f0a1b2c300", 64 * GIB))
    with put_up(replace(order.dhcp(), disks=disks, change=other_serial)) as lab:
        lab.maas.publish(small_image)
        # Which of them Linux calls sda differs from start to start.
        wrong = "serial 98f0a1b2c300), but curtin wrote the image to sd"
        check_refused(lab, deployer, "serial 64cd98f0a1b2c300)", wrong, "no other contains")


def test_a_bridge_on_a_machine_with_secure_boot_is_refused_for_both_reasons(
    put_up: PutUp, deployer: Deployer, small_image: Path, tmp_path: Path
) -> None:
    code, variables = Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd")
    if not (code.exists() and variables.exists()):
        pytest.skip("OVMF with Secure Boot is not installed (Debian package ovmf)")
    with put_up(replace(order.dhcp(), sample="bridge-not-refused", change=lambda config: None)) as lab:
        lab.maas.publish(small_image)
        own = lab.host.directory / "secure-boot-variables.fd"
        own.write_bytes(variables.read_bytes())
        lab.host.firmware = Ovmf(code, own)
        check_refused(lab, deployer, "disable Secure Boot", "bridge")

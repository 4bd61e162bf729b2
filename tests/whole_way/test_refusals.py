"""Deployments that must end in curtin: MAAS shows Failed deployment and the reason, and no installer is started."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esxforge.vm.hardware import Ovmf
from standin.curtin import layers
from standin.maas_metadata import MachineStatus
from whole_way import order
from whole_way.conftest import PutUp
from whole_way.deployer import Deployer
from whole_way.laboratory import Laboratory
from whole_way.order import GIB, WholeDisk

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def check_refused(lab: Laboratory, deployer: Deployer, *reasons: str, words: Sequence[str] = ()) -> str:
    """Deploy; it fails, with these reasons in MAAS's log, and the machine does not go on to its disk.

    ``words``: more for the kernel. Returns what the hook said, as one line.
    """
    assert not lab.deploy(deployer, *words), "it would start from its disk"
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
    assert lab.leaks() == [], "the token is still on a disk"
    return said


def test_an_image_that_was_cut_short_on_its_way(put_up: PutUp, deployer: Deployer, small_image: Path) -> None:
    with put_up(order.dhcp()) as lab:
        whole = small_image.read_bytes()
        lab.maas.publish(small_image)
        lab.maas.serve_image(whole[: len(whole) * 2 // 3])
        check_refused(lab, deployer, "was cut short on its way", "Deploy again")


def test_an_image_that_was_cut_inside_the_hooks_own_code(put_up: PutUp, deployer: Deployer, small_image: Path) -> None:
    files = json.loads(small_image.with_name(small_image.name + ".manifest.json").read_text("utf-8"))["files"]
    code = next(record for record in files if record["path"] == "curtin/target.zip")
    raw = gzip.decompress(small_image.read_bytes())[: code["offset"] + code["length"] // 2]
    with put_up(order.dhcp()) as lab:
        lab.maas.publish(small_image)
        lab.maas.serve_image(gzip.compress(raw, 1))
        check_refused(lab, deployer, "curtin/target.zip on the boot disk is damaged", "Deploy again")


def test_a_boot_disk_that_is_gone_while_data_disks_hold_raid_and_lvm(
    put_up: PutUp, deployer: Deployer, small_image: Path
) -> None:
    """curtin clears the data disks, skips the boot disk, and writes the image to the first of the others."""

    def boot_disk_gone(config: dict[str, Any]) -> None:
        disks = config["storage"]["config"]
        disks[0]["serial"] = "GONE"
        disks += [
            {"id": name, "name": name, "model": "M", "serial": serial, "type": "disk", "wipe": "superblock"}
            for name, serial in (("sdb", "DATA1"), ("sdc", "DATA2"))
        ]
        order.one_nic(config)

    disks = (WholeDisk("LEFTALONE", GIB), WholeDisk("DATA1", 64 * GIB), WholeDisk("DATA2", 64 * GIB))
    with put_up(replace(order.dhcp(), disks=disks, change=boot_disk_gone)) as lab:
        lab.maas.publish(small_image)
        said = check_refused(
            lab, deployer, 'no disk of this machine has the serial "GONE"', words=[f"{layers.PARAMETER}=DATA1,DATA2"]
        )
        log = lab.maas.installation_log
        assert re.search(r"\n  sd.1 \(partition\)\n    md\d+ \(raid\)\n      dm-\d+ \(lvm\)\n", log), log
        disk = r"(sd. \(69 GB, serial DATA[12]\))"
        found = re.search(f"curtin wrote the image to {disk} and cleared {disk}", said)
        assert found, said
        assert "this hook changed no disk" in said
        empty = 2 if "DATA1" in found[1] else 1
        assert f"DATA{empty}" in found[2]
        assert "LEFTALONE" not in found[0]
        with lab.host.disk(empty).open("rb") as file:
            everything = file.read(140 << 20)
        for mark in (b"\xfc\x4e\x2b\xa9", b"LABELONE", b"EFI PART", b"an old file system"):
            assert mark not in everything, "something of RAID, LVM or the partitions was left"


def test_a_boot_disk_that_maas_names_by_its_path_only(put_up: PutUp, deployer: Deployer, small_image: Path) -> None:
    def by_path(config: dict[str, Any]) -> None:
        boot = config["storage"]["config"][0]
        del boot["serial"], boot["model"]
        boot["path"] = "/dev/sdb"
        config["storage"]["config"].append(
            {"id": "other", "name": "other", "path": "/dev/sda", "type": "disk", "wipe": "superblock"}
        )
        order.one_nic(config)

    disks = (WholeDisk("TWIN", 64 * GIB), WholeDisk("TWIN", 64 * GIB))
    with put_up(replace(order.dhcp(), disks=disks, change=by_path)) as lab:
        lab.maas.publish(small_image)
        check_refused(
            lab,
            deployer,
            "MAAS means sdb (69 GB, serial TWIN), but curtin wrote the image to sda (69 GB, serial TWIN): MAAS gives",
            "and cleared sdb (69 GB, serial TWIN)",
        )


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

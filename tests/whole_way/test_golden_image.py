"""The whole way with a golden image of 6.7, built in a virtual machine: two hosts share nothing (OSDATA is of 7.0)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esxforge.image.golden import GoldenOptions, build_golden_image
from esxforge.recipe.load import load_recipe
from esxforge.vm.hardware import Accelerator
from standin.curtin import bank_loader
from standin.system.iso import make_bootable_iso
from whole_way import order
from whole_way.checks import check_deployed, check_left_nothing
from whole_way.conftest import ROOT_PASSWORD_HASH, PutUp
from whole_way.deployer import Deployer
from whole_way.evidence import identifiers
from whole_way.laboratory import AGENT_IS_DONE

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def golden_order() -> order.Order:
    """ESXi 6.7, whose installed disk is the smallest to write: one NIC with DHCP, a datastore behind the system."""

    def change(config: dict[str, Any]) -> None:
        (nic, *_) = config["network"]["config"]
        config["network"]["config"] = [{**nic, "subnets": [{"type": "dhcp4"}]}]
        kept = ("sda", "datastore1")
        config["storage"]["config"] = [entry for entry in config["storage"]["config"] if entry["id"].startswith(kept)]

    return replace(order.everything(), sample="esxi67-vmfs6", disks=order.everything().disks[:1], change=change)


@pytest.fixture(scope="session")
def golden_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as ``esxforge build --kind golden --accel tcg`` makes it, with a small machine."""
    directory = tmp_path_factory.mktemp("golden")
    iso, image = directory / "esxi.iso", directory / "golden.dd.gz"
    make_bootable_iso(iso, release="6.7")
    recipe = load_recipe(
        None,
        {
            "image": {"kind": "golden"},
            "install": {"accept_eula": True},
            "root_password": {"hash": ROOT_PASSWORD_HASH},
            "golden": {"disk_size": 1, "memory": 1024, "timeout": 15},
        },
    )
    build_golden_image(iso, recipe, GoldenOptions(image, accelerator=Accelerator.TCG), lambda event: None)
    iso.unlink()
    return image


def test_two_hosts_from_one_golden_image(put_up: PutUp, deployer: Deployer, golden_image: Path) -> None:
    """The system's UUID in esx.conf is no part of the stand-in; tests/target/agent has that."""
    told: list[dict[str, str]] = []
    for _ in range(2):
        with put_up(golden_order()) as lab:
            lab.maas.publish(golden_image, "esxi/6.7")
            assert lab.deploy(deployer, bank_loader.WORD), lab.maas.installation_log
            with lab.host.powered_on("esxi") as boot:
                boot.wait_for_text(AGENT_IS_DONE, 900)
            check_deployed(lab.maas)
            host = lab.installed()
            check_left_nothing(lab, host, ROOT_PASSWORD_HASH)
            assert host.root_password_hash == ROOT_PASSWORD_HASH
            assert [one.label for one in host.datastores] == ["datastore1"]
            told.append(identifiers(lab.host.disk(0)))
    first, second = told
    assert first.keys() == second.keys()
    assert {"disk", "partition 5", "volume 5", "volume 6"} <= first.keys()
    assert not set(first.values()) & set(second.values())

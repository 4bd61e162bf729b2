"""The whole way where ESXi lacks the NIC's driver, and the image adds the VIB that has it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.recipe.load import load_recipe
from standin.linux.contents import NETWORK, modules_in_order
from standin.linux.fetched import find_guest_linux
from standin.system.iso import make_bootable_iso
from standin.vibs import NewPayload, NewVib, tgz
from whole_way import order
from whole_way.checks import check_deployed, check_left_nothing
from whole_way.conftest import ROOT_PASSWORD_HASH, PutUp
from whole_way.deployer import Deployer
from whole_way.laboratory import AGENT_IS_DONE, GATEWAY

pytestmark = [pytest.mark.vm, pytest.mark.slow]

CARD = "e1000e"


def driver_of(card: str) -> bytes:
    """A payload with Linux's driver for a card, and what that needs besides the other cards' drivers."""
    linux = find_guest_linux()
    others = modules_in_order(linux, [name for name in NETWORK if name != card])
    own = [path for path in modules_in_order(linux, [card]) if path not in others]
    return tgz({f"usr/lib/vmware/vmkmod/{number:02}-{path.name}": path.read_bytes() for number, path in enumerate(own)})


def test_a_host_whose_nic_only_the_added_driver_knows_ends_in_deployed_and_keeps_the_driver(
    put_up: PutUp, deployer: Deployer, tmp_path: Path
) -> None:
    iso, image = tmp_path / "esxi.iso", tmp_path / "esxi.dd.gz"
    payload = driver_of(CARD)
    vib = NewVib("net-e1000e", payloads=(NewPayload("net-e1000e", payload),)).write(tmp_path)
    make_bootable_iso(iso, release="8.0", without=[CARD])
    recipe = load_recipe(
        None,
        {"install": {"accept_eula": True}, "root_password": {"hash": ROOT_PASSWORD_HASH}, "add": [{"file": str(vib)}]},
    )
    build_installer_image(iso, recipe, BuildOptions(image), lambda event: None)
    iso.unlink()
    with put_up(order.dhcp()) as lab:
        lab.maas.publish(image)
        assert lab.deploy(deployer), lab.maas.installation_log
        with lab.host.powered_on("esxi") as boot:
            boot.wait_for_text(AGENT_IS_DONE, 900)
            assert lab.neighbour.who_has("10.0.0.100", GATEWAY) is not None, "the host does not answer"
        check_deployed(lab.maas)
        host = lab.installed()
        check_left_nothing(lab, host, host.root_password_hash)
        assert host.modules[-1] == "net-e100.v00"
        assert gzip.decompress(host.bank["net-e100.v00"]) == gzip.decompress(payload)
        told = [event["description"] for event in lab.maas.events() if event["name"] == "esxforge/drivers"]
        assert len(told) == 1
        assert "not owned by ESXi: net-e100.v00 of net-e1000e" in told[0]
        assert lab.host.serial_text().count("Loading driver") >= 2, "the installer's start, and the host's"

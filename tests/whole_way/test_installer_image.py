"""The whole way with an installer image: what the host has in the end, what MAAS was told, and what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.local.workspace import work_directory
from esxforge.recipe.load import load_recipe
from standin.system.iso import make_bootable_iso
from whole_way import order
from whole_way.checks import check_deployed, check_left_nothing
from whole_way.conftest import ROOT_PASSWORD_HASH, PutUp
from whole_way.demo import the_whole_way
from whole_way.deployer import Deployer
from whole_way.evidence import identifiers
from whole_way.installed import Datastore
from whole_way.laboratory import AGENT_IS_DONE, BEHIND_VLAN, GATEWAY, ROUTER

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def test_one_nic_with_dhcp_as_the_demo_tells_it(
    put_up: PutUp, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with put_up(order.dhcp()) as lab, work_directory() as directory:

        def ask() -> None:
            assert lab.neighbour.who_has("10.0.0.100", GATEWAY) is not None, "the host does not answer"

        the_whole_way(lab, directory, ask)
        check_deployed(lab.maas)
        host = lab.installed()
        check_left_nothing(lab, host, host.root_password_hash)
        assert host.configuration["hostname"] == "esx01"
        assert host.configuration["interfaces"]["vmk0"]["ipv4"]["type"] == "dhcp"
        assert host.datastores == (Datastore("datastore1", ((0, 8),)),)
        told = capsys.readouterr().out
        for line in (
            "$ esxforge build",
            "$ esxforge plan --machine esx01.maas",
            "$ esxforge deploy esx01.maas",
            "deploy: Deployed",
            "MAAS <- curtin: finish cmd-install SUCCESS",
            "  | esxforge: The host is ready",
        ):
            assert line in told
        for secret in (*lab.order.token.parts, host.root_password_hash):
            assert secret not in told + lab.host.serial_text() + host.log()


def test_bond_vlan_aliases_ipv6_and_a_datastore_across_two_disks(
    put_up: PutUp, deployer: Deployer, image: Path
) -> None:
    with put_up(order.everything(), on_segment=2) as lab:
        lab.maas.publish(image)
        lab.request()
        assert lab.deploy(deployer), lab.maas.installation_log
        with lab.host.powered_on("esxi") as boot:
            boot.wait_for_text(AGENT_IS_DONE, 900)
            for address, asking in (
                ("10.0.0.10", GATEWAY),
                ("10.0.0.11", GATEWAY),
                ("2001:db8:0:1::10", ROUTER),
                ("192.168.100.10", BEHIND_VLAN),
            ):
                assert lab.neighbour.who_has(address, asking) is not None, f"{address} does not answer"
            assert lab.neighbour.who_has("192.168.100.10", GATEWAY, limit=3) is None, "it answers outside its VLAN"
        check_deployed(lab.maas)
        host = lab.installed()
        check_left_nothing(lab, host, ROOT_PASSWORD_HASH)
        assert host.datastores == (
            Datastore("datastore1", ((0, 8),)),
            Datastore("datastore2", ((1, 1), (2, 1))),
        )
        switches = host.configuration["vswitches"]
        teams = sorted(len(switch["uplinks"]) for switch in switches.values())
        assert teams[-1] == 2, "the bond's two NICs"
        assert {switch["mtu"] for switch in switches.values() if len(switch["uplinks"]) == 2} == {9000}


KICKSTART = f"""# of this host's owner: café
vmaccepteula
rootpw --iscrypted {ROOT_PASSWORD_HASH}
clearpart --alldrives --overwritevmfs
%include /tmp/target
%pre --interpreter=busybox
echo "install --firstdisk --overwritevmfs" >/tmp/target
%post --interpreter=busybox
rm -f /vmfs/volumes/*/esxforge.tgz
poweroff
sleep 600
%post --interpreter=busybox
exit 3
"""


def test_a_post_of_the_owner_s_that_switches_off_ends_in_deployed_without_anybody_starting_the_machine_again(
    put_up: PutUp, deployer: Deployer, tmp_path: Path
) -> None:
    iso, image, kickstart = tmp_path / "esxi.iso", tmp_path / "esxi.dd.gz", tmp_path / "KS.CFG"
    make_bootable_iso(iso, release="8.0")
    kickstart.write_text(KICKSTART, "utf-8")
    recipe = load_recipe(None, {"install": {"kickstart": str(kickstart)}})
    build_installer_image(iso, recipe, BuildOptions(image), lambda event: None)
    iso.unlink()
    with put_up(order.dhcp()) as lab:
        lab.maas.publish(image)
        assert lab.deploy(deployer), lab.maas.installation_log
        with lab.host.powered_on("esxi") as boot:
            boot.wait_for_text(AGENT_IS_DONE, 900)
        check_deployed(lab.maas)
        host = lab.installed()
        check_left_nothing(lab, host, ROOT_PASSWORD_HASH)
        told = [event["description"] for event in lab.maas.events() if event["name"] == "esxforge/kickstart"]
        assert told == [
            (
                "#1.01 kickstart: Your %post (line 8 of your kickstart) called poweroff: it was not done, as MAAS does "
                "not power the machine on again."
            ),
            "#1.02 kickstart: Your %post (line 12 of your kickstart) ended with status 3.",
        ]
        log = host.bank["esxfinst.log"].decode()
        assert "/tmp/target line 1: install is replaced" in log
        assert "it is put back" in log


def test_two_hosts_from_one_installer_image_share_no_identifier(put_up: PutUp, deployer: Deployer, image: Path) -> None:
    """Neither as curtin leaves them, when the image's own partition is all they have, nor once they are installed."""
    told: list[dict[str, str]] = []
    for _ in range(2):
        with put_up(order.dhcp()) as lab:
            lab.maas.publish(image)
            assert lab.deploy(deployer), lab.maas.installation_log
            deployed = identifiers(lab.host.disk(0))
            with lab.host.powered_on("esxi") as boot:
                boot.wait_for_text(AGENT_IS_DONE, 900)
            check_deployed(lab.maas)
            told += [deployed, identifiers(lab.host.disk(0))]
    assert [set(one) for one in told[:2]] == [set(one) for one in told[2:]]
    assert set(told[0]) == {"disk", "partition 1", "serial 1"}
    assert {"disk", "partition 5", "partition 8", "volume 5", "volume 6"} <= set(told[1])
    values = [value for one in told for value in one.values()]
    assert len(set(values)) == len(values)

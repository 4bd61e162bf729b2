"""What goes wrong after curtin: the host ends as MAAS asked, or as it was found, and MAAS knows which."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from whole_way import order
from whole_way.checks import check_deployed, check_failed, check_left_nothing
from whole_way.conftest import ROOT_PASSWORD_HASH, PutUp
from whole_way.deployer import Deployer
from whole_way.evidence import identifiers
from whole_way.host import Boot
from whole_way.laboratory import AGENT_IS_DONE, AGENT_STARTS, GATEWAY, Laboratory

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def pass_time(boot: Boot, seconds: float) -> None:
    """Let the machine run on."""
    end = time.monotonic() + seconds
    boot.wait_until(f"{seconds:.0f} seconds pass", lambda: time.monotonic() >= end, seconds + 10)


def heard_phase(lab: Laboratory, name: str) -> bool:
    """Whether MAAS was notified that a phase of the agent starts."""
    return any(event["name"] == f"esxforge/{name}" for event in list(lab.maas.machine.events))


def test_a_dead_gateway_ends_on_dhcp_with_the_reason_in_maas(put_up: PutUp, deployer: Deployer, image: Path) -> None:
    def another_subnet(config: dict[str, Any]) -> None:
        (nic, *_) = config["network"]["config"]
        nic["subnets"] = [{"type": "static", "address": "10.99.0.10/24", "gateway": "10.99.0.1"}]

    with put_up(replace(order.dhcp(), sample="simple-static", change=another_subnet)) as lab:
        lab.maas.publish(image)
        assert lab.deploy(deployer), lab.maas.installation_log
        with lab.host.powered_on("esxi") as boot:
            boot.wait_for_text(AGENT_IS_DONE, 1200)
            assert lab.neighbour.who_has("10.0.0.100", GATEWAY) is not None, "it stays where it can be reached"
        check_failed(lab.maas, "10.99.0.1")
        host = lab.installed()
        check_left_nothing(lab, host, ROOT_PASSWORD_HASH)
        assert host.configuration["interfaces"]["vmk0"]["ipv4"]["type"] == "dhcp"


def test_power_cuts_while_installing_and_while_the_agent_works_and_maas_away_after_them(
    put_up: PutUp, deployer: Deployer, image: Path
) -> None:
    with put_up(order.dhcp()) as lab:
        lab.maas.publish(image)
        assert lab.deploy(deployer), lab.maas.installation_log
        before = identifiers(lab.host.disk(0))
        assert lab.leaks() != [], "until the installer runs, the disk carries the token"
        with lab.host.powered_on("cut-while-installing") as boot:
            boot.wait_for_text("Installing ESXi", 400)
            pass_time(boot, 3)
        assert lab.leaks() == [], "the installer's first step overwrote it"
        # Half an installation is nothing that goes on by itself; MAAS gives up on it, and deploys again.
        assert lab.deploy(deployer), lab.maas.installation_log
        assert not set(before.values()) & set(identifiers(lab.host.disk(0)).values())
        with lab.host.powered_on("cut-while-the-agent-works") as boot:
            boot.wait_until("MAAS hears of the network", lambda: heard_phase(lab, "network"), 900)
        lab.maas.service.vanish()
        with lab.host.powered_on("esxi") as boot:
            boot.wait_for_text(AGENT_STARTS, 400)
            pass_time(boot, 150)
            assert AGENT_IS_DONE not in boot.text
            lab.maas.service.come_back()
            boot.wait_for_text(AGENT_IS_DONE, 600)
        check_deployed(lab.maas)
        check_left_nothing(lab, lab.installed(), ROOT_PASSWORD_HASH)

"""The network of ESXi's installer: one NIC of the way to MAAS, named by its MAC, in the kickstart's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from esxforge.formats.kickstart_rules import check_kickstart
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.hook.kickstart import network_line
from target.hook.conftest import HASH
from target.plan.configs import SAMPLES, bond, mac, network, nic, sample, static, vlan


def line(*entries: dict[str, Any], boot_mac: str = "", maas: str = "") -> str:
    return network_line(desired_host_from_config(network(*entries, maas=maas), boot_mac))


def test_a_static_address_comes_with_netmask_gateway_and_dns() -> None:
    assert line(
        nic(1, static("10.0.0.5/22", gateway="10.0.0.1")),
        {"type": "nameserver", "address": ["2001:db8::53", "10.0.0.2", "8.8.8.8", "1.1.1.1"]},
    ) == (
        "network --device=52:54:00:00:00:01 --bootproto=static --ip=10.0.0.5 --netmask=255.255.252.0 "
        "--gateway=10.0.0.1 --nameserver=10.0.0.2,8.8.8.8 --addvmportgroup=0"
    )


@pytest.mark.parametrize("kind", ["dhcp", "dhcp4"])
def test_dhcp_is_asked_for(kind: str) -> None:
    assert line(nic(1, {"type": kind})) == "network --device=52:54:00:00:00:01 --bootproto=dhcp --addvmportgroup=0"


@pytest.mark.parametrize(
    "subnet", [static("2001:db8::5/64", gateway="2001:db8::1"), {"type": "dhcp6"}], ids=["static6", "dhcp6"]
)
def test_a_host_with_ipv6_only_gets_dhcp_as_the_installer_knows_no_ipv6(subnet: dict[str, Any]) -> None:
    assert (
        line(nic(1, subnet), maas="[2001:db8::2]")
        == "network --device=52:54:00:00:00:01 --bootproto=dhcp --addvmportgroup=0"
    )


def test_a_vlan_of_a_bond_is_reached_by_the_nic_that_carries_it() -> None:
    entries = [
        nic(1),
        nic(2),
        bond("bond0", ["eno1", "eno2"], mac_address=mac(2)),
        vlan("bond0", 100, static("10.0.0.5/24")),
    ]
    assert line(*entries) == (
        "network --device=52:54:00:00:00:02 --bootproto=static --ip=10.0.0.5 --netmask=255.255.255.0 --vlanid=100 "
        "--addvmportgroup=0"
    )
    assert "--device=52:54:00:00:00:01 " in line(*entries, boot_mac=mac(1).upper().replace(":", "-"))
    assert "--device=52:54:00:00:00:02 " in line(*entries, boot_mac="52:54:00:00:00:99")


def test_the_nic_is_that_of_the_way_to_maas_not_the_first() -> None:
    assert "--device=52:54:00:00:00:02 " in line(nic(1, static("10.9.0.5/24")), nic(2, static("10.0.0.5/24")))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_rules_for_kickstarts_find_nothing_wrong_with_it(path: Path) -> None:
    text = network_line(desired_host_from_config(sample(path.stem)))
    around = f"vmaccepteula\nrootpw --iscrypted {HASH}\ninstall --firstdisk\n{text}\nreboot\n"
    findings = [finding for finding in check_kickstart(around.encode()) if "is replaced" not in finding.message]
    assert findings == []

"""What the template that MAAS users have today gets wrong in the network, and what is asked beyond: one test each."""

from __future__ import annotations

from typing import Any

import pytest

from esxforge.preview.assumed import assumed_inventory
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.management import management_of
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.model import (
    InstalledRelease,
    Inventory,
    PhysicalNic,
    Policy,
    PortGroup,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)
from esxforge_target.plan.differences import network_differences
from esxforge_target.plan.planner import make_plan
from esxforge_target.plan.restore import restore_network, waits_for_boot
from esxforge_target.plan.steps import Plan
from target.plan.applied import apply
from target.plan.configs import bond, mac, network, nic, static, vlan
from target.plan.test_convergence import restored, run

DHCP: dict[str, Any] = {"type": "dhcp4"}
OWN_TEAM = Policy("failover", ("--load-balancing=explicit", "--active-uplinks=vmnic0"))


def fresh(count: int, first: str = "vmnic0", macs: dict[str, str] | None = None) -> Inventory:
    """A freshly installed host whose NICs are listed as esxcli does, sorted as text; vmk0 on ``first`` by DHCP."""
    names = sorted(f"vmnic{number}" for number in range(count))
    by_name = macs or {f"vmnic{number}": mac(number + 1) for number in range(count)}
    return Inventory(
        InstalledRelease("8.0.3", "24280767"),
        tuple(PhysicalNic(name, by_name[name], "ntg3", True, 1500) for name in names),
        (VSwitch("vSwitch0", 1500, (first,), Team("portid", (first,), ())),),
        (PortGroup("Management Network", "vSwitch0", 0), PortGroup("VM Network", "vSwitch0", 0)),
        (Vmk("vmk0", by_name[first], "Management Network", ipv4="dhcp", dhcp_dns=True, tags=("Management",)),),
    )


def planned(
    *entries: dict[str, Any], host: Inventory | None = None, maas: str = ""
) -> tuple[DesiredHost, Plan, Inventory]:
    config = network(*entries, maas=maas)
    config["storage"]["config"] = [one for one in config["storage"]["config"] if one["type"] == "disk"]
    desired = desired_host_from_config(config)
    found = host or fresh(12)
    plan = make_plan(desired, found)
    done = run(found, plan.steps)
    if not plan.errors:
        assert network_differences(desired, done) == []
    return desired, plan, done


def commands(plan: Plan) -> list[str]:
    return [" ".join(step.command) for step in plan.steps]


def switch(host: Inventory, name: str) -> VSwitch:
    found = host.vswitch(name)
    assert found is not None
    return found


def vmk_on(host: Inventory, group: str) -> Vmk:
    (found,) = [vmk for vmk in host.vmks if vmk.port_group == group]
    return found


# -- defects of the template -----------------------------------------------------------------------------------------


def test_vmnic1_is_not_lost_when_vmnic10_is_the_active_one() -> None:
    _, _, done = planned(nic(11), nic(2), bond("bond0", ["eno11", "eno2"], static("10.0.0.5/24"), mac_address=mac(11)))
    assert switch(done, "vSwitch0").team == Team("explicit", ("vmnic10",), ("vmnic1",))
    assert sorted(switch(done, "vSwitch0").uplinks) == ["vmnic1", "vmnic10"]


def test_nics_are_found_by_mac_whatever_its_letters() -> None:
    _, _, done = planned(
        nic(1, static("10.0.0.5/24"), mac_address="2C-EA-7F-F2-2F-48"),
        host=fresh(2, "vmnic1", {"vmnic0": "2c:ea:7f:f2:2f:48", "vmnic1": mac(9)}),
    )
    assert switch(done, "vSwitch0").uplinks == ("vmnic0",)


def test_a_bond_whose_mac_is_no_nics_still_gets_its_network() -> None:
    _, plan, done = planned(
        nic(1), nic(2), bond("bond0", ["eno1", "eno2"], static("10.0.0.5/24"), mac_address="02:00:00:00:00:09")
    )
    assert switch(done, "vSwitch0").team == Team("explicit", ("vmnic0",), ("vmnic1",))
    assert any("02:00:00:00:00:09 is no NIC's" in notice for notice in plan.notices)


def test_a_bond_member_without_a_driver_is_refused_before_anything_changes() -> None:
    _, plan, _ = planned(nic(1), nic(20), bond("bond0", ["eno1", "eno20"], static("10.0.0.5/24")))
    assert plan.steps == ()
    assert plan.errors == (
        (
            f"network eno20: no ESXi driver for the NIC with the MAC address {mac(20)}; add its driver to the image, "
            "or "
            "take the NIC out of use in MAAS."
        ),
    )


@pytest.mark.parametrize("kind", ["dhcp", "dhcp4"])
def test_both_spellings_of_dhcp_are_known(kind: str) -> None:
    _, _, done = planned(nic(3, {"type": kind}))
    assert vmk_on(done, "Management Network").ipv4 == "dhcp"
    assert switch(done, "vSwitch0").uplinks == ("vmnic2",)


def test_ipv6_has_its_prefix_length_and_shares_the_interface() -> None:
    _, plan, done = planned(nic(1, static("10.0.0.5/24"), static("2001:db8::5/64"), static("2001:db8:1::5/56")))
    assert [line for line in commands(plan) if "ipv6 address add" in line] == [
        "esxcli network ip interface ipv6 address add -i vmk0 -I 2001:db8::5/64",
        "esxcli network ip interface ipv6 address add -i vmk0 -I 2001:db8:1::5/56",
    ]
    assert [vmk.name for vmk in done.vmks] == ["vmk0"]


def test_no_command_says_none() -> None:
    first, second = nic(1, static("10.0.0.5/24")), nic(2, static("10.0.1.5/24"))
    del first["mtu"], second["mtu"]
    _, plan, done = planned(first, second)
    assert not [line for line in commands(plan) if "None" in line]
    assert vmk_on(done, "eno2").mtu == 1500


def test_a_route_to_10_is_not_taken_for_one_to_110() -> None:
    routes = [
        {"destination": "110.0.0.0/24", "gateway": "10.0.0.2"},
        {"destination": "10.0.9.0/24", "gateway": "10.0.0.2"},
        {"destination": "10.0.90.0/24", "gateway": "10.0.0.20"},
    ]
    _, _, done = planned(nic(1, static("10.0.0.5/24", routes=routes)))
    assert {(route.network, route.gateway) for route in done.routes} >= {
        (route["destination"], route["gateway"]) for route in routes
    }


def test_a_manual_vlan_gets_a_port_group_for_machines_and_no_vmk() -> None:
    _, _, done = planned(nic(1, static("10.0.0.5/24")), vlan("eno1", 42))
    group = done.port_group("eno1.42")
    assert group is not None
    assert (group.vswitch, group.vlan_id) == ("vSwitch0", 42)
    assert [vmk.name for vmk in done.vmks] == ["vmk0"]


def test_names_with_blanks_and_hyphens_are_handled() -> None:
    host = fresh(3)
    odd = VSwitch("my-switch 1", 1500, ("vmnic1",), Team("portid", ("vmnic1",), ()))
    stray = Vmk("vmk7", "00:50:56:aa:00:07", "Old - Network", ipv4="static", address="10.9.9.9", prefix_length=24)
    host = host.replace(
        vswitches=(*host.vswitches, odd),
        port_groups=(*host.port_groups, PortGroup("Old - Network", "my-switch 1", 0)),
        vmks=(*host.vmks, stray),
    )
    _, plan, done = planned(nic(1, static("10.0.0.5/24")), nic(2, static("10.0.1.5/24")), host=host)
    assert switch(done, "vSwitch1").uplinks == ("vmnic1",)
    assert done.vmk("vmk7") is None
    assert ("esxcli", "network", "vswitch", "standard", "uplink", "remove", "-u", "vmnic1", "-v", "my-switch 1") in [
        step.command for step in plan.steps
    ]


# -- what is asked beyond --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "team"),
    [
        ("balance-rr", Team("portid", ("vmnic1", "vmnic0"), ())),
        ("active-backup", Team("explicit", ("vmnic0",), ("vmnic1",))),
        ("802.3ad", Team("iphash", ("vmnic1", "vmnic0"), ())),
    ],
)
def test_bond_modes_become_teams(mode: str, team: Team) -> None:
    _, _, done = planned(
        nic(1), nic(2), bond("bond0", ["eno2", "eno1"], static("10.0.0.5/24"), mode=mode, mac_address=mac(1))
    )
    assert switch(done, "vSwitch0").team == team


def test_the_primary_of_the_parameters_wins_over_the_mac() -> None:
    entry = bond("bond0", ["eno1", "eno2", "eno3"], static("10.0.0.5/24"), mac_address=mac(1))
    entry["params"]["bond-primary"] = "eno3"
    _, _, done = planned(nic(1), nic(2), nic(3), entry)
    assert switch(done, "vSwitch0").team == Team("explicit", ("vmnic2",), ("vmnic0", "vmnic1"))


def test_management_is_adapted_in_place() -> None:
    _, plan, done = planned(nic(4, static("10.0.0.5/24", gateway="10.0.0.1")), vlan("eno4", 7))
    assert not [line for line in commands(plan) if "interface remove" in line or "standard remove" in line]
    assert [vswitch.name for vswitch in done.vswitches] == ["vSwitch0"]
    assert vmk_on(done, "Management Network").name == "vmk0"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((nic(4, static("10.0.0.5/24")),), mac(4)),
        ((nic(4, DHCP),), mac(4)),
        ((nic(4), vlan("eno4", 7, static("10.0.0.5/24"))), ""),
    ],
)
def test_vmk0_that_has_another_machine_s_mac_gets_its_own_nic_s_or_one_of_esxi_s(
    entries: tuple[dict[str, Any], ...], expected: str
) -> None:
    host = fresh(4)
    cloned = host.replace(vmks=(host.vmks[0].replace(mac="52:54:00:12:34:56"),))
    desired, plan, done = planned(*entries, host=cloned)
    assert "vmk0 has the MAC 52:54:00:12:34:56, which is none of this host's NICs." in network_differences(
        desired, cloned
    )
    (made,) = [line for line in commands(plan) if "interface add" in line]
    assert ("-M " + expected in made) if expected else ("-M" not in made)
    assert make_plan(desired, done).steps == ()
    # A lease came meanwhile, so that the host is not all as it was; its MAC is.
    for _, command in restore_network(cloned, done):
        done = apply(done, command)
    assert done.vmks[0].mac == "52:54:00:12:34:56"


def static_found() -> Inventory:
    """A host whose vmk0 has a static address and a default route that somebody set."""
    host = fresh(1)
    vmk = host.vmks[0].replace(ipv4="static", address="10.0.0.5", prefix_length=24, gateway="", dhcp_dns=False)
    return host.replace(vmks=(vmk,), routes=(RouteEntry("0.0.0.0/0", "10.0.0.1", "vmk0", "MANUAL"),))


@pytest.mark.parametrize("left", [False, True])
def test_a_leased_route_makes_room_for_the_same_one_that_was_set_by_hand(left: bool) -> None:
    """``left``: its interface has given up the lease already."""
    found = static_found()
    vmk = found.vmks[0].replace(ipv4="dhcp", address="10.0.0.105", gateway="10.0.0.1", dhcp_dns=True)
    leased = found.replace(vmks=found.vmks if left else (vmk,), routes=(found.routes[0].replace(source="DHCP"),))
    lines = [" ".join(command) for _, command in restore_network(found, leased)]
    assert lines[0] == "esxcli network ip route ipv4 remove -n default -g 10.0.0.1"
    assert "esxcli network ip interface remove -i vmk0" not in lines
    assert restored(leased, found).routes == found.routes


def test_only_a_route_whose_place_a_lease_left_taken_waits_for_a_boot() -> None:
    found = static_found()
    left = found.replace(routes=(found.routes[0].replace(gateway="10.0.0.254", source="DHCP"),))
    assert waits_for_boot(found, left)
    assert not waits_for_boot(found, found)
    assert not waits_for_boot(found, found.replace(routes=()))  # nothing is in its place
    assert not waits_for_boot(found, left.replace(vswitches=(left.vswitches[0].replace(mtu=9000),)))


def test_the_new_uplink_is_there_before_the_old_one_goes() -> None:
    _, plan, _ = planned(nic(4, static("10.0.0.5/24")), nic(1, static("10.0.1.5/24")))
    lines = commands(plan)
    order = [
        "esxcli network vswitch standard uplink add -u vmnic3 -v vSwitch0",
        "esxcli network vswitch standard policy failover set -v vSwitch0 -a vmnic3 -l portid",
        "esxcli network vswitch standard uplink remove -u vmnic0 -v vSwitch0",
        "esxcli network vswitch standard uplink add -u vmnic0 -v vSwitch1",
    ]
    assert [line for line in lines if line in order] == order


def test_the_installers_override_does_not_leave_management_on_a_nic_that_is_gone() -> None:
    host = fresh(2)
    host = host.replace(port_groups=(PortGroup("Management Network", "vSwitch0", 0, (OWN_TEAM,)),))
    _, plan, _ = planned(nic(2, static("10.0.0.5/24")), host=host)
    lines = commands(plan)
    follows = lines.index("esxcli network vswitch standard portgroup policy failover set -p Management Network -u")
    assert follows < lines.index("esxcli network vswitch standard uplink remove -u vmnic0 -v vSwitch0")


def test_further_ipv4_addresses_are_aliases_named_as_maas_names_them() -> None:
    _, _, done = planned(nic(1, static("10.0.0.5/24"), static("2001:db8::5/64"), static("10.0.0.6/24")))
    assert {vmk.port_group: vmk.address for vmk in done.vmks} == {
        "Management Network": "10.0.0.5",
        "eno1:2": "10.0.0.6",
    }


def test_only_one_vmk_takes_a_nics_mac() -> None:
    _, _, done = planned(
        nic(2, static("10.0.0.5/24"), static("10.0.0.6/24")),
        nic(1, static("10.0.1.5/24")),
        vlan("eno1", 9, static("10.2.0.5/24")),
    )
    macs = [vmk.mac for vmk in done.vmks]
    assert len(set(macs)) == len(macs) == 4
    # vmk0 keeps what the installer gave it: that of vmnic0, so eno1's own interface gets one of VMware's.
    assert vmk_on(done, "Management Network").mac == mac(1)
    assert vmk_on(done, "eno1").mac.startswith("00:50:56")


def test_of_several_dhcp_interfaces_the_way_to_maas_keeps_the_default_route() -> None:
    _, _, done = planned(nic(1, DHCP), nic(2, DHCP), nic(3, DHCP))
    assert [route.interface for route in done.routes] == ["vmk0"]


def test_the_nic_that_booted_is_management_where_all_use_dhcp() -> None:
    config = network(nic(1, DHCP), nic(2, DHCP))
    found = management_of(desired_host_from_config(config, boot_mac=mac(2).upper()))
    assert found is not None
    assert found.interface.name == "eno2"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([nic(1, static("10.9.0.5/24", gateway="10.9.0.1")), nic(2, static("10.0.0.5/24"))], "eno2"),
        ([nic(1, static("10.9.0.5/24")), nic(2, static("10.8.0.5/24", gateway="10.8.0.1"))], "eno2"),
        (
            [
                nic(1, static("10.8.0.5/24", gateway="10.8.0.1")),
                nic(2, static("10.9.0.5/24", routes=[{"destination": "10.0.0.0/16", "gateway": "10.9.0.1"}])),
            ],
            "eno2",
        ),
        ([nic(1, DHCP), nic(2, static("10.9.0.5/24"))], "eno1"),
        ([nic(1), vlan("eno1", 5, static("10.0.0.5/24"))], "eno1.5"),
    ],
    ids=["on MAAS's network", "default gateway", "a route leads there", "DHCP", "a VLAN"],
)
def test_management_is_the_interface_that_reaches_maas(entries: list[dict[str, Any]], expected: str) -> None:
    found = management_of(desired_host_from_config(network(*entries)))
    assert found is not None
    assert found.interface.name == expected
    planned(*entries)


def test_an_alias_on_maass_network_is_vmk0() -> None:
    _, _, done = planned(nic(1, static("10.7.0.5/24"), static("10.0.0.5/24")))
    assert vmk_on(done, "Management Network").address == "10.0.0.5"
    assert vmk_on(done, "eno1").address == "10.7.0.5"


def test_a_second_default_gateway_is_told_and_not_used() -> None:
    _, plan, done = planned(
        nic(1, static("10.0.0.5/24", gateway="10.0.0.1")), nic(2, static("10.1.0.5/24", gateway="10.1.0.1"))
    )
    assert [route.gateway for route in done.routes if route.network == "0.0.0.0/0"] == ["10.0.0.1"]
    assert any("the gateway 10.1.0.1 is not used" in notice for notice in plan.notices)


def test_free_nics_are_left_alone_and_told() -> None:
    _, plan, done = planned(nic(1, static("10.0.0.5/24")), nic(3))
    assert "network eno3: it is left alone; vmnic2 is free." in plan.notices
    assert all("vmnic2" not in vswitch.uplinks for vswitch in done.vswitches)


def test_vm_network_stays() -> None:
    _, plan, done = planned(nic(4, static("10.0.0.5/24")))
    assert done.port_group("VM Network") is not None
    assert "network: the port group VM Network stays on vSwitch0; it is for virtual machines." in plan.notices


def test_larger_mtus_go_from_below_upwards_and_smaller_ones_down() -> None:
    _, plan, done = planned(nic(1, static("10.0.0.5/24"), mtu=9000))
    lines = commands(plan)
    assert lines.index("esxcli network vswitch standard set -v vSwitch0 -m 9000") < lines.index(
        "esxcli network ip interface set -i vmk0 -m 9000"
    )
    planned(nic(1, static("10.0.0.5/24"), mtu=1500), host=done)


def test_dns_comes_from_interfaces_too_and_dhcp_does_not_change_it() -> None:
    _, plan, done = planned(
        nic(1, static("10.0.0.5/24", dns_nameservers=["10.0.0.2"], dns_search=["a.example"])),
        nic(2, DHCP),
        {"type": "nameserver", "address": ["8.8.8.8", "10.0.0.2"], "search": "b.example"},
    )
    assert done.name_servers == ("10.0.0.2", "8.8.8.8")
    assert done.search_domains == ("a.example", "b.example")
    assert "esxcli network ip interface ipv4 set -i vmk1 -t dhcp -P false" in commands(plan)


def test_an_ipv6_only_host_has_no_ipv4() -> None:
    config = network(nic(1, static("2001:db8::5/64", gateway="2001:db8::1")))
    config["reporting"]["maas"]["endpoint"] = "http://[2001:db8::2]:5248/MAAS/metadata/status/abc"
    config["storage"]["config"] = [one for one in config["storage"]["config"] if one["type"] == "disk"]
    desired = desired_host_from_config(config)
    host = assumed_inventory(desired)
    done = run(host, make_plan(desired, host).steps)
    assert network_differences(desired, done) == []
    assert done.vmks[0].ipv4 == "none"


def test_dhcpv6_hears_router_advertisements_for_its_routes() -> None:
    _, plan, _ = planned(nic(1, static("10.0.0.5/24"), {"type": "dhcp6"}))
    assert "esxcli network ip interface ipv6 set -i vmk0 -d true -r true" in commands(plan)


def test_addresses_are_swapped_between_interfaces_and_back() -> None:
    host = fresh(2)
    kept = Vmk("vmk1", "00:50:56:aa:00:01", "eno1.5", ipv4="static", address="10.0.0.5", prefix_length=24)
    host = host.replace(
        port_groups=(*host.port_groups, PortGroup("eno1.5", "vSwitch0", 5)),
        vmks=(host.vmks[0].replace(ipv4="static", address="10.1.0.5", prefix_length=24, dhcp_dns=False), kept),
    )
    _, _, done = planned(nic(1, static("10.0.0.5/24")), vlan("eno1", 5, static("10.1.0.5/24")), host=host)
    assert [(vmk.name, vmk.address) for vmk in done.vmks] == [("vmk0", "10.0.0.5"), ("vmk1", "10.1.0.5")]
    assert restored(done, host).vmks == host.vmks


def test_ipv4_goes_only_when_ipv6_stands() -> None:
    """The installer's DHCP may be the way to MAAS until then."""
    _, plan, _ = planned(nic(1, static("2001:db8::5/64")), maas="[2001:db8::2]")
    told = commands(plan)
    gone = told.index("esxcli network ip interface ipv4 set -i vmk0 -t none")
    assert told.index("esxcli network ip interface ipv6 address add -i vmk0 -I 2001:db8::5/64") < gone


@pytest.mark.parametrize("mtu", [1280, 1499, 9000])
def test_a_new_vswitch_has_its_mtu_whether_larger_or_smaller(mtu: int) -> None:
    _, _, done = planned(nic(1, static("10.0.0.5/24")), nic(2, static("10.9.0.5/24"), mtu=mtu))
    assert switch(done, "vSwitch1").mtu == mtu


@pytest.mark.parametrize(("mode", "policy"), [("active-backup", "explicit"), ("802.3ad", "iphash")])
def test_a_bond_of_one_nic_has_its_policy_too(mode: str, policy: str) -> None:
    _, _, done = planned(nic(1, static("10.0.0.5/24")), nic(2), bond("b", ["eno2"], static("10.9.0.5/24"), mode=mode))
    assert switch(done, "vSwitch1").team == Team(policy, ("vmnic1",), ())


def test_the_mtu_goes_down_before_an_uplink_comes_that_may_not_carry_the_larger_one() -> None:
    found = fresh(2, "vmnic1")
    jumbo = found.replace(
        vswitches=tuple(one.replace(mtu=9000) for one in found.vswitches),
        vmks=tuple(one.replace(mtu=9000) for one in found.vmks),
    )
    _, plan, _ = planned(nic(1, static("10.0.0.5/24")), host=jumbo)
    lines = commands(plan)
    vmk, vswitch, uplink = (
        next(index for index, line in enumerate(lines) if text in line)
        for text in ("interface set -i vmk0 -m 1500", "set -v vSwitch0 -m 1500", "uplink add -u vmnic0")
    )
    assert vmk < vswitch < uplink


def test_a_route_through_another_interface_is_not_the_desired_one() -> None:
    """An interface that heard the same router holds its default route, and has no address to use it."""
    entries = (nic(1, static("2001:db8::5/64", gateway="2001:db8::1")), nic(2, static("10.0.0.5/24")))
    desired, _, done = planned(*entries, maas="[2001:db8::9]")
    heard = done.replace(routes=tuple(one.replace(interface="vmk1", source="ADV") for one in done.routes))
    assert [" ".join(step.command) for step in make_plan(desired, heard).steps] == [
        "esxcli network ip route ipv6 remove -n default -g 2001:db8::1",
        "esxcli network ip route ipv6 add -n default -g 2001:db8::1",
    ]


def test_routers_are_asked_again_on_the_way_back_where_the_uplink_changed() -> None:
    found = fresh(2)
    listening = found.replace(
        vmks=tuple(one.replace(ipv6_enabled=True, router_advertisements=True) for one in found.vmks)
    )
    moved = listening.replace(
        vswitches=tuple(
            one.replace(uplinks=("vmnic1",), team=Team("portid", ("vmnic1",), ())) for one in found.vswitches
        )
    )
    lines = [" ".join(command) for _, command in restore_network(listening, moved)]
    assert lines[-2:] == [
        "esxcli network ip interface ipv6 set -i vmk0 -r false",
        "esxcli network ip interface ipv6 set -i vmk0 -r true",
    ]

"""curtin configurations made by hypothesis, and states of hosts that a plan may start from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from esxforge_target.inventory.model import (
    FAILOVER,
    SECURITY,
    InstalledRelease,
    Inventory,
    Ipv6Address,
    PhysicalNic,
    Policy,
    PortGroup,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)

DATA = Path(__file__).parents[2] / "data" / "curtin"
SAMPLES = sorted(path for path in DATA.glob("*.yaml") if "bridge" not in path.name)
NIC_COUNT = 6


def sample(name: str) -> dict[str, Any]:
    """A config as MAAS rendered it; ``name`` is a part of its file's name."""
    (path,) = [path for path in DATA.glob("*.yaml") if name in path.name]
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(config, dict)
    return config


def simple() -> dict[str, Any]:
    """One NIC with a static address, one disk; fresh, so that a test may change it."""
    return copy.deepcopy(sample("simple-static"))


def network(*entries: dict[str, Any], maas: str = "") -> dict[str, Any]:
    """The simple config with another network, and another MAAS (as it stands in a URL)."""
    config = simple()
    if maas:
        config["reporting"]["maas"]["endpoint"] = f"http://{maas}:5248/MAAS/metadata/status/a"
    config["network"]["config"] = list(entries)
    return config


def nic(number: int, *subnets: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A NIC eno1, eno2…"""
    return {
        "id": f"eno{number}",
        "name": f"eno{number}",
        "type": "physical",
        "mac_address": mac(number),
        "mtu": 1500,
        "subnets": list(subnets) or [{"type": "manual"}],
        **more,
    }


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


def static(address: str, **more: Any) -> dict[str, Any]:
    return {"type": "static", "address": address, **more}


def bond(
    name: str, members: list[str], *subnets: dict[str, Any], mode: str = "active-backup", **more: Any
) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "type": "bond",
        "bond_interfaces": members,
        "mtu": 1500,
        "params": {"bond-mode": mode},
        "subnets": list(subnets) or [{"type": "manual"}],
        **more,
    }


def vlan(link: str, number: int, *subnets: dict[str, Any], **more: Any) -> dict[str, Any]:
    name = f"{link}.{number}"
    return {
        "id": name,
        "name": name,
        "type": "vlan",
        "vlan_link": link,
        "vlan_id": number,
        "mtu": 1500,
        "subnets": list(subnets) or [{"type": "manual"}],
        **more,
    }


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Any network that ESXi can have, on six NICs, with MAAS on one of its networks or beyond a gateway."""
    entries = []
    names: list[str] = [f"eno{number}" for number in range(1, NIC_COUNT + 1)]
    order = draw(st.permutations(names))
    bonded = list(order[: draw(st.integers(0, 4))])
    split = len(bonded) == 4 and draw(st.integers(0, 1)) == 1
    bonds = [bonded[:2], bonded[2:]] if split else ([bonded] if bonded else [])
    mtu_of = {}
    counter = iter(range(1, 100))
    for number in range(1, NIC_COUNT + 1):
        name = f"eno{number}"
        mtu = draw(st.sampled_from([1500, 1500, 9000, 1280]))
        mtu_of[name] = mtu
        subnets = [] if name in bonded else draw(_subnets(counter))
        entries.append(nic(number, *subnets, mtu=mtu))
    bases = [name for name in names if name not in bonded]
    for index, members in enumerate(bonds):
        name = f"bond{index}"
        mode = draw(st.sampled_from(["balance-rr", "active-backup", "802.3ad"]))
        mtu = min(mtu_of[member] for member in members)
        mtu_of[name] = mtu
        owner = draw(st.sampled_from([*members, ""]))
        more = {"mac_address": mac(int(owner[3:])) if owner else "02:00:00:00:00:77"}
        entries.append(bond(name, list(members), *draw(_subnets(counter)), mode=mode, mtu=mtu, **more))
        bases.append(name)
    for link in draw(st.lists(st.sampled_from(bases), max_size=3, unique=True)):
        number = draw(st.integers(1, 4094))
        entries.append(vlan(link, number, *draw(_subnets(counter)), mtu=mtu_of[link]))
    if not any(subnet["type"] != "manual" for entry in entries for subnet in entry["subnets"]):
        entries[-1 if not bonded else entries.index(next(e for e in entries if e["name"] in bases))]["subnets"] = [
            static("10.99.0.5/24", gateway="10.99.0.1")
        ]
    config = network(*entries)
    if draw(st.booleans()):
        config["network"]["config"].append(
            {"type": "nameserver", "address": ["10.0.0.2", "8.8.8.8"], "search": ["maas"]}
        )
    networks = [
        one["address"].rpartition(".")[0]
        for entry in entries
        for one in entry["subnets"]
        if "." in one.get("address", "")
    ]
    on_a_network: bool = draw(st.booleans())
    if networks and on_a_network:
        host = draw(st.sampled_from(networks)) + ".250"
        config["reporting"]["maas"]["endpoint"] = f"http://{host}:5248/MAAS/metadata/status/abc"
    else:
        # A name: of an address elsewhere some of these hosts would have no way to it, and be refused.
        config["reporting"]["maas"]["endpoint"] = "http://maas.example:5248/MAAS/metadata/status/abc"
    config["storage"]["config"] = [one for one in config["storage"]["config"] if one["type"] == "disk"]
    return {key: config[key] for key in ("network", "storage", "reporting")}


@st.composite
def _subnets(draw: st.DrawFn, counter: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for kind in draw(
        st.lists(st.sampled_from(["manual", "static", "static", "static6", "dhcp4", "dhcp6"]), max_size=3)
    ):
        if kind in [one["type"] for one in found if one["type"].startswith("dhcp")]:
            continue
        number = next(counter)
        if kind == "static":
            one = static(f"10.{number}.0.5/24")
            if draw(st.booleans()):
                one["gateway"] = f"10.{number}.0.1"
            if draw(st.booleans()):
                one["routes"] = [{"destination": f"172.{number}.0.0/16", "gateway": f"10.{number}.0.2"}]
        elif kind == "static6":
            one = static(f"2001:db8:{number:x}::5/64")
            if draw(st.booleans()):
                one["gateway"] = f"2001:db8:{number:x}::1"
        else:
            one = {"type": kind}
        found.append(one)
    return found or [{"type": "manual"}]


@st.composite
def found_hosts(draw: st.DrawFn) -> Inventory:
    """A host as an installer may have left it: vmk0 on any NIC, by DHCP or by hand, with leftovers of other set-ups."""
    number = draw(st.integers(1, NIC_COUNT))
    numbers = draw(st.permutations(range(NIC_COUNT)))
    nics = tuple(
        PhysicalNic(f"vmnic{vmnic}", mac(index + 1), "ixgben", True, 1500) for index, vmnic in enumerate(numbers)
    )
    first = f"vmnic{numbers[number - 1]}"
    by_hand: bool = draw(st.booleans())
    on = draw(st.sampled_from(["Management Network", "Management Network", "v4084", "eno2"]))
    vmk0 = Vmk(
        "vmk0",
        mac(number),
        on,
        ipv4="static" if by_hand else "dhcp",
        address="10.1.0.5" if by_hand else "100.64.0.7",
        prefix_length=24,
        dhcp_dns=not by_hand,
        tags=("Management",),
        gateway="" if by_hand else "100.64.0.1",
    )
    route = RouteEntry("0.0.0.0/0", "10.1.0.1" if by_hand else "100.64.0.1", "vmk0", "MANUAL" if by_hand else "DHCP")
    mtu = draw(st.sampled_from([1500, 9000]))
    overrides: bool = draw(st.booleans())
    own = Policy(FAILOVER, ("--load-balancing=explicit", f"--active-uplinks={first}")) if overrides else None
    groups = [PortGroup(on, "vSwitch0", draw(st.sampled_from([0, 100])), (own,) if own is not None else ())]
    if draw(st.booleans()):
        groups.append(PortGroup("VM Network", "vSwitch0", 0))
    host = Inventory(
        InstalledRelease("8.0.3", "24280767"),
        nics,
        (VSwitch("vSwitch0", mtu, (first,), Team("portid", (first,), ())),),
        tuple(groups),
        (vmk0.replace(mtu=mtu),),
        (route,),
        () if by_hand else ("100.64.0.53",),
        () if by_hand else ("lease",),
    )
    return draw(_set_up_by_somebody(host))


@st.composite
def _set_up_by_somebody(draw: st.DrawFn, host: Inventory) -> Inventory:
    """The same host after an administrator's changes; mostly none."""
    free = [nic.name for nic in host.nics if nic.name not in host.vswitches[0].uplinks]
    (vmk0,), (vswitch0,) = host.vmks, host.vswitches
    for change in draw(st.lists(st.sampled_from(["team", "switch", "vmk1", "ipv6", "names", "tags"]), max_size=3)):
        if change == "team" and free and len(vswitch0.uplinks) == 1:
            second = free.pop()
            uplinks = (*vswitch0.uplinks, second)
            teams = [
                Team("explicit", vswitch0.uplinks, (second,)),
                Team("mac", uplinks, ()),
                Team("iphash", uplinks, ()),
            ]
            vswitch0 = vswitch0.replace(uplinks=uplinks, team=draw(st.sampled_from(teams)))
            host = host.replace(vswitches=(vswitch0, *host.vswitches[1:]))
        elif change == "switch" and free and host.vswitch("DMZ") is None:
            nic = free.pop()
            made = VSwitch("DMZ", draw(st.sampled_from([1500, 9000])), (nic,), Team("portid", (nic,), ()))
            policies = (Policy(FAILOVER, (f"--active-uplinks={nic}",)), Policy(SECURITY, ("--allow-promiscuous=true",)))
            group = PortGroup(draw(st.sampled_from(["dmz", "eno3"])), "DMZ", 7, draw(st.sampled_from([(), policies])))
            host = host.replace(vswitches=(*host.vswitches, made), port_groups=(*host.port_groups, group))
        elif change == "vmk1" and host.vmk("vmk1") is None:
            vmk1 = Vmk("vmk1", "00:50:56:6a:00:01", "old", ipv4="static", address="192.168.8.5", prefix_length=24)
            vmk1 = vmk1.replace(ipv6_enabled=draw(st.booleans()), tags=draw(st.sampled_from([(), ("VMotion", "VSAN")])))
            route = RouteEntry("172.30.0.0/16", "192.168.8.1", "vmk1", "MANUAL")
            host = host.replace(
                port_groups=(*host.port_groups, PortGroup("old", "vSwitch0", 8)),
                vmks=(*host.vmks, vmk1),
                routes=(*host.routes, route),
            )
        elif change == "ipv6":
            address = Ipv6Address("2001:db8:77::5", 64, "static")
            vmk0 = vmk0.replace(ipv6_addresses=(address,), router_advertisements=draw(st.booleans()))
        elif change == "names" and not vmk0.dhcp_dns:
            host = host.replace(name_servers=("10.9.9.9", "8.8.8.8"), search_domains=("old.example", "maas"))
        elif change == "tags":
            vmk0 = vmk0.replace(tags=("VMotion",))
    return host.replace(vmks=(vmk0, *host.vmks[1:]))

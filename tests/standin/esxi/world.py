"""What the machine is cabled to, and what that gives it: links, leases, and which addresses answer.

world.json:

    networks   name → subnets ("10.0.0.0/24"), hosts (address → {"alive"}),
               gateways (address → {"alive", "reaches": [subnet]}),
               dhcp (null, or {"lease": {mac: address} | {}, "first", "prefix", "router", "dns", "domain", "alive",
               "delay": seconds until it answers}),
               router_advertisement (null, or {"prefix", "router"}), dhcp6 (null, or {"address", "dns"})
    remote     address → {"alive"}: behind gateways
    cables     NIC's MAC → {"link", "native": network or null, "tagged": {"100": network}, "channel": name or null}
"""

import ipaddress
from typing import Any, Dict, List, Optional, Set

from standin.esxi.host import Host
from standin.esxi.nics import link_is_up
from standin.esxi.policies import effective_failover

Network = Dict[str, Any]


def default_world(macs: List[str]) -> Dict[str, Any]:
    """Every NIC untagged on one network with a gateway, a DHCP server and MAAS, and VLAN 100 tagged beside it."""
    return {
        "networks": {
            "lan": {
                "subnets": ["10.0.0.0/24", "2001:db8:0:1::/64"],
                "hosts": {"10.0.0.2": {"alive": True}},
                "gateways": {
                    "10.0.0.1": {"alive": True, "reaches": ["0.0.0.0/0"]},
                    "10.0.0.254": {"alive": True, "reaches": ["172.16.0.0/16"]},
                    "2001:db8:0:1::1": {"alive": True, "reaches": ["::/0"]},
                },
                "dhcp": {
                    "alive": True, "first": "10.0.0.100", "prefix": 24, "lease": {}, "router": "10.0.0.1",
                    "dns": ["10.0.0.2"], "domain": "maas",
                },
                "router_advertisement": {"prefix": "2001:db8:0:1::/64", "router": "2001:db8:0:1::1"},
                "dhcp6": None,
            },
            "vlan-100": {
                "subnets": ["192.168.100.0/24"], "hosts": {}, "dhcp": None, "router_advertisement": None, "dhcp6": None,
                "gateways": {"192.168.100.1": {"alive": True, "reaches": ["0.0.0.0/0"]}},
            },
        },
        "remote": {"192.0.2.53": {"alive": True}, "2001:db8:ffff::53": {"alive": True}},
        "cables": {
            mac: {"link": True, "native": "lan", "tagged": {"100": "vlan-100"}, "channel": None} for mac in macs
        },
    }  # fmt: skip


def teams(host: Host, portgroup: str) -> List[List[str]]:
    """The NICs that a port group's traffic may leave by: each list is one choice that the host may take by itself."""
    policy = effective_failover(host, portgroup)
    active = [name for name in policy["active"] if link_is_up(host, name)]
    if not active:
        active = [name for name in policy["standby"] if link_is_up(host, name)][:1]
    if policy["load_balancing"] == "explicit":
        active = active[:1]
    return [[name] for name in active]


def network_of(host: Host, portgroup: str) -> Optional[str]:
    """The network that a port group reaches whichever NIC the host chooses; None if it is not one and the same."""
    group = host.portgroup(portgroup)
    cables = [host.world["cables"].get(host.nic(team[0])["mac"], {}) for team in teams(host, portgroup)]
    policy = effective_failover(host, portgroup)
    if policy["load_balancing"] == "iphash" and len(cables) > 1:
        channels: Set[Any] = {cable.get("channel") for cable in cables}
        if len(channels) != 1 or None in channels:
            return None  # hashing over ports that are no static channel: the physical switch sees the MAC flap
    found: Set[Any] = {_carried(cable, group["vlan"]) for cable in cables}
    return str(found.pop()) if len(found) == 1 and None not in found else None


def _carried(cable: Dict[str, Any], vlan: int) -> Optional[str]:
    name: Optional[str] = cable.get("native") if vlan == 0 else cable.get("tagged", {}).get(str(vlan))
    return name


def lease(host: Host, vmk: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """What a DHCP server answers this interface: address, netmask, router, dns, domain; None: nobody answers."""
    if host.real is not None:
        return host.real.lease(host, vmk) if vmk["enabled"] else None
    network = host.world["networks"].get(network_of(host, vmk["portgroup"]) or "")
    server = network.get("dhcp") if network else None
    if not vmk["enabled"] or not server or not server["alive"]:
        return None
    leases = server.setdefault("lease", {})
    if vmk["mac"] not in leases:
        taken = {ipaddress.ip_address(address) for address in leases.values()}
        candidate = ipaddress.ip_address(server["first"])
        while candidate in taken:
            candidate += 1
        leases[vmk["mac"]] = str(candidate)
    subnet = ipaddress.ip_network("{}/{}".format(leases[vmk["mac"]], server["prefix"]), strict=False)
    return {
        "address": leases[vmk["mac"]],
        "netmask": str(subnet.netmask),
        "router": server.get("router"),
        "dns": list(server.get("dns", [])),
        "domain": server.get("domain"),
        "delay": float(server.get("delay", 0)),
    }


def is_taken(host: Host, vmk: Dict[str, Any], address: str) -> bool:
    """Whether another host on the interface's network has this address."""
    network = host.world["networks"].get(network_of(host, vmk["portgroup"]) or "")
    return bool(network) and address in dict(network["hosts"], **network["gateways"])


def advertised(host: Host, vmk: Dict[str, Any], kind: str) -> Any:
    """What the network tells this interface by ``router_advertisement`` or ``dhcp6``."""
    network = host.world["networks"].get(network_of(host, vmk["portgroup"]) or "")
    return network.get(kind) if network and vmk["enabled"] else None

"""The oracle of reachability: what this machine's configuration and the world together let it talk to."""

import ipaddress
from typing import Any, Dict, Optional, Tuple

from standin.esxi import addressing
from standin.esxi.firewall import lets_out
from standin.esxi.host import DEFAULT_STACK, Host
from standin.esxi.world import network_of


def next_hop(host: Host, target: addressing.IP, stack: str = DEFAULT_STACK) -> Optional[Tuple[str, addressing.IP]]:
    """The interface and the address to which a packet for ``target`` is handed: the longest prefix decides."""
    local = [entry for entry in addressing.connected(host, stack) if target.version == entry[0].version]
    candidates = [(entry[0].prefixlen, 1, entry[1], target) for entry in local if target in entry[0]]
    for route in host.stack(stack)["routes"]:
        network = ipaddress.ip_network(route["network"])
        if network.version == target.version and target in network and host.interface(route["interface"])["enabled"]:
            candidates.append((network.prefixlen, 0, route["interface"], ipaddress.ip_address(route["gateway"])))
    if not candidates:
        return None
    _, _, interface, hop = max(candidates, key=lambda entry: entry[:2])
    return interface, hop


def why_not(host: Host, address: str, port: Optional[int] = None, stack: str = DEFAULT_STACK) -> str:
    """Why ``address`` (on TCP ``port``, as far as the firewall goes) does not answer; empty: it does."""
    target = ipaddress.ip_address(address)
    found = next_hop(host, target, stack)
    if found is None:
        return f"no route to {address}"
    name, hop = found
    vmk = host.interface(name)
    network_name = network_of(host, vmk["portgroup"])
    if network_name is None:
        return f"the uplinks of {name} reach no one network"
    network = host.world["networks"][network_name]
    if not _is_local(host, vmk, hop, network):
        return f"{name} has no address of {network_name}"
    if port is not None and not lets_out(host, port, address):
        return f"the firewall lets nothing out to {address} port {port}"
    if hop != target:
        gateway = network["gateways"].get(str(hop))
        if gateway is None or not gateway["alive"]:
            return f"gateway {hop} does not answer on {network_name}"
        networks = [ipaddress.ip_network(text) for text in gateway["reaches"]]
        if not any(target.version == one.version and target in one for one in networks):
            return f"gateway {hop} has no route to {address}"
        return "" if _remote_alive(host.world, address) else f"{address} does not answer"
    entry = dict(network["gateways"], **network["hosts"]).get(address)
    return "" if entry and entry["alive"] else f"{address} does not answer on {network_name}"


def _is_local(host: Host, vmk: Dict[str, Any], hop: addressing.IP, network: Dict[str, Any]) -> bool:
    """The interface has an address of the subnet that the next hop is in, and that subnet is the network's."""
    if hop.version == 4:
        own = [vmk["ipv4"]["address"]] if vmk["ipv4"]["address"] else []
    else:
        own = [
            address
            for address, _, _ in addressing.ipv6_addresses(vmk)
            if addressing.detection(host, vmk, address) == "PREFERRED"
        ]
    for text in network["subnets"]:
        subnet = ipaddress.ip_network(text)
        if hop.version == subnet.version and hop in subnet:
            return any(ipaddress.ip_address(address) in subnet for address in own)
    return hop.version == 6 and hop.is_link_local


def _remote_alive(world: Dict[str, Any], address: str) -> bool:
    entry = world["remote"].get(address)
    if entry is None:
        for network in world["networks"].values():
            entry = entry or network["hosts"].get(address)
    return bool(entry and entry["alive"])

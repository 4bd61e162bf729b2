"""What addresses and leases mean for an interface and its stack: shared by interface, IPv4, IPv6 and route commands."""

import ipaddress
from typing import Any, Dict, List, Optional, Tuple, Union

from standin.esxi.dials import DETECTION
from standin.esxi.errors import CommandError
from standin.esxi.host import Host
from standin.esxi.world import advertised, is_taken, lease

Interface = Dict[str, Any]
IP = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def ipv4(text: str, what: str = "IPv4 address") -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise CommandError(f"Invalid {what}: {text}") from None


def ipv4_network(address: str, netmask: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(f"{address}/{netmask}", strict=False)
    except ValueError:
        raise CommandError(f"Invalid netmask: {netmask}") from None


def link_local(mac: str) -> str:
    """The fe80:: address that a MAC gives (RFC 4291, modified EUI-64)."""
    return str(ipaddress.IPv6Address((0xFE80 << 112) | _identifier(mac)))


def _identifier(mac: str) -> int:
    octets = bytearray(int(part, 16) for part in mac.split(":"))
    octets[0] ^= 2
    return int.from_bytes(bytes(octets[:3]) + b"\xff\xfe" + bytes(octets[3:]), "big")


def ipv6_addresses(vmk: Interface) -> List[Tuple[str, int, str]]:
    """Address, prefix length and type (STATIC, DHCP, ADV, AUTO) of what an interface has."""
    settings = vmk["ipv6"]
    if not settings["enabled"]:
        return []
    found = [(link_local(vmk["mac"]), 64, "AUTO")]
    found += [(entry["address"], entry["prefix"], "STATIC") for entry in settings["addresses"]]
    found += [(entry["address"], entry["prefix"], entry["type"]) for entry in settings["learned"]]
    return found


def all_addresses(host: Host, stack: str) -> "Dict[str, str]":
    """Every address of a stack and the interface that has it."""
    found = {}
    for vmk in host.interfaces(stack):
        if vmk["ipv4"]["address"]:
            found[vmk["ipv4"]["address"]] = vmk["name"]
        for address, _, _ in ipv6_addresses(vmk):
            found[address] = vmk["name"]
    return found


def refuse_duplicate(host: Host, vmk: Interface, address: str) -> None:
    owner = all_addresses(host, vmk["netstack"]).get(address)
    if owner == vmk["name"] and address == vmk["ipv4"]["address"]:
        return  # `ipv4 set` with the address that is there already changes nothing
    if owner:
        raise CommandError(f"IP address {address} is already in use by {owner}")


def connected(host: Host, stack: str) -> "List[Tuple[Any, str, str]]":
    """The subnets on the stack's enabled interfaces: network, interface, source."""
    found: List[Tuple[Any, str, str]] = []
    for vmk in host.interfaces(stack):
        if not vmk["enabled"]:
            continue
        if vmk["ipv4"]["address"]:
            network = ipv4_network(vmk["ipv4"]["address"], vmk["ipv4"]["netmask"])
            found.append((network, vmk["name"], "DHCP" if vmk["ipv4"]["type"] == "dhcp" else "MANUAL"))
        for address, prefix, kind in ipv6_addresses(vmk):
            found.append((ipaddress.ip_network(f"{address}/{prefix}", strict=False), vmk["name"], kind))
    return found


def on_link(host: Host, stack: str, address: IP) -> Optional[str]:
    """The interface whose subnet holds ``address``, the longest prefix first."""
    fitting = [entry for entry in connected(host, stack) if address.version == entry[0].version and address in entry[0]]
    fitting.sort(key=lambda entry: -int(entry[0].prefixlen))
    return fitting[0][1] if fitting else None


def drop_lost_routes(host: Host, stack: str) -> None:
    """Routes whose gateway is on no subnet of ours any more go, as they do when an address is taken away."""
    kept = {"MANUAL", "DHCP"} if host.dial("orphan-routes") == "stay" else set()
    if host.dial("stale-advertised-route") == "stays":
        kept.add("ADV")
    host.stack(stack)["routes"] = [
        route
        for route in host.stack(stack)["routes"]
        if (_still_there(host, stack, route) or route["source"] in kept)
        and route["interface"] in host.running["interfaces"]
    ]


def _still_there(host: Host, stack: str, route: Dict[str, Any]) -> bool:
    gateway = ipaddress.ip_address(route["gateway"])
    networks = [network for network, name, _ in connected(host, stack) if name == route["interface"]]
    if any(gateway.version == network.version and gateway in network for network in networks):
        return True
    interface = on_link(host, stack, gateway)
    if interface:
        route["interface"] = interface
    return interface is not None


def forget_lease(host: Host, vmk: Interface, replaced: bool = False) -> None:
    """What a DHCP answer brought to the stack leaves with it. ``replaced``: by another answer."""
    stack = host.stack(vmk["netstack"])
    if replaced or host.dial("stale-lease-route") == "gone":
        stack["routes"] = [
            route for route in stack["routes"] if not (route["source"] == "DHCP" and route["interface"] == vmk["name"])
        ]
    if replaced or host.dial("leased-dns") == "gone":
        stack["dns_dhcp"].pop(vmk["name"], None)
        stack["search_dhcp"].pop(vmk["name"], None)


def drop_leftovers(host: Host) -> None:
    """A boot begins with an empty table: a route of a lease comes back with a lease only."""
    asking = [vmk["name"] for vmk in host.interfaces() if vmk["ipv4"]["type"] == "dhcp"]
    for stack in host.running["netstacks"].values():
        stack["routes"] = [
            route for route in stack["routes"] if route["source"] != "DHCP" or route["interface"] in asking
        ]


def ask_dhcp(host: Host, vmk: Interface) -> None:
    """Take a lease, or a 169.254 address when nobody answers. A server may take its time (``delay`` in the world)."""
    settings = vmk["ipv4"]
    settings.pop("answer_at", None)
    answer = lease(host, vmk)
    if answer is not None and answer["delay"]:
        settings["answer_at"] = host.now + answer["delay"]
        answer = None
    if answer is not None:
        take_lease(host, vmk, answer)
        return
    forget_lease(host, vmk, replaced=True)
    number = int(vmk["name"][3:])
    if host.dial("no-lease") == "none":
        settings.update(address="", netmask="", lease=None)
    else:
        settings.update(address=f"169.254.{number // 200 + 1}.{number % 200 + 10}", netmask="255.255.0.0", lease=None)
    drop_lost_routes(host, vmk["netstack"])


def take_lease(host: Host, vmk: Interface, answer: Dict[str, Any]) -> None:
    """Address, default route and DNS of a DHCP answer; which of several has the default route: dial default-lease."""
    forget_lease(host, vmk, replaced=True)
    settings = vmk["ipv4"]
    settings.update(address=answer["address"], netmask=answer["netmask"], lease=answer)
    drop_lost_routes(host, vmk["netstack"])
    stack = host.stack(vmk["netstack"])
    defaults = [route for route in stack["routes"] if route["network"] == "0.0.0.0/0"]
    if answer["router"] and all(_gives_way(host, route, vmk) for route in defaults):
        stack["routes"] = [route for route in stack["routes"] if route not in defaults] + [
            {"network": "0.0.0.0/0", "gateway": answer["router"], "interface": vmk["name"], "source": "DHCP"}
        ]
    if settings["peer_dns"]:
        stack["dns_dhcp"][vmk["name"]] = answer["dns"]
        stack["search_dhcp"][vmk["name"]] = [answer["domain"]] if answer["domain"] else []


def _gives_way(host: Host, route: Dict[str, Any], vmk: Interface) -> bool:
    """Whether a default route gives way to that of a new lease; one set by hand never does."""
    if route["source"] != "DHCP":
        return False
    rule = host.dial("default-lease")
    return rule == "newest" or (rule == "lowest" and int(route["interface"][3:]) > int(vmk["name"][3:]))


def late_answers(host: Host) -> None:
    """What time brings: links that come back after a change of the MTU, and answers of slow DHCP servers.

    Behind a link that comes up, routers are asked, too (RFC 4861, 6.3.7).
    """
    bounced = host.store["power"].get("bounced", {})
    back = [name for name in bounced if bounced[name] <= host.now]
    for name in back:
        del bounced[name]
    for vmk in host.interfaces():
        settings = vmk["ipv4"]
        heard = any(entry["type"] == "ADV" for entry in vmk["ipv6"]["learned"])
        if back and vmk["enabled"] and vmk["ipv6"]["router_adv"] and not heard:
            learn_ipv6(host, vmk, dhcp=False)
        if settings["type"] != "dhcp" or settings["lease"] is not None or not vmk["enabled"]:
            continue
        if settings.get("answer_at") is not None:
            if settings["answer_at"] <= host.now:
                del settings["answer_at"]
                answer = lease(host, vmk)
                if answer is not None:
                    take_lease(host, vmk, answer)
        elif back:
            ask_dhcp(host, vmk)


def detection(host: Host, vmk: Interface, address: str) -> str:
    """PREFERRED, TENTATIVE or DUPLICATE: what duplicate address detection makes of a configured IPv6 address."""
    entry = next((one for one in vmk["ipv6"]["addresses"] if one["address"] == address), None)
    if entry is None:
        return "PREFERRED"
    if host.now - entry.get("since", host.now) < DETECTION[host.dial("ipv6-detection")] and "since" in entry:
        return "TENTATIVE"
    return "DUPLICATE" if is_taken(host, vmk, address) else "PREFERRED"


def learn_ipv6(host: Host, vmk: Interface, advertisements: bool = True, dhcp: bool = True) -> None:
    """Addresses and default route from router advertisements, and from DHCPv6, where the interface listens to them.

    Each of the two may be left as it is: a router speaks when it wants to, or when it is asked.
    """
    settings, stack = vmk["ipv6"], host.stack(vmk["netstack"])
    if advertisements or not settings["enabled"]:
        _hear_router(host, vmk, settings, stack)
    if dhcp or not settings["enabled"]:
        _keep_learned(settings, "DHCP")
        stack["dns_dhcp6"].pop(vmk["name"], None)
        leased = advertised(host, vmk, "dhcp6") if settings["dhcpv6"] and settings["enabled"] else None
        if leased:
            settings["learned"].append({"address": leased["address"], "prefix": 128, "type": "DHCP"})
            if settings["peer_dns"]:
                stack["dns_dhcp6"][vmk["name"]] = list(leased.get("dns", []))


def _keep_learned(settings: Dict[str, Any], without: str) -> None:
    settings["learned"] = [entry for entry in settings["learned"] if entry["type"] != without]


def _hear_router(host: Host, vmk: Interface, settings: Dict[str, Any], stack: Dict[str, Any]) -> None:
    _keep_learned(settings, "ADV")
    listens = settings["router_adv"] and settings["enabled"]
    if listens or host.dial("stale-advertised-route") == "gone":
        stack["routes"] = [
            route for route in stack["routes"] if not (route["source"] == "ADV" and route["interface"] == vmk["name"])
        ]
    told = advertised(host, vmk, "router_advertisement") if listens else None
    if not told:
        return
    network = ipaddress.IPv6Network(told["prefix"])
    address = ipaddress.IPv6Address(int(network.network_address) | _identifier(vmk["mac"]))
    settings["learned"].append({"address": str(address), "prefix": network.prefixlen, "type": "ADV"})
    if not any(route["network"] == "::/0" for route in stack["routes"]):
        stack["routes"].append(
            {"network": "::/0", "gateway": told["router"], "interface": vmk["name"], "source": "ADV"}
        )


def forget_interface(host: Host, vmk: Interface) -> None:
    """An interface goes or is disabled: its routes and what leases brought go with it."""
    forget_lease(host, vmk, replaced=True)
    stack = host.stack(vmk["netstack"])
    stack["routes"] = [route for route in stack["routes"] if route["interface"] != vmk["name"]]
    stack["dns_dhcp6"].pop(vmk["name"], None)


def refresh_addresses(host: Host) -> None:
    """Every interface asks again: at boot, and whenever links or port groups below it changed."""
    for vmk in host.interfaces():
        if not vmk["enabled"]:
            continue
        if vmk["ipv4"]["type"] == "dhcp":
            ask_dhcp(host, vmk)
        learn_ipv6(host, vmk)

"""Which interface is for management: the one through which the host reaches MAAS."""

from ipaddress import ip_address, ip_network
from typing import List, Optional, Sequence, Tuple

from esxforge_target.contract.desired_host import BOND, DHCP4, DHCP6, STATIC, Address, DesiredHost, Interface
from esxforge_target.runtime.values import Value

_Way = Tuple[Interface, Address]


class Management(Value):
    """The interface for management, the address on it that vmk0 takes, and why it is this one (for people)."""

    __slots__ = ("interface", "address", "reason")

    def __init__(self, interface: Interface, address: Address, reason: str) -> None:
        self.interface = interface
        self.address = address
        self.reason = reason


def management_of(desired: DesiredHost) -> Optional[Management]:
    """The way to MAAS, as a router would choose it; None where no interface has an address at all.

    In this order: an interface on MAAS's own network, one behind which a route leads there, the NIC that booted from
    MAAS where it uses DHCP, the one with the default gateway, any with DHCP, any with an address.
    """
    targets = [ip_address(address) for address in desired.maas.addresses]
    versions = [target.version for target in targets] or [4, 6]
    for target in targets:
        for found in _on_network(desired, str(target)):
            return Management(found[0], found[1], "it is on the network of MAAS ({})".format(target))
    for target in targets:
        routes = [route for route in desired.routes if route.version == target.version]
        routes = [route for route in routes if target in ip_network(route.destination)]
        for route in sorted(routes, key=lambda one: -ip_network(one.destination).prefixlen):
            for found in _on_network(desired, route.gateway):
                return Management(found[0], found[1], "the route to MAAS leads through it")
    for interface, address in _all(desired):
        if address.version in versions and _booted(desired, interface) and _brings_a_way(desired, interface, address):
            return Management(interface, address, "it booted from MAAS and uses DHCP")
    for candidates, reason in _without_network(_all(desired), versions):
        if candidates:
            return Management(candidates[0][0], candidates[0][1], reason)
    return None


def no_way_to_maas(desired: DesiredHost) -> str:
    """Why this host can reach none of MAAS's known addresses: a sentence; empty where a way is there or may be."""
    if not desired.maas.addresses or any(_may_lead_to(desired, one) for one in desired.maas.addresses):
        return ""
    return (
        "no interface leads to MAAS ({}): none has an address on its network, and there is no gateway, route or DHCP "
        "of its IP version; give the machine one in MAAS.".format(", ".join(desired.maas.addresses))
    )


def _may_lead_to(desired: DesiredHost, target: str) -> bool:
    version = ip_address(target).version
    for _, address in _all(desired):
        if address.version == version and (address.kind != STATIC or address.gateway or address.reaches(target)):
            return True
    # A router may say the way for IPv6, to an interface without any address of MAAS's too.
    if version == 6 and any(one.addresses and one.router_advertisements is not False for one in desired.interfaces):
        return True
    return any(
        route.version == version and ip_address(target) in ip_network(route.destination) for route in desired.routes
    )


def _without_network(every: "List[_Way]", versions: Sequence[int]) -> "List[Tuple[List[_Way], str]]":
    speaking = [way for way in every if way[1].version in versions]
    return [
        ([way for way in speaking if way[1].gateway], "the default gateway is on it"),
        ([way for way in speaking if way[1].kind == DHCP4], "it is the first that uses DHCP"),
        (speaking or every, "it is the first with an address"),
    ]


def nics_of(desired: DesiredHost, interface: Interface) -> Tuple[Interface, ...]:
    """The NICs that carry an interface; of a bond the primary comes first, the others in MAAS's order."""
    base = base_of(desired, interface)
    if base.kind != BOND:
        return (base,)
    names = [base.primary] + [name for name in base.members if name != base.primary]
    return tuple(desired.interface(name) for name in names)


def base_of(desired: DesiredHost, interface: Interface) -> Interface:
    """The NIC or bond that an interface is or lies on."""
    return desired.interface(interface.link) if interface.link else interface


def _all(desired: DesiredHost) -> "List[_Way]":
    return [(interface, address) for interface in desired.interfaces for address in interface.addresses]


def _on_network(desired: DesiredHost, target: str) -> "List[_Way]":
    found = [one for one in _all(desired) if one[1].kind == STATIC and one[1].reaches(target)]
    return sorted(found, key=lambda one: -one[1].prefix_length)


def _brings_a_way(desired: DesiredHost, interface: Interface, address: Address) -> bool:
    """Return whether DHCP may bring a way. DHCPv6 names no router, and routers are not heard beside a static one."""
    if address.kind != DHCP6:
        return address.kind == DHCP4
    static = [one for _, one in _all(desired) if one.gateway and one.version == 6]
    static_routes = [one for one in desired.routes if one.destination == "::/0"]
    return interface.router_advertisements is not False and not static and not static_routes


def _booted(desired: DesiredHost, interface: Interface) -> bool:
    return bool(desired.boot_mac) and desired.boot_mac in [nic.mac for nic in nics_of(desired, interface)]

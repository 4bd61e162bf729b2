"""The address that MAAS is likely to give to an AUTO link: only a guess, and called one.

MAAS allocates when the deployment starts, from the smallest free range of the subnet, the lowest one on a tie, unless
an address is reserved for the NIC's MAC address (canonical/maas 3.7.3: ``Subnet.get_next_ip_for_allocation``,
``Interface.claim_auto_ips``). Somebody else may take it first, and a rack controller that finds it in use moves on.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from esxforge.deployment.answers import (
    Answers,
    Interface,
    Link,
    Subnet,
)

_Ip = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Guess:
    """An address for a link. ``likely`` is False where it stands for any address of the subnet."""

    interface: str
    link: int
    address: str
    subnet: str
    likely: bool


def guess_addresses(answers: Answers) -> dict[int, Guess]:
    """A guess for each AUTO link that has no address yet, by the link's id."""
    taken: set[_Ip] = {ip_address(link.ip_address) for _, link in _links(answers) if link.ip_address}
    guesses: dict[int, Guess] = {}
    for interface, link in _links(answers):
        if link.mode != "auto" or link.ip_address or link.subnet is None:
            continue
        address, likely = _next(answers, interface, link.subnet, taken)
        taken.add(address)
        guesses[link.id] = Guess(interface.name, link.id, str(address), link.subnet.cidr, likely)
    return guesses


def _links(answers: Answers) -> list[tuple[Interface, Link]]:
    """In the order in which MAAS allocates: the database's, which is that of the ids."""
    interfaces = sorted(answers.interfaces, key=lambda one: one.id)
    return [(one, link) for one in interfaces for link in sorted(one.links, key=lambda link: link.id)]


def _next(answers: Answers, interface: Interface, subnet: Subnet, taken: set[_Ip]) -> tuple[_Ip, bool]:
    reserved = [one for one in answers.reserved or [] if one.subnet.id == subnet.id]
    for one in reserved:
        if one.mac_address.lower() == (interface.mac_address or "").lower() and ip_address(one.ip) not in taken:
            return ip_address(one.ip), True
    used = taken | {ip_address(one.ip) for one in reserved}
    free = answers.free.get(subnet.id)
    ranges = free.unreserved_ip_ranges if free is not None else []
    pieces = [piece for one in ranges for piece in _without(ip_address(one.start), ip_address(one.end), used)]
    if pieces:
        _, first = min((last - first, first) for first, last in pieces)
        return (IPv4Address if subnet.version == 4 else IPv6Address)(first), True
    return _any_of(subnet, used), False


def _without(first: _Ip, last: _Ip, used: set[_Ip]) -> list[tuple[int, int]]:
    """The pieces of a range between addresses that are used, as numbers."""
    pieces, start = [], int(first)
    for number in sorted(int(one) for one in used if one.version == first.version and one.version == last.version):
        if start <= number <= int(last):
            if start < number:
                pieces.append((start, number - 1))
            start = number + 1
    return [*pieces, (start, int(last))] if start <= int(last) else pieces


def _any_of(subnet: Subnet, used: set[_Ip]) -> _Ip:
    network = ip_network(subnet.cidr)
    avoided = used | {ip_address(one) for one in (subnet.gateway_ip, *subnet.dns_servers) if one}
    return next((address for address in network.hosts() if address not in avoided), network.network_address)

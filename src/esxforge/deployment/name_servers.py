"""The DNS servers that MAAS gives to a host: for each address, and for the host.

Source: canonical/maas 3.7.3, ``preseed_network.py`` (``_generate_addresses``), ``Node.get_default_dns_servers``,
``routablepairs.py`` and the view ``maasserver_routable_pairs``. MAAS's own address, which is among the
host's, is in no answer; so are the addresses of rack controllers for people who are no administrators.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from esxforge.deployment.answers import (
    UNDEFINED_SPACE,
    Answers,
    NodeInterface,
    Subnet,
)
from esxforge.deployment.gateways import Gateway
from esxforge.deployment.predicted import Unknowns

_RACKS_HIDDEN = (
    "MAAS shows rack controllers to administrators only, so their addresses are not known; they come before the others."
)


@dataclass(frozen=True)
class HostServers:
    """For the host: the known ones, and whether MAAS's own address is expected among them."""

    known: tuple[str, ...]
    with_own: bool


def of_subnet(answers: Answers, subnet: Subnet, given: list[str], unknowns: Unknowns) -> list[str]:
    """The servers of one address in ``subnet``, and note them in ``given``, which an interface's addresses share."""
    added: list[str] = []

    def add(servers: Iterable[str]) -> None:
        for server in servers:
            if server not in given:
                given.append(server)
                added.append(server)

    if subnet.allow_dns:
        add(_rack_servers(answers, subnet, unknowns))
    add(subnet.dns_servers)
    return added


def _rack_servers(answers: Answers, subnet: Subnet, unknowns: Unknowns) -> list[str]:
    found = []
    for system_id in (subnet.vlan.primary_rack, subnet.vlan.secondary_rack):
        rack = answers.rack(system_id)
        if system_id is not None and rack is None:
            unknowns.add(f"DNS servers of {subnet.cidr}", _RACKS_HIDDEN)
        links = [link for one in rack.interface_set for link in one.links] if rack is not None else []
        found += [
            (link.id, link.ip_address)
            for link in links
            if link.ip_address and link.mode in ("static", "auto") and _same_vlan(link.subnet, subnet)
        ]
    network = ip_network(subnet.cidr)
    return [
        address
        for _, address in sorted(found)
        if ip_address(address).version == network.version and (subnet.gateway_ip or ip_address(address) in network)
    ]


def _same_vlan(one: Subnet | None, other: Subnet) -> bool:
    return one is not None and one.vlan.id == other.vlan.id


def of_host(answers: Answers, gateways: dict[int, Gateway], versions: Sequence[int], unknowns: Unknowns) -> HostServers:
    """The servers of the host. ``versions`` are those of its addresses: 4, 6 or both."""
    for version in (4, 6):
        gateway = gateways.get(version) if version in versions else None
        if gateway is not None and gateway.subnet.dns_servers:
            servers = tuple(dict.fromkeys(gateway.subnet.dns_servers))
            return HostServers(servers, gateway.subnet.allow_dns and _has_boot_rack(answers))
    spoken = [version for version in versions if not gateways or version in gateways]
    racks = _nearest(answers, spoken, in_order=not gateways, unknowns=unknowns)
    return HostServers(tuple(dict.fromkeys(racks)), bool(gateways and spoken))


def _has_boot_rack(answers: Answers) -> bool:
    boot = answers.machine.boot_interface
    vlan = boot.vlan if boot is not None else None
    return vlan is not None and vlan.dhcp_on and bool(vlan.primary_rack or vlan.secondary_rack)


def _nearest(answers: Answers, versions: Sequence[int], *, in_order: bool, unknowns: Unknowns) -> list[str]:
    """Of each rack controller the address that is nearest to this machine, if one is near enough."""
    if answers.settings.use_rack_proxy is False:
        return []
    if answers.racks is None:
        unknowns.add("DNS servers of the host", _RACKS_HIDDEN)
        return []
    if answers.settings.use_rack_proxy is None:
        unknowns.add("DNS servers of the host", "MAAS does not tell its setting use_rack_proxy; “true” is assumed.")
    own = _places(answers.interfaces)
    found = []
    for rack in answers.racks:
        near = []
        for subnet, address in _places(rack.interface_set):
            distances = [_distance(mine, subnet) for mine, _ in own if mine.version == subnet.version]
            best = min(distances, default=_FAR)
            if best < _FAR and address and _dns_allowed(answers, address):
                near.append((best, address))
        usable = [address for _, address in sorted(near, key=lambda one: one[0])]
        usable = [address for address in usable if ip_address(address).version in versions]
        if in_order:
            usable.sort(key=lambda address: (ip_address(address).version, int(ip_address(address))))
        if usable:
            found.append((min(best for best, address in near if address in usable), usable[0]))
    if len(found) > 1:
        unknowns.add("DNS servers of the host", "several rack controllers are near; MAAS does not tell their order.")
    return [address for _, address in sorted(found, key=lambda one: one[0])]


_FAR = 4


def _distance(one: Subnet, other: Subnet) -> int:
    """As MAAS's view counts: 1 the same subnet, 2 the same VLAN, 3 the same space that somebody defined, else far."""
    if one.id == other.id:
        return 1
    if one.vlan.id == other.vlan.id:
        return 2
    return 3 if one.vlan.space == other.vlan.space != UNDEFINED_SPACE else _FAR


def _places(interfaces: Iterable[NodeInterface]) -> list[tuple[Subnet, str]]:
    """Subnets in which a node has addresses, with the address; empty where an AUTO link will get one."""
    found: list[tuple[int, Subnet, str]] = []
    for interface in interfaces:
        if not interface.enabled:
            continue
        held = [link for link in interface.links if link.ip_address or link.mode == "auto"]
        found += [(link.id, link.subnet, link.ip_address or "") for link in held if link.subnet is not None]
        leased = interface.discovered or []
        found += [(1 << 62, lease.subnet, lease.ip_address) for lease in leased if lease.subnet is not None]
    return [(subnet, address) for _, subnet, address in sorted(found, key=lambda one: one[0])]


def _dns_allowed(answers: Answers, address: str) -> bool:
    around = [subnet for subnet in answers.subnets if ip_address(address) in ip_network(subnet.cidr)]
    best = min(around, key=lambda subnet: not subnet.vlan.dhcp_on, default=None)
    return best is None or best.allow_dns

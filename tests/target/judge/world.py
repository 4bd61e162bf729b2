"""What the machine's surroundings give an interface, worked out from the world's description (standin.esxi.world)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from target.judge.desired import Desired, Face
from target.judge.machine import Machine


@dataclass(frozen=True)
class Way:
    """A way to MAAS: the interface it leaves by, and whether it works in this world. ``assumed``: by router
    advertisements that MAAS says nothing of.
    """

    face: Face
    works: bool
    assumed: bool = False


def has_link(face: Face, machine: Machine) -> bool:
    """Whether any NIC of the interface has a link."""
    return any(machine.world["cables"].get(mac, {}).get("link") for mac in face.link.macs)


def network(face: Face, machine: Machine) -> dict[str, Any] | None:
    """The network that the interface reaches, whichever of its NICs is used; None where it is not one and the same."""
    cables = [machine.world["cables"].get(mac, {}) for mac in face.link.macs]
    cables = [cable for cable in cables if cable.get("link")]
    if face.link.mode == "active-backup":
        first = machine.world["cables"].get(face.link.first, {})
        cables = [first] if first.get("link") else cables[:1]
    if face.link.mode == "802.3ad" and len(cables) > 1:
        channels = {cable.get("channel") for cable in cables}
        if len(channels) != 1 or None in channels:
            return None
    names = {cable.get("tagged", {}).get(str(face.vid)) if face.vid else cable.get("native") for cable in cables}
    name = names.pop() if len(names) == 1 else None
    found: dict[str, Any] | None = machine.world["networks"].get(name)
    return found


def lease(face: Face, machine: Machine) -> dict[str, Any] | None:
    """The DHCP server that answers the interface, if it asks and one does."""
    found = network(face, machine)
    server: dict[str, Any] | None = found["dhcp"] if found and face.dhcp4 else None
    return server if server and server["alive"] else None


def duplicates(face: Face, machine: Machine) -> list[str]:
    """IPv6 addresses of the interface that another host has."""
    found = network(face, machine)
    if not found:
        return []
    return [str(one.ip) for one in face.of_version(6) if str(one.ip) in {**found["hosts"], **found["gateways"]}]


def broken(desired: Desired, machine: Machine) -> list[str]:
    """Interfaces that do not work though they are set, as far as a host can notice: no link, no lease, a duplicate."""
    found = []
    for face in desired.faces:
        no_link = bool(face.static) and not has_link(face, machine)
        no_lease = face.dhcp4 and lease(face, machine) is None
        if no_link or no_lease or duplicates(face, machine):
            found.append(face.name)
    return found


def ways(desired: Desired, machine: Machine) -> list[Way]:
    """The ways to MAAS that the configuration allows, the most specific kind only."""
    target = ip_address(desired.maas)
    for kind in (_on_network, _by_route, _by_default, _by_chance):
        found = list(kind(desired, machine, target))
        if found:
            return found
    return []


def _on_network(desired: Desired, machine: Machine, target: Any) -> Iterator[Way]:
    fitting = [(one, face) for face in desired.faces for one in face.static if target in one.network]
    longest = max([one.network.prefixlen for one, _ in fitting] + [0])
    for one, face in fitting:
        if one.network.prefixlen == longest:
            yield Way(face, _is_usable(face, one, machine) and _answers(face, machine, str(target)))


def _by_route(desired: Desired, machine: Machine, target: Any) -> Iterator[Way]:
    routes = [one for one in desired.routes if target in ip_network(one.destination) and one.destination[-2:] != "/0"]
    longest = max([ip_network(one.destination).prefixlen for one in routes] + [0])
    for one in routes:
        if ip_network(one.destination).prefixlen == longest:
            yield from _through(desired, machine, one.gateway, target)


def _by_default(desired: Desired, machine: Machine, target: Any) -> Iterator[Way]:
    gateways = [gateway for face in desired.faces for gateway in face.gateways]
    gateways += [one.gateway for one in desired.routes if one.destination.endswith("/0")]
    for gateway in gateways:
        if ip_address(gateway).version == target.version:
            yield from _through(desired, machine, gateway, target)
    for face in desired.faces:
        if target.version == 4 and face.dhcp4:
            yield Way(face, _is_leased(face, target, machine))
        if (
            target.version == 6
            and face.router_advertisements is not False
            and (face.dhcp6 or face.router_advertisements)
        ):
            yield Way(face, _is_advertised(face, target, machine))


def _is_leased(face: Face, target: Any, machine: Machine) -> bool:
    """Whether a lease leads there: which network it is of, nobody knows beforehand."""
    server = lease(face, machine)
    if not server:
        return False
    if target in ip_network(f"{server['first']}/{server['prefix']}", strict=False):
        return _answers(face, machine, str(target))
    return bool(server.get("router")) and _forwards(network(face, machine), server["router"], target, machine)


def _by_chance(desired: Desired, machine: Machine, target: Any) -> Iterator[Way]:
    if target.version == 6:
        for face in desired.faces:
            if face.has_address and face.router_advertisements is None and _is_advertised(face, target, machine):
                yield Way(face, True, True)


def _is_advertised(face: Face, target: Any, machine: Machine) -> bool:
    found = network(face, machine)
    told = (found["router_advertisement"] if found else None) or {}
    return bool(told) and _forwards(found, str(told.get("router")), target, machine)


def _through(desired: Desired, machine: Machine, gateway: str, target: Any) -> Iterator[Way]:
    for face in desired.faces:
        for one in face.static:
            if ip_address(gateway) in one.network:
                works = _is_usable(face, one, machine) and _forwards(network(face, machine), gateway, target, machine)
                yield Way(face, works)


def _is_usable(face: Face, cidr: Any, machine: Machine) -> bool:
    found = network(face, machine)
    if not found or str(cidr.ip) in duplicates(face, machine):
        return False
    subnets = [ip_network(one) for one in found["subnets"]]
    return any(cidr.network.overlaps(one) for one in subnets if one.version == cidr.version)


def _answers(face: Face, machine: Machine, target: str) -> bool:
    found = network(face, machine)
    entry = {**found["gateways"], **found["hosts"]}.get(target) if found else None
    return bool(entry and entry["alive"])


def _forwards(found: dict[str, Any] | None, gateway: str, target: Any, machine: Machine) -> bool:
    via = found["gateways"].get(gateway) if found else None
    if not via or not via["alive"]:
        return False
    if not any(target in ip_network(one) for one in via["reaches"] if ip_network(one).version == target.version):
        return False
    hosts = [machine.world["remote"]] + [one["hosts"] for one in machine.world["networks"].values()]
    return any(one[str(target)]["alive"] for one in hosts if str(target) in one)

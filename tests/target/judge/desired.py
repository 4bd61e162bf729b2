"""What MAAS asks for, read from its configuration (curtin, network version 1) by the judge itself.

This package imports nothing of esxforge_target: what planner and agent make of the same configuration is judged by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any
from urllib.parse import urlsplit

# The bond modes that ESXi's teams have a like of; "": no bond.
MODES = ("", "balance-rr", "active-backup", "802.3ad")
Cidr = IPv4Interface | IPv6Interface


@dataclass(frozen=True)
class Link:
    """A NIC, or a bond of NICs: what becomes one vSwitch. ``macs`` in MAAS's order, ``first`` the one in use."""

    name: str
    macs: tuple[str, ...]
    mode: str
    first: str
    mtu: int

    @property
    def is_odd(self) -> bool:
        """Whether ESXi has no such bond, or takes no such MTU."""
        return self.mode not in MODES or not 1280 <= self.mtu <= 9000


@dataclass(frozen=True)
class Face:
    """An interface that may have addresses: a link, or a VLAN (``vid``) on one."""

    name: str
    link: Link
    vid: int
    mtu: int
    static: tuple[Cidr, ...]
    dhcp4: bool
    dhcp6: bool
    gateways: tuple[str, ...]
    router_advertisements: bool | None
    plain: bool  # neither bond nor VLAN

    @property
    def has_address(self) -> bool:
        return bool(self.static) or self.dhcp4 or self.dhcp6

    @property
    def is_left_out(self) -> bool:
        """ESXi cannot have such a VLAN, and no address needs it: it is left out, with a note."""
        return not self.has_address and bool(self.vid) and not 1 <= self.vid <= 4094

    def of_version(self, version: int) -> list[Cidr]:
        return [one for one in self.static if one.version == version]


@dataclass(frozen=True)
class Route:
    """A route of MAAS's; ``metric`` None where it names none."""

    destination: str
    gateway: str
    metric: int | None


@dataclass(frozen=True)
class Extent:
    """A partition of a datastore: the disk's id in MAAS, the partition's number and bytes."""

    disk: str
    number: int
    size: int


@dataclass(frozen=True)
class Desired:
    """Everything that MAAS asks for. ``datastores``: name → extents; ``boot``: the id of the boot disk."""

    faces: tuple[Face, ...]
    links: tuple[Link, ...]
    routes: tuple[Route, ...]
    name_servers: tuple[str, ...]
    search: tuple[str, ...]
    datastores: dict[str, tuple[Extent, ...]]
    boot: str
    maas: str
    odd: tuple[str, ...] = field(default=())  # entries that are not even of a known shape

    def carriers(self) -> list[Link]:
        """The links that the host or its virtual machines are to use.

        One that no address needs, and that ESXi cannot have so, is left alone.
        """
        used = []
        for link in self.links:
            faces = [face for face in self.faces if face.link == link]
            needed = any(face.has_address for face in faces)
            if needed or (not link.is_odd and any(not face.plain and not face.is_left_out for face in faces)):
                used.append(link)
        return used


def read(config: dict[str, Any]) -> Desired:
    """The desired host. Raises KeyError or ValueError only where the generator made nonsense."""
    entries = {str(one.get("id") or one["name"]): one for one in config["network"]["config"] if "mac_address" in one
               or one["type"] in ("bond", "vlan")}  # fmt: skip
    odd = tuple(one["type"] for one in config["network"]["config"]
                if one["type"] not in ("physical", "bond", "vlan", "nameserver", "route"))  # fmt: skip
    links = {key: _link(entries, key) for key, one in entries.items() if one["type"] in ("physical", "bond")}
    members = {name for one in entries.values() for name in one.get("bond_interfaces", ())}
    faces = [_face(entries, links, key) for key in entries if key not in members]
    routes = list(_routes(config))
    servers, search = _dns(config)
    endpoint = urlsplit(config["reporting"]["maas"]["endpoint"])
    disks = [one for one in config["storage"]["config"] if one["type"] == "disk"]
    boot = next((one["id"] for one in disks if one.get("grub_device")), disks[0]["id"])
    return Desired(
        tuple(faces),
        tuple(link for key, link in links.items() if key not in members),
        tuple(routes),
        tuple(servers),
        tuple(search),
        _datastores(config["storage"]["config"]),
        boot,
        str(endpoint.hostname),
        odd,
    )


def _link(entries: dict[str, Any], key: str) -> Link:
    entry = entries[key]
    if entry["type"] == "physical":
        mac = entry["mac_address"].lower()
        return Link(entry["name"], (mac,), "", mac, entry.get("mtu") or 1500)
    macs = tuple(entries[name]["mac_address"].lower() for name in entry["bond_interfaces"])
    params = {str(key).replace("_", "-"): value for key, value in (entry.get("params") or {}).items()}
    primary = params.get("bond-primary")
    first = entries[primary]["mac_address"].lower() if primary else (entry.get("mac_address") or "").lower()
    return Link(
        entry["name"],
        macs,
        params.get("bond-mode", "balance-rr"),
        first if first in macs else macs[0],
        entry.get("mtu") or 1500,
    )


def _face(entries: dict[str, Any], links: dict[str, Link], key: str) -> Face:
    entry = entries[key]
    link = links[entry["vlan_link"]] if entry["type"] == "vlan" else links[key]
    static: list[Cidr] = []
    gateways = []
    kinds = set()
    for subnet in entry.get("subnets", ()):
        kinds.add(subnet["type"])
        if subnet["type"] in ("static", "static6"):
            static.append(ip_interface(subnet["address"]))
            if subnet.get("gateway"):
                gateways.append(subnet["gateway"])
    return Face(
        entry["name"],
        link,
        entry.get("vlan_id", 0),
        entry.get("mtu") or link.mtu,
        tuple(static),
        bool(kinds & {"dhcp", "dhcp4"}),
        "dhcp6" in kinds,
        tuple(gateways),
        entry.get("accept-ra"),
        entry["type"] == "physical",
    )


def _routes(config: dict[str, Any]) -> Iterator[Route]:
    for entry in config["network"]["config"]:
        if entry["type"] == "route":
            yield _route(entry)
        for subnet in entry.get("subnets", ()):
            for one in subnet.get("routes", ()):
                yield _route(one)


def _route(entry: dict[str, Any]) -> Route:
    destination = str(ip_network(entry["destination"]))
    return Route(destination, str(ip_address(entry["gateway"])), entry.get("metric"))


def _dns(config: dict[str, Any]) -> tuple[list[str], list[str]]:
    servers: list[str] = []
    search: list[str] = []
    for entry in config["network"]["config"]:
        places = [(entry, "address", "search")] if entry["type"] == "nameserver" else []
        places += [(subnet, "dns_nameservers", "dns_search") for subnet in entry.get("subnets", ())]
        for place, addresses, domains in places:
            servers += [one for one in _texts(place.get(addresses)) if one not in servers]
            search += [one for one in _texts(place.get(domains)) if one not in search]
    return servers, search


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _datastores(entries: list[dict[str, Any]]) -> dict[str, tuple[Extent, ...]]:
    parts = {one["id"]: Extent(one["device"], one["number"], _bytes(one["size"])) for one in entries
             if one["type"] == "partition"}  # fmt: skip
    return {
        one["name"]: tuple(parts[name] for name in one["devices"])
        for one in entries if one["type"] == "vmfs6"
    }  # fmt: skip


def _bytes(size: Any) -> int:
    text = str(size)
    units = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)

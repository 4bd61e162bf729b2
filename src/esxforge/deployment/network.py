"""The section ``network`` of the configuration that MAAS will send, version 1.

Source: canonical/maas 3.7.3, ``src/maasserver/preseed_network.py``, and ``all_interfaces_parents_first`` in
``models/interface.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from esxforge.deployment import name_servers
from esxforge.deployment.answers import (
    Answers,
    Interface,
    Link,
    StaticRoute,
    Subnet,
)
from esxforge.deployment.auto_addresses import Guess
from esxforge.deployment.gateways import default_gateways
from esxforge.deployment.predicted import Unknowns


def predict_network(answers: Answers, guesses: Mapping[int, Guess], unknowns: Unknowns) -> dict[str, Any]:
    """The section; ``guesses`` has the addresses of AUTO links by the link's id. Raises MaasError."""
    return _Predictor(answers, guesses, unknowns).section()


def parents_first(interfaces: Sequence[Interface]) -> list[Interface]:
    """In MAAS's order: each interface without parents by name, followed by those that then have all of theirs."""
    by_name = sorted(interfaces, key=lambda one: one.name)
    waiting = [one for one in by_name if one.parents]
    known: set[str] = set()
    ordered: list[Interface] = []
    for root in (one for one in by_name if not one.parents):
        ordered.append(root)
        known.add(root.name)
        found = True
        while found:
            found = False
            for one in list(waiting):
                if known.issuperset(one.parents):
                    ordered.append(one)
                    known.add(one.name)
                    waiting.remove(one)
                    found = True
    return ordered


class _Predictor:
    def __init__(self, answers: Answers, guesses: Mapping[int, Guess], unknowns: Unknowns) -> None:
        self._answers = answers
        self._guesses = guesses
        self._unknowns = unknowns
        self._gateways = default_gateways(answers)
        self._with_gateway: set[int] = set()
        self._version = answers.capabilities
        self._by_name = {one.name: one for one in answers.interfaces}
        self._versions: set[int] = set()
        domains = sorted({one.name for one in answers.domains if one.authoritative and one.name})
        own = answers.machine.domain.name
        self._search = [own, *(name for name in domains if name != own)]

    def section(self) -> dict[str, Any]:
        config = [self._item(one) for one in parents_first(self._answers.interfaces) if self._is_enabled(one)]
        static = any(subnet["type"] == "static" for item in config for subnet in item.get("subnets", []))
        if static:
            config += self._name_server_item()
        return {"version": 1, "config": config}

    def _is_enabled(self, interface: Interface) -> bool:
        parents = [self._by_name[name] for name in interface.parents if name in self._by_name]
        return any(self._is_enabled(parent) for parent in parents) if parents else interface.enabled

    def _item(self, interface: Interface) -> dict[str, Any]:
        params = interface.params or {}
        item: dict[str, Any] = {
            key: _plain(value)
            for key, value in params.items()
            if not key.startswith(("bond_", "bridge_")) and key != "mtu"
        }
        item |= {"mtu": interface.effective_mtu, "id": interface.name, "name": interface.name, "type": interface.type}
        parents = sorted(interface.parents)
        if interface.type == "vlan":
            item |= {"vlan_link": parents[0] if parents else "", "vlan_id": interface.vlan.vid if interface.vlan else 0}
        else:
            item["mac_address"] = interface.mac_address
        if interface.type == "bond":
            item |= {"bond_interfaces": parents, "params": _bond_params(params)}
        if interface.type == "bridge":
            item |= {"bridge_interfaces": parents, "params": _bridge_params(params)}
        subnets = self._addresses(interface)
        return item | {"subnets": subnets} if subnets else item

    def _addresses(self, interface: Interface) -> list[dict[str, Any]]:
        links = sorted(interface.links, key=lambda link: link.id)
        fixed = [link for link in links if link.mode != "dhcp"]
        dhcp = self._dhcp([link for link in links if link.mode == "dhcp"])
        if not dhcp and (not fixed or (len(fixed) == 1 and fixed[0].mode == "link_up")):
            return [{"type": "manual"}]
        given: list[str] = []
        subnets = [self._static(interface, link, link.subnet, given) for link in fixed if link.subnet is not None]
        return subnets + ([{"type": dhcp}] if dhcp else [])

    def _dhcp(self, links: Sequence[Link]) -> str:
        versions: set[int] = set()
        for link in links:
            versions |= {link.subnet.version} if link.subnet is not None else {4, 6}
        self._versions |= versions
        return {(): "", (4,): "dhcp4", (6,): "dhcp6"}.get(tuple(sorted(versions)), "dhcp")

    def _static(self, interface: Interface, link: Link, subnet: Subnet, given: list[str]) -> dict[str, Any]:
        guess = self._guesses.get(link.id)
        address = link.ip_address or (guess.address if guess is not None else None)
        found: dict[str, Any] = {"type": "static", "address": f"{address}/{subnet.prefix_length}"}
        self._versions.add(subnet.version)
        if subnet.gateway_ip and subnet.version not in self._with_gateway and self._has_gateway(interface, subnet):
            found["gateway"] = subnet.gateway_ip
            self._with_gateway.add(subnet.version)
        servers = name_servers.of_subnet(self._answers, subnet, given, self._unknowns)
        if servers:
            found["dns_nameservers"] = servers
            if subnet.allow_dns or self._version.searches_without_dns:
                found["dns_search"] = self._search
        routes = [_route(route) for route in self._routes(subnet)]
        if routes:
            found["routes"] = routes
        return found

    def _has_gateway(self, interface: Interface, subnet: Subnet) -> bool:
        chosen = [one for one in self._gateways.values() if one.interface == interface.id]
        if self._version.gateway_at_its_own_subnet:
            return any(one.subnet.id == subnet.id for one in chosen)
        return bool(chosen)

    def _routes(self, subnet: Subnet) -> list[StaticRoute]:
        matching = [route for route in self._answers.static_routes if route.source.id == subnet.id]
        return sorted(matching, key=lambda route: route.id)

    def _name_server_item(self) -> list[dict[str, Any]]:
        versions = sorted(self._versions if 6 in self._versions else self._versions | {4})
        found = name_servers.of_host(self._answers, self._gateways, versions, self._unknowns)
        if found.with_own:
            self._unknowns.add("DNS server", "MAAS adds its own address, known once the deployment starts.")
        if not found.known and not found.with_own:
            return []
        return [{"type": "nameserver", "address": list(found.known), "search": self._search}]


def _plain(value: Any) -> Any:
    """Version 1 has 0 and 1 for truth."""
    return int(value) if isinstance(value, bool) else value


def _bond_params(params: Mapping[str, Any]) -> dict[str, Any]:
    found = {key.replace("_", "-"): _plain(value) for key, value in params.items() if key.startswith("bond_")}
    mode = found.get("bond-mode")
    if mode is not None and mode != "802.3ad":
        found.pop("bond-lacp-rate", None)
    if mode is not None and mode != "active-backup":
        found.pop("bond-num-grat-arp", None)
        found.pop("bond-num-unsol-na", None)
    return found


def _bridge_params(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in params.items() if key.startswith("bridge_") and key != "bridge_type"}


def _route(route: StaticRoute) -> dict[str, Any]:
    return {"destination": route.destination.cidr, "gateway": route.gateway_ip, "metric": route.metric}

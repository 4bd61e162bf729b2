"""Which link carries the default gateway: the API shows the gateway that MAAS chose, not the link.

Source: canonical/maas 3.7.3, ``Node.get_gateways_by_priority`` and ``Node.get_default_gateways``.
"""

from __future__ import annotations

from dataclasses import dataclass

from esxforge.deployment.answers import (
    Answers,
    DefaultGateway,
    Interface,
    Link,
    Subnet,
)
from esxforge.errors import MaasError

_RANK_OF_MODE = {"static": 1, "link_up": 1, "auto": 3}


@dataclass(frozen=True)
class Gateway:
    """A default gateway, and the interface and subnet that it is for."""

    interface: int
    subnet: Subnet
    address: str


def default_gateways(answers: Answers) -> dict[int, Gateway]:
    """MAAS's choice for each IP version that has one. Raises MaasError where MAAS's answers contradict each other."""
    shown = {4: answers.machine.default_gateways.ipv4, 6: answers.machine.default_gateways.ipv6}
    return {version: _gateway(answers, choice) for version, choice in shown.items() if choice.gateway_ip}


def _gateway(answers: Answers, choice: DefaultGateway) -> Gateway:
    address = choice.gateway_ip or ""
    for interface, link in _ranked(answers, choice.link_id):
        if link.subnet is not None and link.subnet.gateway_ip == address:
            return Gateway(interface.id, link.subnet, address)
    raise MaasError(
        f"MAAS's answers contradict each other: {address} is a default gateway of {answers.machine.label}, but of no "
        "subnet of its interfaces.",
        "Somebody may have changed the machine meanwhile: run the same command again.",
    )


def _ranked(answers: Answers, chosen: int | None) -> list[tuple[Interface, Link]]:
    """Links that can carry a gateway, the best first; a link that a person chose is the only one."""
    every = [(one, link) for one in answers.interfaces for link in one.links]
    if any(link.id == chosen and link.subnet is not None and link.subnet.gateway_ip for _, link in every):
        by_hand = [way for way in every if way[1].id == chosen]
        return sorted(by_hand, key=lambda way: (way[0].type, way[0].id))
    usable = [way for way in every if way[1].mode != "dhcp" and way[1].subnet is not None]
    return sorted(usable, key=lambda way: _priority(answers, *way))


def _priority(answers: Answers, interface: Interface, link: Link) -> tuple[bool, int, int, int, int]:
    boot = answers.machine.boot_interface
    if interface.type in ("bond", "bridge"):
        rank = 1
    elif interface.type == "physical":
        rank = 2 if boot is not None and boot.id == interface.id else 3
    else:
        rank = 4
    unmanaged = link.subnet is None or not link.subnet.vlan.dhcp_on
    return unmanaged, rank, _RANK_OF_MODE.get(link.mode, 9), interface.id, link.id

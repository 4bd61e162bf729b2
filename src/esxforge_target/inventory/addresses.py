"""Addresses in an inventory that are none: planning reckons with addresses, so it must never meet anything else."""

from ipaddress import ip_interface, ip_network
from typing import List

from esxforge_target.inventory.model import Inventory


def is_address(address: str, prefix_length: int = 0) -> bool:
    """Return whether this is an address (without a scope) that can have this prefix length."""
    try:
        ip_interface("{}/{}".format(address, prefix_length))
    except ValueError:
        return False
    return "%" not in address and "/" not in address


def is_network(network: str) -> bool:
    """Return whether this is a network with its prefix length, and no host in it."""
    try:
        ip_network(network)
    except ValueError:
        return False
    return "/" in network and "%" not in network


def odd_addresses(inventory: Inventory) -> "List[str]":
    """A sentence for each address, network or prefix length in a document that is none."""
    odd = []
    for index, vmk in enumerate(inventory.vmks):
        place = "inventory.vmks[{}]".format(index)
        if vmk.ipv4 not in ("static", "dhcp", "none"):
            odd.append("{}.ipv4 must be static, dhcp or none, not {!r}.".format(place, vmk.ipv4))
        if not is_address(vmk.address or "0.0.0.0", vmk.prefix_length) or ":" in vmk.address:  # noqa: S104
            odd.append("{}.address: {}/{} is no IPv4 address.".format(place, vmk.address, vmk.prefix_length))
        elif vmk.ipv4 == "static" and not vmk.address:
            odd.append("{}.address is missing for a static one.".format(place))
        if vmk.gateway and not is_address(vmk.gateway):
            odd.append("{}.gateway: {!r} is not an address.".format(place, vmk.gateway))
        for number, one in enumerate(vmk.ipv6_addresses):
            if ":" not in one.address or not is_address(one.address, one.prefix_length):
                odd.append(
                    "{}.ipv6_addresses[{}]: {}/{} is no IPv6 address.".format(
                        place, number, one.address, one.prefix_length
                    )
                )
    for index, route in enumerate(inventory.routes):
        place = "inventory.routes[{}]".format(index)
        if not is_network(route.network):
            odd.append("{}.network: {!r} is no network.".format(place, route.network))
        if not is_address(route.gateway):
            odd.append("{}.gateway: {!r} is not an address.".format(place, route.gateway))
    return odd

"""Set is not working: find the desired settings that do not work, as far as the host can see it."""

from ipaddress import ip_address, ip_network
from typing import List, Optional

from esxforge_target.contract.desired_host import DHCP6, DesiredHost
from esxforge_target.contract.management import management_of
from esxforge_target.inventory.model import Inventory, Vmk, VSwitch
from esxforge_target.plan.layout import DesiredVmk, layout_of
from esxforge_target.runtime.values import Value

# Addresses that an interface gives itself if no DHCP server answers (RFC 3927).
_SELF_GIVEN = ip_network("169.254.0.0/16")
DUPLICATE = "duplicate"
TENTATIVE = "tentative"


class Trouble(Value):
    """An interface that does not work: its name in MAAS, whether it is for management, and the problem."""

    __slots__ = ("interface", "management", "text")

    def __init__(self, interface: str, management: bool, text: str) -> None:
        self.interface = interface
        self.management = management
        self.text = text

    def __str__(self) -> str:
        return "network {}: {}".format(self.interface, self.text)


def not_working(desired: DesiredHost, inventory: Inventory) -> List[Trouble]:
    """Return what does not work; a lease, a link or the check of an IPv6 address may take its time."""
    found = []
    management = management_of(desired)
    for desired_vmk in layout_of(desired, inventory).vmks:
        vmk = next((one for one in inventory.vmks if one.port_group == desired_vmk.port_group), None)
        if vmk is None:
            continue
        vswitch = inventory.vswitch(inventory.vswitch_of(vmk))
        texts = _links(vmk, vswitch, inventory) + _addresses(desired_vmk, vmk)
        found += [Trouble(desired_vmk.interface, desired_vmk.management, text) for text in texts]
        if desired_vmk.dhcp6 and not any("dhcp" in one.origin for one in vmk.ipv6_addresses):
            needed = desired_vmk.management and management is not None and management.address.kind == DHCP6
            found.append(
                Trouble(desired_vmk.interface, needed, "no DHCPv6 server gave {} an address.".format(vmk.name))
            )
    return found


def has_lease(vmk: Vmk) -> bool:
    """Return whether a DHCP server gave the interface its IPv4 address."""
    return vmk.ipv4 == "dhcp" and bool(vmk.address) and ip_address(vmk.address) not in _SELF_GIVEN


def _links(vmk: Vmk, vswitch: "Optional[VSwitch]", inventory: Inventory) -> List[str]:
    uplinks = [nic for nic in inventory.nics if vswitch is not None and nic.name in vswitch.uplinks]
    if uplinks and all(nic.link_up is False for nic in uplinks):
        return [
            "none of its NICs has a link ({}), so {} is isolated.".format(
                ", ".join(nic.name for nic in uplinks), vmk.name
            )
        ]
    return []


def _addresses(desired_vmk: DesiredVmk, vmk: Vmk) -> List[str]:
    texts = []
    if desired_vmk.ipv4 == "dhcp" and not has_lease(vmk):
        texts.append("no DHCP server gave {} an address; it has {}.".format(vmk.name, vmk.address or "none"))
    for address in desired_vmk.ipv6:
        for one in vmk.ipv6_addresses:
            if one.address == address.address and one.status in (DUPLICATE, TENTATIVE):
                word = "another host has" if one.status == DUPLICATE else "it is not known yet whether another host has"
                texts.append("{} {}, so {} does not use it.".format(word, address.address, vmk.name))
    return texts

"""Check that the interfaces of MAAS fit together, and fit ESXi; what does not is rejected, with its location."""

from ipaddress import ip_address, ip_network
from typing import Dict, List, Set

from esxforge_target.contract.desired_host import BOND, DHCP4, DHCP6, NIC, STATIC, VLAN, Address, Interface, Route
from esxforge_target.curtin_config.network import NetworkSection
from esxforge_target.esxi.limits import (
    LARGEST_MTU,
    MOST_PORT_GROUPS,
    MOST_UPLINKS,
    MOST_VMKS,
    MOST_VSWITCHES,
    SMALLEST_MTU,
)
from esxforge_target.runtime.validation_errors import Problems, shown

LONGEST_PORT_GROUP_NAME = 79
# vSphere writes these escaped (%2f, %5c, %25) in names of port groups and datastores, so no one finds them again.
FORBIDDEN_IN_NAMES = "/\\%"


def resolve_references(network: NetworkSection, reasons: Problems) -> None:
    """Replace ids by names in bonds and VLANs, and refuse those that lie on nothing."""
    seen = set()  # type: Set[str]
    for interface in network.interfaces:
        if interface.name in seen:
            reasons.refuse(network.places[interface.name], "this name is given to two interfaces.")
        seen.add(interface.name)
    network.interfaces = [_resolved(interface, network, reasons) for interface in network.interfaces]


def _resolved(interface: Interface, network: NetworkSection, reasons: Problems) -> Interface:
    where = network.places[interface.name]
    kinds = {other.name: other.kind for other in network.interfaces}
    if interface.kind == VLAN and interface.link:
        link = network.ids.get(interface.link, interface.link)
        if kinds.get(link) == VLAN:
            reasons.refuse(where, "it lies on the VLAN {}; ESXi has no VLANs within VLANs.".format(shown(link)))
        elif link not in kinds:
            reasons.refuse(
                where, "it lies on {}, which is neither a NIC nor a bond of this machine.".format(shown(link))
            )
        return interface.replace(link=link)
    if interface.kind == BOND:
        members = [network.ids.get(member, member) for member in interface.members]
        for member in members:
            if kinds.get(member) != NIC:
                reasons.refuse(where, "its member {} is not a NIC of this machine.".format(shown(member)))
        if len(set(members)) != len(members):
            reasons.refuse(where, "a NIC is a member of it twice.")
        primary = network.ids.get(interface.primary, interface.primary)
        if primary and primary not in members:
            reasons.refuse(where, "its primary {} is none of its members.".format(shown(primary)))
        return interface.replace(
            members=tuple(members), primary=primary or _primary_by_mac(interface, members, network)
        )
    return interface


def _primary_by_mac(bond: Interface, members: List[str], network: NetworkSection) -> str:
    """Return the member whose MAC the bond has, as MAAS names the primary; the first member if there is none."""
    for other in network.interfaces:
        if other.name in members and bond.mac and other.mac == bond.mac:
            return other.name
    return members[0] if members else ""


def check_network(network: NetworkSection, reasons: Problems) -> None:
    """Refuse what contradicts itself or what ESXi cannot do."""
    _check_members(network, reasons)
    _check_macs(network, reasons)
    _check_names(network, reasons)
    _check_vlan_ids(network, reasons)
    _check_mtus(network, reasons)
    _check_addresses(network, reasons)
    _check_gateways(network, reasons)
    _check_numbers(network, reasons)


def _check_numbers(network: NetworkSection, reasons: Problems) -> None:
    for bond in network.interfaces:
        if len(bond.members) > MOST_UPLINKS:
            reasons.refuse(
                network.places[bond.name],
                "it has {} NICs; a team of ESXi takes {}.".format(len(bond.members), MOST_UPLINKS),
            )
    count = sum(_vmks(one) for one in network.interfaces)
    if count > MOST_VMKS:
        reasons.refuse("network", "its addresses need {} VMkernel interfaces; ESXi has {}.".format(count, MOST_VMKS))
    groups = {}  # type: Dict[str, int]
    for one in network.interfaces:
        if one.addresses or one.link or one.kind == BOND:
            base = one.link or one.name
            groups[base] = groups.get(base, 0) + max(_vmks(one), 1)
    if len(groups) > MOST_VSWITCHES:
        reasons.refuse(
            "network", "it needs {} standard vSwitches; ESXi has at most {}.".format(len(groups), MOST_VSWITCHES)
        )
    for base in sorted(groups):
        if groups[base] > MOST_PORT_GROUPS:
            reasons.refuse(
                network.places.get(base, "network"),
                "it carries {} networks; a standard vSwitch has at most {} port groups.".format(
                    groups[base], MOST_PORT_GROUPS
                ),
            )


def _vmks(interface: Interface) -> int:
    """One for each IPv4 address; those of IPv6 share the first."""
    return max(len([one for one in interface.addresses if one.version == 4]), 1 if interface.addresses else 0)


def leave_unneeded(network: NetworkSection, reasons: Problems) -> None:
    """Leave out what ESXi cannot make where no address needs it, with what lies on it: that is told, not refused."""
    needed = _needed(network)
    left = set()  # type: Set[str]
    for interface in network.interfaces:
        prefix = network.places[interface.name] + ": "
        odd = [one for one in reasons.reasons if one.startswith(prefix)]
        # Two NICs with one MAC address cannot be told apart, whichever of them is needed.
        if interface.name in needed or not odd or any("MAC address" in one for one in odd):
            continue
        left.add(interface.name)
        reasons.reasons = [one for one in reasons.reasons if one not in odd]
        for one in odd:
            reasons.notice(prefix[:-2], one[len(prefix) :] + " No address needs it, so it is left out.")
    left.update(one.name for one in network.interfaces if one.link in left or left & set(one.members))
    left.update(one.name for one in network.interfaces if one.link in left)
    network.interfaces = [one for one in network.interfaces if one.name not in left]


def _needed(network: NetworkSection) -> Set[str]:
    by_name = {one.name: one for one in network.interfaces}
    needed = set()  # type: Set[str]
    waiting = [one.name for one in network.interfaces if one.name in network.asking]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in needed:
            needed.add(name)
            waiting += list(by_name[name].members) + [by_name[name].link]
    return needed


def _check_members(network: NetworkSection, reasons: Problems) -> None:
    bond_of = {}  # type: Dict[str, str]
    for bond in network.interfaces:
        for member in sorted(set(bond.members)):
            if member in bond_of:
                reasons.refuse(
                    network.places[bond.name],
                    "its member {} belongs to {} already.".format(shown(member), shown(bond_of[member])),
                )
            bond_of[member] = bond.name
    for interface in network.interfaces:
        if interface.name in bond_of and interface.addresses:
            reasons.refuse(
                network.places[interface.name],
                "it is a member of {} and cannot have addresses of its own.".format(shown(bond_of[interface.name])),
            )
        if interface.link in bond_of:
            reasons.refuse(
                network.places[interface.name],
                "it lies on {}, a member of {}; put it on the bond.".format(
                    shown(interface.link), shown(bond_of[interface.link])
                ),
            )


def _check_macs(network: NetworkSection, reasons: Problems) -> None:
    owner = {}  # type: Dict[str, str]
    for nic in network.interfaces:
        if nic.kind == NIC and nic.mac:
            if nic.mac in owner and owner[nic.mac] != nic.name:
                reasons.refuse(
                    network.places[nic.name], "{} has the same MAC address {}.".format(shown(owner[nic.mac]), nic.mac)
                )
            owner[nic.mac] = nic.name


def _check_names(network: NetworkSection, reasons: Problems) -> None:
    names = {}  # type: Dict[str, str]
    for interface in network.interfaces:
        where = network.places[interface.name]
        desired = [interface.name] + ["{}:{}".format(interface.name, one.alias) for one in interface.addresses[1:]]
        for name in desired:
            if len(name) > LONGEST_PORT_GROUP_NAME or not name.isprintable():
                reasons.refuse(
                    where, "ESXi takes printable names of at most {} characters.".format(LONGEST_PORT_GROUP_NAME)
                )
            if name.startswith("-"):
                reasons.refuse(where, "esxcli would take its name for an option; rename the interface.")
            if any(character in name for character in FORBIDDEN_IN_NAMES):
                reasons.refuse(where, "ESXi does not allow “/”, “\\” or “%” in the name of a port group.")
            if name in ("Management Network", "VM Network"):
                reasons.refuse(where, "ESXi has a port group of this name of its own; rename the interface.")
            if names.setdefault(name, interface.name) != interface.name:
                reasons.refuse(where, "an alias of {} gets the same name {}.".format(shown(names[name]), shown(name)))


def _check_vlan_ids(network: NetworkSection, reasons: Problems) -> None:
    seen = {}  # type: Dict[object, str]
    for vlan in network.interfaces:
        if vlan.kind == VLAN and vlan.vlan_id:
            key = (vlan.link, vlan.vlan_id)
            if key in seen:
                reasons.refuse(
                    network.places[vlan.name],
                    "VLAN {} on {} is {} already.".format(vlan.vlan_id, shown(vlan.link), shown(seen[key])),
                )
            seen.setdefault(key, vlan.name)


def _check_mtus(network: NetworkSection, reasons: Problems) -> None:
    by_name = {interface.name: interface for interface in network.interfaces}
    for interface in network.interfaces:
        where = network.places[interface.name]
        if interface.mtu is not None and not SMALLEST_MTU <= interface.mtu <= LARGEST_MTU:
            reasons.refuse(where, "MTU {}: ESXi takes {} to {} bytes.".format(interface.mtu, SMALLEST_MTU, LARGEST_MTU))
        for below in [interface.link] + list(interface.members):
            carrier = by_name.get(below)
            if carrier is None or not _carries_less(carrier, interface):
                continue
            reasons.refuse(
                where,
                "MTU {} conflicts with {} of {}: both share one vSwitch, and the carrier must not have less.".format(
                    interface.mtu or 1500, carrier.mtu or 1500, shown(below)
                ),
            )


def _carries_less(carrier: Interface, above: Interface) -> bool:
    if above.kind == BOND and carrier.mtu is None:
        return False  # a member without a word takes what its bond says
    return (carrier.mtu or 1500) < (above.mtu or carrier.mtu or 1500)


def _check_addresses(network: NetworkSection, reasons: Problems) -> None:
    owner = {}  # type: Dict[str, str]
    subnets = {}  # type: Dict[str, str]
    for interface in network.interfaces:
        where = network.places[interface.name]
        for kind in (DHCP4, DHCP6):
            if len([one for one in interface.addresses if one.kind == kind]) > 1:
                reasons.refuse(where, "it asks for {} twice.".format(kind))
        for address in interface.addresses:
            if address.kind != STATIC:
                continue
            if address.address in owner:
                reasons.refuse(
                    where, "{} has the address {} already.".format(shown(owner[address.address]), address.address)
                )
            owner.setdefault(address.address, interface.name)
            subnet = str(ip_network(address.cidr, strict=False))
            if subnets.setdefault(subnet, interface.name) != interface.name and ip_network(subnet).num_addresses > 1:
                reasons.notice(
                    where,
                    "{} is on {} too; ESXi sends all traffic for a network through one of the two.".format(
                        shown(subnets[subnet]), subnet
                    ),
                )


def _check_gateways(network: NetworkSection, reasons: Problems) -> None:
    own = {address.address for one in network.interfaces for address in one.addresses}
    any_dhcp = {address.version for one in network.interfaces for address in one.addresses if address.kind != STATIC}
    statics = [address for one in network.interfaces for address in one.addresses if address.kind == STATIC]
    for interface in network.interfaces:
        for address in interface.addresses:
            _check_gateway(network.places[interface.name], address, own, reasons)
    _choose_by_metric(network, reasons)
    vias = {}  # type: Dict[str, str]
    for route in network.routes:
        where = "network route to {}".format(route.destination)
        if ip_address(route.gateway).is_link_local:
            reasons.refuse(where, "gateway {} is link-local; ESXi needs a global address.".format(route.gateway))
        elif not any(address.reaches(route.gateway) for address in statics) and route.version not in any_dhcp:
            reasons.refuse(where, "gateway {} is on no network of this machine.".format(route.gateway))
        elif vias.setdefault(route.destination, route.gateway) != route.gateway:
            reasons.refuse(
                where,
                "there are two gateways, {} and {}; ESXi takes one.".format(vias[route.destination], route.gateway),
            )


def _choose_by_metric(network: NetworkSection, reasons: Problems) -> None:
    """ESXi has one route to a destination and no metrics: the one with the lowest stays, as Linux would use it."""
    best = {}  # type: Dict[str, int]
    for route, metric in zip(network.routes, network.metrics):
        best[route.destination] = min(metric, best.get(route.destination, metric))
    kept = []  # type: List[Route]
    for route, metric in zip(network.routes, network.metrics):
        if metric > best[route.destination]:
            reasons.notice(
                "network route to {}".format(route.destination),
                "ESXi has no metrics; the gateway {} with the metric {} is not used, as one with {} is there.".format(
                    route.gateway, metric, best[route.destination]
                ),
            )
        elif route not in kept:
            kept.append(route)
    network.routes = kept


def _check_gateway(where: str, address: Address, own: Set[str], reasons: Problems) -> None:
    if not address.gateway:
        return
    if ip_address(address.gateway).is_link_local and address.version == 6:
        reasons.refuse(
            where,
            "gateway {} is link-local; give ESXi a global gateway address, or let the interface accept router "
            "advertisements.".format(address.gateway),
        )
    elif not address.reaches(address.gateway):
        reasons.refuse(where, "gateway {} is not on the network of {}.".format(address.gateway, address.cidr))
    elif address.gateway in own:
        reasons.refuse(where, "gateway {} is an address of this machine.".format(address.gateway))

"""Whether a desired host that was read from a document hangs together: planning follows its references and
addresses."""

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, Callable, Dict, List

from esxforge_target.contract.desired_host import BOND, STATIC, VLAN, DesiredHost, Interface


def contradictions(desired: DesiredHost) -> "List[str]":
    """A sentence for each reference that leads nowhere and each address that is none; a host of ours has no such."""
    return _network(desired) + _storage(desired)


def _network(desired: DesiredHost) -> "List[str]":
    odd = _repeated("interfaces", [one.name for one in desired.interfaces])
    names = {one.name: one.kind for one in desired.interfaces}
    for index, interface in enumerate(desired.interfaces):
        place = "desired.interfaces[{}]".format(index)
        odd += ["{}: {}.".format(place, text) for text in _interface(interface, names)]
    for index, route in enumerate(desired.routes):
        if not _is(ip_network, route.destination) or not _is(ip_address, route.gateway):
            odd.append("desired.routes[{}] is not a route.".format(index))
        elif ip_network(route.destination).version != ip_address(route.gateway).version:
            odd.append("desired.routes[{}] mixes IPv4 and IPv6.".format(index))
    for name in ("name_servers", "maas.addresses"):
        addresses = desired.maas.addresses if "." in name else desired.name_servers
        odd += [
            "desired.{} holds what is not an address.".format(name) for one in addresses if not _is(ip_address, one)
        ]
    return odd


def _interface(interface: Interface, names: "Dict[str, str]") -> "List[str]":
    odd = []
    if (interface.kind == VLAN) != bool(interface.link) or names.get(interface.link, "") == VLAN:
        odd.append("only a VLAN lies on another interface, which is not a VLAN")
    if (interface.kind == BOND) != bool(interface.members):
        odd.append("only a bond has members, and it has some")
    if interface.members and interface.primary not in interface.members:
        odd.append("its primary is not one of its members")
    if any(one and one not in names for one in (interface.link,) + interface.members):
        odd.append("it refers to an interface that is missing")
    for address in interface.addresses:
        if address.kind != STATIC:
            continue
        if "/" in address.address or not _is(ip_interface, address.cidr):
            odd.append("it has an address that is none")
        elif address.gateway and not _is(ip_address, address.gateway):
            odd.append("it has a gateway that is not an address")
    return odd


def _storage(desired: DesiredHost) -> "List[str]":
    disks = [disk.id for disk in desired.disks]
    partitions = {one.id: one.disk for one in desired.partitions}
    odd = _repeated("disks", disks) + _repeated("partitions", [one.id for one in desired.partitions])
    odd += _repeated("datastores", [one.name for one in desired.datastores])
    if len([disk for disk in desired.disks if disk.boot]) != 1:
        odd.append("desired.disks has not exactly one boot disk.")
    for index, datastore in enumerate(desired.datastores):
        if not datastore.partitions:
            odd.append("desired.datastores[{}] has no partition.".format(index))
        if any(partitions.get(one) not in disks for one in datastore.partitions):
            odd.append("desired.datastores[{}] refers to a partition or a disk that is missing.".format(index))
    return odd


def _repeated(what: str, names: "List[str]") -> "List[str]":
    return ["desired.{} has two of one name.".format(what)] if len(set(names)) != len(names) else []


def _is(kind: "Callable[[str], Any]", text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return "%" not in text

"""The section ``network`` of curtin's configuration (version 1, the only one that MAAS sends for ESXi)."""

import re
from ipaddress import ip_address, ip_interface, ip_network
from typing import Dict, List, Optional, Set, Tuple

from esxforge_target.contract.bond_modes import DEFAULT, ON_ESXI, bond_mode
from esxforge_target.contract.desired_host import BOND, DHCP4, DHCP6, NIC, STATIC, VLAN, Address, Interface, Route
from esxforge_target.curtin_config.reader import Item
from esxforge_target.runtime.validation_errors import shown

# Linux' numbers of the bond modes are taken as well as their names.
HARMLESS_BOND_KEYS = (
    "bond-ad-select",
    "bond-all-slaves-active",
    "bond-downdelay",
    "bond-fail-over-mac",
    "bond-lacp-rate",
    "bond-miimon",
    "bond-num-grat-arp",
    "bond-primary-reselect",
    "bond-updelay",
    "bond-use-carrier",
    "bond-xmit-hash-policy",
)
_MAC = re.compile(r"\A[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")
_NO_MODE = "no bond mode is given; Linux' default {} is used.".format(DEFAULT)


class NetworkSection:
    """Contents of the section, before checks of its consistency."""

    def __init__(self) -> None:
        self.interfaces = []  # type: List[Interface]
        self.places = {}  # type: Dict[str, str]
        self.ids = {}  # type: Dict[str, str]
        self.routes = []  # type: List[Route]
        self.metrics = []  # type: List[int]
        self.name_servers = []  # type: List[str]
        self.search_domains = []  # type: List[str]
        # Names of interfaces that ask for an address, malformed ones too.
        self.asking = set()  # type: Set[str]


def read_network(section: Item) -> NetworkSection:
    """Read the section. Everything that cannot be read goes to the reasons of ``section``."""
    network = NetworkSection()
    version = section.get("version")
    if version not in (1, "1"):
        section.refuse("only version 1 is known, this is {}.".format(shown(version)))
        return network
    if not isinstance(section.get("config"), list):
        section.refuse("config must be a list of interfaces.")
        return network
    readers = {NIC: _read_nic, BOND: _read_bond, VLAN: _read_vlan}
    for index, item in enumerate(section.items("config")):
        kind = item.text("type")
        name = item.text("name") or item.text("id")
        item.where = "network {}".format(name or "config[{}]".format(index))
        if kind in readers:
            interface = readers[kind](item, name, network)
            if interface is not None:
                network.interfaces.append(interface)
                network.places[name] = item.where
                network.ids[item.text("id") or name] = name
                network.ids.setdefault(name, name)
        else:
            _read_other(item, kind, network)
    section.name_unknown()
    return network


def _read_other(item: Item, kind: str, network: NetworkSection) -> None:
    if kind == "nameserver":
        _read_name_servers(item, "address", "search", network)
        item.get("interface")
        item.name_unknown()
    elif kind == "route":
        _read_route(item, network)
    elif kind == "bridge":
        carriers = ", ".join(item.texts("bridge_interfaces")) or "its interface"
        if any(subnet.text("type").lower() != "manual" for subnet in item.items("subnets")):
            item.refuse("ESXi has no bridges; remove the bridge in MAAS and give its addresses to {}.".format(carriers))
        else:
            item.notice("ESXi has no bridges; this one has no address and is left out.")
    elif kind == "loopback":
        item.notice("the loopback interface is not configured on ESXi.")
    elif not kind:
        item.refuse("type is missing.")
    else:
        item.refuse("interfaces of type {} are not known.".format(shown(kind)))


def _read_nic(item: Item, name: str, network: NetworkSection) -> Optional[Interface]:
    mac = _read_mac(item, True)
    return _finish(item, name, network, NIC, mac=mac)


def _read_bond(item: Item, name: str, network: NetworkSection) -> Optional[Interface]:
    members = item.texts("bond_interfaces")
    if not members:
        item.refuse("a bond needs NICs in bond_interfaces.")
    params = item.item("params")
    mode, primary = DEFAULT, ""
    if params is None:
        item.notice(_NO_MODE)
    else:
        renamed = {str(key).replace("_", "-"): value for key, value in params.values.items()}
        params = Item(renamed, item.where, item.reasons)
        mode = _read_bond_mode(params)
        primary = params.text("bond-primary")
        if params.get("bond-arp-interval") or params.get("bond-arp-ip-target"):
            params.notice("ESXi watches the link of a team's NICs, not ARP answers.")
        params.name_unknown(HARMLESS_BOND_KEYS)
    return _finish(
        item,
        name,
        network,
        BOND,
        mac=_read_mac(item, False),
        members=tuple(members),
        bond_mode=mode,
        primary=primary,
    )


def _read_bond_mode(params: Item) -> str:
    mode = params.text("bond-mode").lower()
    if not mode:
        params.notice(_NO_MODE)
        return DEFAULT
    known = bond_mode(mode)
    if known is None or not known.load_balancing:
        name = shown(known.name if known else mode)
        choice = ", ".join(one.name for one in ON_ESXI)
        params.refuse("ESXi has no bond mode {}; choose one of {}.".format(name, choice))
        return mode
    if known.notice:
        params.notice(known.notice)
    return known.name


def _read_vlan(item: Item, name: str, network: NetworkSection) -> Optional[Interface]:
    link = item.text("vlan_link")
    if not link:
        item.refuse("a VLAN needs an interface in vlan_link.")
    number = item.number("vlan_id", required=True)
    if number is not None and not 1 <= number <= 4094:
        item.refuse("a VLAN id is between 1 and 4094, not {}.".format(number))
    item.get("mac_address")
    return _finish(item, name, network, VLAN, link=link, vlan_id=number or 0)


def _read_mac(item: Item, required: bool) -> str:
    mac = item.text("mac_address", required).lower().replace("-", ":")
    if mac and not _MAC.match(mac):
        item.refuse("mac_address {} is not a MAC address.".format(shown(mac)))
        return ""
    if mac and int(mac[:2], 16) & 1:
        item.refuse("mac_address {} is a multicast address; a NIC cannot have it.".format(mac))
    return mac


def _finish(  # noqa: PLR0917  # one for each field of an interface
    item: Item,
    name: str,
    network: NetworkSection,
    kind: str,
    mac: str = "",
    members: Tuple[str, ...] = (),
    bond_mode: str = "",
    primary: str = "",
    link: str = "",
    vlan_id: int = 0,
) -> Optional[Interface]:
    mtu = item.number("mtu")
    router_advertisements = item.truth("accept-ra")
    addresses = []  # type: List[Address]
    for subnet in item.items("subnets"):
        alias = len(addresses)
        subnet.where = "{} subnet {}".format(item.where, alias + 1)
        if subnet.text("type").lower() != "manual":
            network.asking.add(name)
        address = _read_subnet(subnet, alias, network)
        if address is not None:
            addresses.append(address)
    item.name_unknown(("id", "name", "autoconf"))
    if not name:
        item.refuse("an interface needs a name.")
        return None
    return Interface(
        name, kind, mac, mtu, members, bond_mode, primary, link, vlan_id, tuple(addresses), router_advertisements
    )


def _read_subnet(subnet: Item, alias: int, network: NetworkSection) -> Optional[Address]:
    kind = subnet.text("type").lower()
    _read_name_servers(subnet, "dns_nameservers", "dns_search", network)
    for route in subnet.items("routes"):
        _read_route(route, network)
    known = {"dhcp": DHCP4, "dhcp4": DHCP4, "dhcp6": DHCP6, "static": STATIC, "static6": STATIC}
    if kind == "manual":
        subnet.name_unknown(("address", "netmask", "gateway", "metric", "control"))
        return None
    if kind not in known:
        subnet.refuse("subnets of type {} are not known.".format(shown(kind)) if kind else "type is missing.")
        return None
    address = _read_static(subnet, alias) if known[kind] == STATIC else Address(known[kind], alias=alias)
    if known[kind] != STATIC and subnet.text("gateway"):
        subnet.notice("the gateway comes from DHCP; the one given here is not used.")
    subnet.name_unknown(("metric", "control", "address", "netmask"))
    return address


def _read_static(subnet: Item, alias: int) -> Optional[Address]:
    text = subnet.text("address", required=True)
    netmask = subnet.text("netmask")
    gateway = subnet.text("gateway")
    if not text:
        return None
    if "/" not in text:
        if not netmask:
            subnet.refuse("address {} lacks its prefix length, as in 192.0.2.10/24.".format(shown(text)))
            return None
        text = "{}/{}".format(text, netmask)
    try:
        interface = ip_interface(_without_scope(text))
    except ValueError:
        subnet.refuse("{} is not an address with a prefix length.".format(shown(text)))
        return None
    if _is_no_host(subnet, text):
        return None
    gateway_address = _read_gateway(subnet, gateway, interface.version)
    return Address(STATIC, str(interface.ip), interface.network.prefixlen, gateway_address, alias)


def _is_no_host(subnet: Item, text: str) -> bool:
    interface = ip_interface(text)
    ip, net = interface.ip, interface.network
    if ip.is_multicast or ip.is_loopback or ip.is_unspecified or net.prefixlen == 0:
        subnet.refuse("{} is not an address that a host can have.".format(text))
        return True
    if ip.version == 6 and ip.is_link_local:
        subnet.refuse("{} is a link-local address, which ESXi gives itself; give it a global one in MAAS.".format(text))
        return True
    if ip.version == 4 and net.prefixlen < 31 and ip in (net.network_address, net.broadcast_address):
        subnet.refuse("{} is the network's own address or its broadcast address.".format(text))
        return True
    return False


def _read_gateway(subnet: Item, text: str, version: int) -> str:
    if not text:
        return ""
    try:
        gateway = ip_address(_without_scope(text))
    except ValueError:
        subnet.refuse("gateway {} is not an address.".format(shown(text)))
        return ""
    if gateway.version != version:
        subnet.refuse("gateway {} is not of the address's IP version.".format(gateway))
        return ""
    return str(gateway)


def _without_scope(text: str) -> str:
    """Return an address's text. ValueError if it has a scope: from 3.9 on Python takes fe80::1%eth0, ESXi does not."""
    if "%" in text:
        raise ValueError("{} names an interface of Linux".format(shown(text)))
    return text


def _read_name_servers(item: Item, servers: str, domains: str, network: NetworkSection) -> None:
    for text in item.texts(servers):
        try:
            server = str(ip_address(_without_scope(text)))
        except ValueError:
            item.refuse("DNS server {} is not an address.".format(shown(text)))
            continue
        if server not in network.name_servers:
            network.name_servers.append(server)
    for text in item.texts(domains):
        domain = text.rstrip(".")
        if not re.match(r"\A[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})\Z", domain):
            item.refuse("DNS search domain {} is not a domain name.".format(shown(domain)))
        elif domain not in network.search_domains:
            network.search_domains.append(domain)


def _read_route(route: Item, network: NetworkSection) -> None:
    destination = route.text("destination") or route.text("network")
    netmask = route.text("netmask")
    gateway = route.text("gateway")
    if not destination or not gateway:
        route.refuse("a route needs a destination and a gateway.")
        return
    if destination == "default":
        destination = "::/0" if ":" in gateway else "0.0.0.0/0"
    if "/" not in destination and netmask:
        destination = "{}/{}".format(destination, netmask)
    try:
        net = ip_network(destination)
        via = ip_address(_without_scope(gateway))
    except ValueError as error:
        route.refuse("this is not a route: {}.".format(error))
        return
    if net.version != via.version:
        route.refuse("destination {} and gateway {} differ in IP version.".format(net, via))
        return
    metric = route.number("metric") or 0  # Linux' own where none is named
    found = Route(str(net), str(via))
    network.metrics.append(metric)
    network.routes.append(found)
    route.name_unknown(("id", "type"))

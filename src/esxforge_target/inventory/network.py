"""What a host's network is: NICs, vSwitches, port groups, VMkernel interfaces, routes and DNS."""

from ipaddress import ip_address, ip_network
from typing import Dict, List, Tuple

from esxforge_target.esxi.esxcli import Esxcli, Record
from esxforge_target.inventory.addresses import is_address, is_network
from esxforge_target.inventory.model import (
    DEFAULT_NETSTACK,
    Ipv6Address,
    PhysicalNic,
    PortGroup,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)
from esxforge_target.runtime.numbers import is_whole

MANAGEMENT_PORT_GROUP = "Management Network"
# What `policy failover get` calls what `policy failover set` calls otherwise.
_NOWHERE = ("", "0.0.0.0", "::")  # noqa: S104  # nothing is bound to it
_LOAD_BALANCING = {"srcport": "portid", "srcmac": "mac", "ip": "iphash"}


def read_nics(esxcli: Esxcli) -> Tuple[PhysicalNic, ...]:
    """The physical NICs. Their order is esxcli's, which sorts as text (vmnic1, vmnic10, vmnic2): it means nothing."""
    return tuple(
        PhysicalNic(
            record.text("name"),
            record.text("macaddress").lower(),
            record.text("driver"),
            record.truth("linkstatus", "link"),
            record.number("mtu"),
        )
        for record in esxcli.records("network nic list")
    )


def read_vswitches(esxcli: Esxcli) -> Tuple[VSwitch, ...]:
    """The standard vSwitches with their teams: one process for all, and one each for the team."""
    vswitches = []
    for record in esxcli.records("network vswitch standard list"):
        name = record.text("name")
        policy = esxcli.records("network vswitch standard policy failover get", "-v", name)
        vswitches.append(
            VSwitch(
                name, record.number("mtu"), tuple(record.names("uplinks")), _team(policy[0] if policy else Record({}))
            )
        )
    return tuple(vswitches)


def _team(policy: Record) -> Team:
    kind = policy.text("loadbalancing").lower()
    return Team(
        _LOAD_BALANCING.get(kind, kind),
        tuple(policy.names("activeadapters", "activeuplinks")),
        tuple(policy.names("standbyadapters", "standbyuplinks")),
    )


def read_port_groups(esxcli: Esxcli) -> Tuple[PortGroup, ...]:
    """The port groups. Only the one for management is asked whether it overrides its vSwitch's team: ESXi's own does
    on some releases, and then NICs added to the vSwitch later do not carry it.
    """
    groups = []
    for record in esxcli.records("network vswitch standard portgroup list"):
        name = record.text("name")
        overrides = False
        if name == MANAGEMENT_PORT_GROUP:
            policy = esxcli.records("network vswitch standard portgroup policy failover get", "-p", name)
            overrides = (
                any(policy[0].truth(key) for key in ("overridevswitchuplinks", "overridevswitchloadbalancing"))
                if policy
                else False
            )
        groups.append(PortGroup(name, record.text("virtualswitch"), record.number("vlanid"), overrides))
    return tuple(groups)


def read_vmks(esxcli: Esxcli) -> Tuple[Vmk, ...]:
    """The VMkernel interfaces with all their addresses."""
    ipv4 = _by_name(esxcli.records("network ip interface ipv4 get"))
    ipv6 = _by_name(esxcli.records("network ip interface ipv6 get"))
    addresses = esxcli.records("network ip interface ipv6 address list")
    vmks = []
    for record in esxcli.records("network ip interface list"):
        name = record.text("name")
        four, six = ipv4.get(name, Record({})), ipv6.get(name, Record({}))
        kind, address, prefix_length = _ipv4(four)
        tags = []  # type: List[str]
        if name == "vmk0":
            tags = [
                tag for one in esxcli.records("network ip interface tag get", "-i", name) for tag in one.names("tags")
            ]
        vmks.append(
            Vmk(
                name,
                record.text("macaddress").lower(),
                record.text("portgroup"),
                record.text("netstackinstance") or DEFAULT_NETSTACK,
                record.number("mtu"),
                kind,
                address,
                prefix_length,
                four.truth("dhcpdns"),
                six.truth("ipv6enabled", "enableipv6") if six.has("ipv6enabled") or six.has("enableipv6") else True,
                six.truth("dhcpv6enabled", "dhcpv6"),
                six.truth("routeradvenabled", "routeradv", "routeradvertisementenabled"),
                tuple(_ipv6_addresses([one for one in addresses if one.text("interface", "name") == name])),
                tuple(tags),
            )
        )
    return tuple(vmks)


def _by_name(records: List[Record]) -> Dict[str, Record]:
    return {record.text("name", "interface"): record for record in records}


def _ipv4(record: Record) -> Tuple[str, str, int]:
    kind = record.text("addresstype", "type").lower()
    address = record.text("ipv4address")
    nowhere = address in _NOWHERE or not is_address(address)
    if kind not in ("static", "dhcp") or (kind == "static" and nowhere):
        return "none", "", 0
    if kind == "dhcp" and nowhere:
        return "dhcp", "", 0
    return kind, address, prefix_length_of(record.text("ipv4netmask"))


def _ipv6_addresses(records: List[Record]) -> List[Ipv6Address]:
    """The addresses of an interface; what is none (a tentative one without prefix, say) is not ours, and left out."""
    found = []
    for record in records:
        address, _, prefix = record.text("address", "ipv6address").partition("/")
        address = address.split("%")[0]
        length = int(prefix) if is_whole(prefix) else record.number("netmask", "prefixlength", "prefix")
        if is_address(address, length):
            found.append(Ipv6Address(_canonical(address), length, record.text("type", "origin").lower()))
    return found


def _canonical(address: str) -> str:
    try:
        return str(ip_address(address))
    except ValueError:
        return address


def prefix_length_of(netmask: str) -> int:
    """24 of ``255.255.255.0`` (or of ``24``); 0 where it is no netmask."""
    try:
        return ip_network("0.0.0.0/{}".format(netmask), strict=False).prefixlen
    except ValueError:
        return 0


def read_routes(esxcli: Esxcli) -> Tuple[RouteEntry, ...]:
    """The routes through gateways on the default stack, IPv4 and IPv6; those to connected networks are left out."""
    routes = []
    for version, everything in (("ipv4", "0.0.0.0/0"), ("ipv6", "::/0")):
        for record in esxcli.records("network ip route {} list".format(version)):
            gateway, network = record.text("gateway").split("%")[0], _network(record, everything)
            if gateway in _NOWHERE or not is_address(gateway) or not is_network(network):
                continue
            routes.append(
                RouteEntry(
                    network,
                    _canonical(gateway),
                    record.text("interface"),
                    record.text("source").upper(),
                )
            )
    return tuple(routes)


def _network(record: Record, everything: str) -> str:
    network = record.text("network")
    if network and network.lower() in ("default",) + _NOWHERE:
        return everything
    if "/" not in network:
        network = "{}/{}".format(network, record.text("netmask", "prefixlength", "prefix"))
    try:
        return str(ip_network(network, strict=False))
    except ValueError:
        return network


def read_dns(esxcli: Esxcli) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """The name servers and the search domains, in order."""
    servers = [name for one in esxcli.records("network ip dns server list") for name in one.names("dnsservers")]
    domains = [name for one in esxcli.records("network ip dns search list") for name in one.names("dnssearchdomains")]
    return tuple(_canonical(server) for server in servers), tuple(domains)

"""Read a host's network: NICs, vSwitches, port groups, VMkernel interfaces, routes and DNS.

Data on which the plan or an undo relies must be in ESXi's answer: these functions raise ``CommandError`` if it is not,
or if two answers contradict each other, as they do for a moment when one of them lags behind.
"""

from ipaddress import ip_address, ip_network
from typing import Container, Dict, List, Optional, Tuple

from esxforge_target.esxi.esxcli import CommandError, Esxcli, Record, by_name, single
from esxforge_target.inventory.addresses import is_address
from esxforge_target.inventory.model import (
    DEFAULT_NETSTACK,
    FAILOVER,
    SECURITY,
    Inventory,
    Ipv6Address,
    PhysicalNic,
    Policy,
    PortGroup,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)
from esxforge_target.runtime.numbers import is_whole

MANAGEMENT_PORT_GROUP = "Management Network"
VM_PORT_GROUP = "VM Network"
_NOWHERE = ("0.0.0.0", "::")  # noqa: S104  # nothing is bound to it
# Names in `policy failover get` that differ from those in `policy failover set`.
_LOAD_BALANCING = {"srcport": "portid", "srcmac": "mac", "ip": "iphash"}
_STANDARD = "network vswitch standard"
# Fields of a port group's policies and the options that set them (esxcli reference of 6.5 to 8.0).
_FAILOVER_FIELDS = (
    ("loadbalancing", "load-balancing"),
    ("networkfailuredetection", "failure-detection"),
    ("notifyswitches", "notify-switches"),
    ("failback", "failback"),
)
_SECURITY_FIELDS = (
    ("allowpromiscuous", "allow-promiscuous"),
    ("allowmacaddresschange", "allow-mac-change"),
    ("allowforgedtransmits", "allow-forged-transmits"),
)
_OVERRIDE = "overridevswitch"
_CONTRADICTION = "A list may lag behind for a moment; if it stays so, restart hostd and report it with the release."


def read_nics(esxcli: Esxcli) -> Tuple[PhysicalNic, ...]:
    """Return the physical NICs. Their order is esxcli's, sorted as text (vmnic1, vmnic10, vmnic2): it means nothing."""
    records = by_name(esxcli.records("network nic list"), "name")
    return tuple(
        PhysicalNic(
            name,
            records[name].name("macaddress").lower(),
            records[name].optional("driver"),
            _link(records[name]),
            records[name].number("mtu") if records[name].optional("mtu") else 0,
        )
        for name in records
    )


def _link(record: Record) -> Optional[bool]:
    keys = [key for key in ("linkstatus", "link") if record.optional(key)]
    return record.truth(*keys) if keys else None


def read_vswitches(esxcli: Esxcli) -> Tuple[VSwitch, ...]:
    """Return the standard vSwitches with their teams: one process for all, and one each for the team."""
    vswitches = []
    records = by_name(esxcli.records(_STANDARD + " list"), "name")
    for name in records:
        get = _STANDARD + " policy failover get"
        policy = single(esxcli.records(get, "-v", name), "{} -v {}".format(get, name))
        vswitches.append(
            VSwitch(name, records[name].number("mtu"), tuple(records[name].names("uplinks")), _team(policy))
        )
    return tuple(vswitches)


def _team(policy: Record) -> Team:
    return Team(
        _balancing(policy),
        tuple(policy.names("activeadapters", "activeuplinks")),
        tuple(policy.names("standbyadapters", "standbyuplinks")),
    )


def _balancing(policy: Record) -> str:
    kind = policy.name("loadbalancing").lower()
    return _LOAD_BALANCING.get(kind, kind)


def read_port_groups(
    esxcli: Esxcli, teams_of: "Optional[Container[str]]" = None, security_of: "Optional[Container[str]]" = None
) -> Tuple[PortGroup, ...]:
    """Return the port groups with the policies that are not their vSwitch's: one or two processes for each.

    ESXi's own group for management has a team of its own on some releases, and then NICs added to the vSwitch later do
    not carry it. Only the groups in ``teams_of`` and ``security_of`` are asked for these policies (None: all are); the
    others are returned without.
    """
    groups = []
    records = by_name(esxcli.records(_STANDARD + " portgroup list"), "name")
    for name in records:
        policies = []
        if teams_of is None or name in teams_of:
            policies.append(_failover(esxcli, name))
        # The installer's groups are never removed.
        if name not in (MANAGEMENT_PORT_GROUP, VM_PORT_GROUP) and (security_of is None or name in security_of):
            policies.append(_security(esxcli, name))
        groups.append(
            PortGroup(
                name,
                records[name].name("virtualswitch"),
                records[name].number("vlanid"),
                tuple(policy for policy in policies if policy is not None),
            )
        )
    return tuple(groups)


def _policy(esxcli: Esxcli, kind: str, group: str) -> Record:
    get = "{} portgroup policy {} get".format(_STANDARD, kind)
    return single(esxcli.records(get, "-p", group), "{} -p {}".format(get, group))


def _failover(esxcli: Esxcli, group: str) -> Optional[Policy]:
    record = _policy(esxcli, FAILOVER, group)
    options = []
    for field, option in _FAILOVER_FIELDS:
        if record.truth(_OVERRIDE + field):
            value = _balancing(record) if field == "loadbalancing" else record.name(field).lower()
            options.append("--{}={}".format(option, value))
    if record.truth(_OVERRIDE + "uplinks"):
        team = _team(record)
        roles = (("active", team.active), ("standby", team.standby))
        options += ["--{}-uplinks={}".format(role, ",".join(names)) for role, names in roles if names]
    return Policy(FAILOVER, tuple(options)) if options else None


def _security(esxcli: Esxcli, group: str) -> Optional[Policy]:
    record = _policy(esxcli, SECURITY, group)
    if not all(record.has(_OVERRIDE + field) for field, _ in _SECURITY_FIELDS):
        return Policy(SECURITY, ())  # only who removes the group needs to know
    options = [
        "--{}={}".format(option, record.name(field).lower())
        for field, option in _SECURITY_FIELDS
        if record.truth(_OVERRIDE + field)
    ]
    return Policy(SECURITY, tuple(options)) if options else None


def read_vmks(esxcli: Esxcli, tags_of: "Optional[Container[str]]" = None) -> Tuple[Vmk, ...]:
    """Return the VMkernel interfaces with all their addresses, and with the tags of those in ``tags_of`` (None: of
    all), which take one process for each.
    """
    listed = by_name(esxcli.records("network ip interface list"), "name")
    ipv4 = by_name(esxcli.records("network ip interface ipv4 get"), "name", "interface")
    ipv6 = by_name(esxcli.records("network ip interface ipv6 get"), "name", "interface")
    addresses = esxcli.records("network ip interface ipv6 address list")
    for name in sorted(set(ipv4) | set(ipv6)):
        if name not in listed:
            raise _contradiction("network ip interface list", name, "network ip interface ipv4 get or ipv6 get")
    return tuple(
        _vmk(esxcli, name, listed[name], ipv4, ipv6, addresses, tags_of is None or name in tags_of) for name in listed
    )


def _vmk(  # noqa: PLR0917  # one for each answer
    esxcli: Esxcli,
    name: str,
    record: Record,
    ipv4: "Dict[str, Record]",
    ipv6: "Dict[str, Record]",
    addresses: "List[Record]",
    has_tags: bool,
) -> Vmk:
    vmk = Vmk(
        name,
        record.name("macaddress").lower(),
        record.text("portgroup"),
        record.name("netstackinstance"),
        record.number("mtu"),
    )
    if vmk.netstack != DEFAULT_NETSTACK:
        return vmk  # left alone, whatever it is on
    record.name("portgroup")
    if name not in ipv4:
        raise _contradiction("network ip interface ipv4 get", name, "network ip interface list")
    four = ipv4[name]
    kind, address, prefix_length = _ipv4(four)
    gateway = four.optional("gateway")
    return vmk.replace(
        ipv4=kind,
        address=address,
        prefix_length=prefix_length,
        dhcp_dns=kind == "dhcp" and four.truth("dhcpdns"),
        gateway=gateway if is_address(gateway) and gateway not in _NOWHERE else "",
        tags=_tags(esxcli, name) if has_tags else (),
        **_ipv6(esxcli, name, ipv6.get(name), addresses),
    )


def _tags(esxcli: Esxcli, name: str) -> Tuple[str, ...]:
    get = "network ip interface tag get"
    return tuple(single(esxcli.records(get, "-i", name), "{} -i {}".format(get, name)).names("tags"))


def _ipv4(record: Record) -> Tuple[str, str, int]:
    kind = record.name("addresstype", "type").lower()
    address = record.text("ipv4address") if kind != "none" else ""
    if kind == "none" or (kind == "dhcp" and address in _NOWHERE + ("",)):
        return kind, "", 0
    if kind not in ("static", "dhcp"):
        raise record.unreadable("addresstype", "is neither static, dhcp nor none: {!r}".format(kind[:60]))
    if address in _NOWHERE or not is_address(address) or ":" in address:
        raise record.unreadable("ipv4address", "is not an address: {!r}".format(address[:60]))
    return kind, address, _prefix_length(record, "ipv4netmask")


def _ipv6(esxcli: Esxcli, name: str, record: "Optional[Record]", addresses: "List[Record]") -> "Dict[str, object]":
    if record is None:
        # If IPv6 is off for the entire host, no interface need be listed.
        if single(esxcli.records("network ip get"), "network ip get").truth("ipv6enabled"):
            raise _contradiction("network ip interface ipv6 get", name, "network ip interface list")
        return {"ipv6_enabled": False}
    return {
        "ipv6_enabled": record.truth("ipv6enabled", "enableipv6"),
        "dhcp6": record.truth("dhcpv6enabled", "dhcpv6"),
        "router_advertisements": record.truth("routeradvenabled", "routeradv", "routeradvertisementenabled"),
        "ipv6_addresses": tuple(_ipv6_address(one) for one in addresses if one.name("interface", "name") == name),
    }


def _ipv6_address(record: Record) -> Ipv6Address:
    address, _, prefix = record.name("address", "ipv6address").partition("/")
    address = address.split("%")[0]
    length = int(prefix) if is_whole(prefix) else record.number("netmask", "prefixlength", "prefix")
    if ":" not in address or not is_address(address, length):
        raise record.unreadable("address", "is no IPv6 address: {!r}/{}".format(address[:60], length))
    return Ipv6Address(
        _canonical(address), length, record.name("type", "origin").lower(), record.optional("status").lower()
    )


def _canonical(address: str) -> str:
    try:
        return str(ip_address(address))
    except ValueError:
        return address


def _prefix_length(record: Record, key: str) -> int:
    """Return 24 for ``255.255.255.0``, or for ``24``."""
    netmask = record.name(key)
    try:
        return ip_network("0.0.0.0/{}".format(netmask), strict=False).prefixlen
    except ValueError:
        raise record.unreadable(key, "is no netmask: {!r}".format(netmask[:60])) from None


def read_routes(esxcli: Esxcli, versions: Tuple[int, ...] = (4, 6)) -> Tuple[RouteEntry, ...]:
    """Return the routes of these IP ``versions`` through gateways on the default stack, without those to connected
    networks: one process for each version.
    """
    routes = []
    for version in versions:
        everything = {4: "0.0.0.0/0", 6: "::/0"}[version]
        for record in esxcli.records("network ip route ipv{} list".format(version)):
            gateway = record.text("gateway").split("%")[0]
            is_default = record.name("network").lower() == "default" or _network(record) == everything
            if not gateway or (is_default and (gateway == _NOWHERE[0] or not is_address(gateway))):
                raise record.unreadable("gateway", "is not an address: {!r}".format(gateway[:60]))
            if gateway in _NOWHERE or not is_address(gateway):
                continue  # a connected network
            network = everything if is_default else _network(record)
            routes.append(
                RouteEntry(network, _canonical(gateway), record.name("interface"), record.name("source").upper())
            )
    return tuple(routes)


def _network(record: Record) -> str:
    """Return the network with its prefix length; without the interface if it is in its name (``fe80::%vmk0``)."""
    network, _, prefix = record.name("network").partition("/")
    prefix = prefix or record.name("netmask", "prefixlength", "prefix")
    try:
        return str(ip_network("{}/{}".format(network.split("%")[0], prefix), strict=False))
    except ValueError:
        raise record.unreadable("network", "is no network: {}/{}".format(network[:60], prefix[:60])) from None


def read_name_servers(esxcli: Esxcli) -> Tuple[str, ...]:
    """Return the name servers, in order."""
    servers = [name for one in esxcli.records("network ip dns server list") for name in one.names("dnsservers")]
    return tuple(_canonical(server) for server in servers)


def read_search_domains(esxcli: Esxcli) -> Tuple[str, ...]:
    """Return the search domains, in order."""
    return tuple(name for one in esxcli.records("network ip dns search list") for name in one.names("dnssearchdomains"))


def check_network(inventory: Inventory) -> None:
    """Raises ``CommandError`` if the answers contradict each other: one of them would mislead the plan."""
    vswitches = [vswitch.name for vswitch in inventory.vswitches]
    for group in inventory.port_groups:
        if group.vswitch not in vswitches:
            raise _contradiction(_STANDARD + " list", group.vswitch, _STANDARD + " portgroup list")
    for vmk in inventory.vmks:
        if vmk.netstack == DEFAULT_NETSTACK and inventory.port_group(vmk.port_group) is None:
            raise _contradiction(_STANDARD + " portgroup list", vmk.port_group, "network ip interface list")
    nics = [nic.name for nic in inventory.nics]
    for vswitch in inventory.vswitches:
        for uplink in vswitch.team.active + vswitch.team.standby:
            # A NIC that is not in this machine may stay in the team of a vSwitch that was captured.
            if uplink in nics and uplink not in vswitch.uplinks:
                raise _contradiction("the uplinks of {}".format(vswitch.name), uplink, "its failover policy")
    for route in inventory.routes:
        if inventory.vmk(route.interface) is None:
            raise _contradiction("network ip interface list", route.interface, "network ip route list")


def _contradiction(lacking: str, name: str, having: str) -> CommandError:
    return CommandError(
        "ESXi's answers contradict each other: {} lacks {}, which {} has.".format(lacking, name, having),
        _CONTRADICTION,
    )

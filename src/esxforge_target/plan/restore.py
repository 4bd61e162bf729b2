"""The way back: commands that turn the network of one inventory into that of an earlier one, whatever lies between.

What a lease or a router brings is theirs: it is asked for again, not set. VMkernel interfaces of other network stacks
are left alone. What is as before already gives no command.
"""

from typing import List, Set, Tuple

from esxforge_target.inventory.model import (
    DEFAULT_NETSTACK,
    FAILOVER,
    SECURITY,
    Inventory,
    PortGroup,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)
from esxforge_target.plan.commands import (
    BY_HAND,
    DEFAULT_MTU,
    EVERYTHING,
    INTERFACE,
    IPV6,
    STANDARD,
    Command,
    dhcp_command,
    esxcli,
    listen_again_commands,
    none_command,
    policy_command,
    renew_commands,
    route_command,
    static_command,
    static_ipv6,
    team_command,
    word,
)
from esxforge_target.plan.routes import is_leftover

# Parts of an inventory as they are named to people; what leases bring may differ from before.
VSWITCHES = "vswitches"
PORT_GROUPS = "port_groups"
VMKS = "vmks"
ROUTES = "routes"
NAMES = "name_servers"
LEASES = "leases"

Restoring = Tuple[str, Command]


def restore_network(found: Inventory, now: Inventory) -> Tuple[Restoring, ...]:
    """Pairs of a part's name and a command, in the order in which they are to run; none where all is as ``found``."""
    return tuple(_Restoration(found, now).plan())


def changed_parts(found: Inventory, now: Inventory) -> List[str]:
    """The parts of the network that are not as ``found``; leases may differ."""
    leased = any(vmk.dhcp_dns for vmk in found.vmks)
    parts = [part for part, _ in restore_network(found, now) if not (leased and part == NAMES)]
    return [part for part in (VSWITCHES, PORT_GROUPS, VMKS, ROUTES, NAMES) if part in parts]


def waits_for_boot(found: Inventory, now: Inventory) -> bool:
    """Return whether all is as ``found`` but for routes whose place is taken by what is left of a lease: if it cannot
    be removed, it goes at a boot.
    """
    missing = [route for route in found.routes if _is_by_hand(route) and _key(route) not in _by_hand(now)]
    left = [route.network for route in now.routes if is_leftover(route, now)]
    return changed_parts(found, now) == [ROUTES] and all(route.network in left for route in missing)


class _Restoration:
    def __init__(self, found: Inventory, now: Inventory) -> None:
        self._found = found
        self._now = now
        self._commands = []  # type: List[Restoring]
        self._disturbed = set()  # type: Set[str]
        self._before = {vmk.name: vmk for vmk in found.vmks if vmk.netstack == DEFAULT_NETSTACK}
        self._vmks = {vmk.name: vmk for vmk in now.vmks if vmk.netstack == DEFAULT_NETSTACK}
        self._kept = [name for name in sorted(self._vmks) if self._stays(self._vmks[name])]

    def plan(self) -> List[Restoring]:
        """First all that goes, from the top down; then all that comes back, from below upwards."""
        self._remove_vmks()
        self._remove_routes()
        self._take_addresses()
        self._remove_groups()
        self._release_uplinks()
        self._vswitches()
        self._groups()
        for name in sorted(self._before):
            self._vmk(self._before[name])
        self._lower_mtus()
        self._add_routes()
        leased_names = self._names()
        self._renew_leases(leased_names)
        return self._commands

    def _do(self, part: str, command: Command) -> None:
        self._commands.append((part, command))

    # -- what goes ------------------------------------------------------------------------------------------------

    def _moved(self, port_group: PortGroup) -> bool:
        before = self._found.port_group(port_group.name)
        return before is None or before.vswitch != port_group.vswitch

    def _stays(self, vmk: Vmk) -> bool:
        before = self._before.get(vmk.name)
        port_group = self._now.port_group(vmk.port_group)
        if before is None or port_group is None or self._moved(port_group):
            return False
        return (before.port_group, before.mac) == (vmk.port_group, vmk.mac)

    def _in_the_way(self) -> List[RouteEntry]:
        """Routes of leases and routers to networks to which there was one set by hand."""
        networks = [network for network, _ in _by_hand(self._found)]
        others = [
            route for route in self._now.routes if not _is_by_hand(route) and _key(route) not in _by_hand(self._now)
        ]
        return [route for route in others if route.network in networks]

    def _remove_vmks(self) -> None:
        for name in sorted(self._vmks):
            if name not in self._kept:
                self._do(VMKS, esxcli(*INTERFACE + ("remove", "-i", name)))

    def _remove_routes(self) -> None:
        before = _by_hand(self._found)
        undesired = [route for route in self._now.routes if _is_by_hand(route) and _key(route) not in before]
        for route in self._now.routes:
            if route in undesired or route in self._in_the_way():
                self._do(ROUTES, route_command("remove", route.network, route.gateway))

    def _take_addresses(self) -> None:
        """An address may be another interface's before."""
        for name in self._kept:
            vmk, before = self._vmks[name], self._before[name]
            if vmk.ipv4 != "none" and self._ipv4_differs(before, vmk):
                self._do(VMKS, none_command(name))
            for cidr in static_ipv6(vmk):
                if cidr not in static_ipv6(before):
                    self._do(VMKS, esxcli(*IPV6 + ("address", "remove", "-i", name, "-I", cidr)))

    def _remove_groups(self) -> None:
        for port_group in self._now.port_groups:
            if self._moved(port_group):
                self._do(
                    PORT_GROUPS,
                    esxcli(*STANDARD + ("portgroup", "remove", "-p", port_group.name, "-v", port_group.vswitch)),
                )

    def _release_uplinks(self) -> None:
        for vswitch in self._now.vswitches:
            before = self._found.vswitch(vswitch.name)
            for uplink in vswitch.uplinks:
                if before is None or uplink not in before.uplinks:
                    self._do(VSWITCHES, esxcli(*STANDARD + ("uplink", "remove", "-u", uplink, "-v", vswitch.name)))
                    self._disturbed.add(vswitch.name)
            if before is None:
                self._do(VSWITCHES, esxcli(*STANDARD + ("remove", "-v", vswitch.name)))

    # -- what comes back: vSwitches and port groups ---------------------------------------------------------------

    def _vswitches(self) -> None:
        for before in self._found.vswitches:
            now = self._now.vswitch(before.name)
            if now is None:
                self._do(VSWITCHES, esxcli(*STANDARD + ("add", "-v", before.name)))
                now = VSwitch(before.name, DEFAULT_MTU, (), Team("portid", (), ()))
            for uplink in before.uplinks:
                if uplink not in now.uplinks:
                    self._do(VSWITCHES, esxcli(*STANDARD + ("uplink", "add", "-u", uplink, "-v", before.name)))
                    self._disturbed.add(before.name)
            team = _usable_team(before)
            if team != _usable_team(now) or before.name in self._disturbed:
                self._do(VSWITCHES, team_command(before.name, team))
                self._disturbed.add(before.name)
            if before.mtu > now.mtu:
                self._set_mtu(before)

    def _set_mtu(self, before: VSwitch) -> None:
        self._do(VSWITCHES, esxcli(*STANDARD + ("set", "-v", before.name, "-m", before.mtu)))

    def _lower_mtus(self) -> None:
        for before in self._found.vswitches:
            now = self._now.vswitch(before.name)
            if before.mtu < (now.mtu if now is not None else DEFAULT_MTU):
                self._set_mtu(before)

    def _groups(self) -> None:
        for before in self._found.port_groups:
            now = self._now.port_group(before.name)
            if now is None or self._moved(now):
                self._do(PORT_GROUPS, esxcli(*STANDARD + ("portgroup", "add", "-p", before.name, "-v", before.vswitch)))
                now = PortGroup(before.name, before.vswitch, 0)
            if before.vlan_id != now.vlan_id:
                self._do(
                    PORT_GROUPS,
                    esxcli(*STANDARD + ("portgroup", "set", "-p", before.name, "--vlan-id", before.vlan_id)),
                )
                self._disturbed.add(before.name)
            for kind in (FAILOVER, SECURITY):
                self._policy(kind, before, now)

    def _policy(self, kind: str, before: PortGroup, now: PortGroup) -> None:
        was = [policy for policy in before.policies if policy.kind == kind]
        is_now = [policy for policy in now.policies if policy.kind == kind]
        # An uplink that left and came back is not in the port group's own order any more.
        stale = kind == FAILOVER and bool(was) and before.vswitch in self._disturbed
        if (was == is_now and not stale) or (was and not was[0].options):
            return
        if is_now:
            self._do(PORT_GROUPS, policy_command(before.name, kind, ("-u",)))
        if was:
            self._do(PORT_GROUPS, policy_command(before.name, kind, was[0].options))
        self._disturbed.add(before.name)

    # -- what comes back: VMkernel interfaces ---------------------------------------------------------------------

    def _vmk(self, before: Vmk) -> None:
        if before.name in self._kept:
            now = self._vmks[before.name]
            if now.mtu != before.mtu:
                self._do(VMKS, esxcli(*INTERFACE + ("set", "-i", before.name, "-m", before.mtu)))
        else:
            words = ("add", "-i", before.name, "-p", before.port_group, "-m", before.mtu, "-M", before.mac)
            self._do(VMKS, esxcli(*INTERFACE + words))
            now = Vmk(before.name, before.mac, before.port_group, ipv4="?", dhcp6=not before.dhcp6)
        if self._ipv4_differs(before, now):
            self._do(VMKS, self._ipv4_command(before))
        self._ipv6(before, now)
        for tag in now.tags:
            if tag not in before.tags:
                self._do(VMKS, esxcli(*INTERFACE + ("tag", "remove", "-i", before.name, "-t", tag)))
        for tag in before.tags:
            if tag not in now.tags:
                self._do(VMKS, esxcli(*INTERFACE + ("tag", "add", "-i", before.name, "-t", tag)))

    def _ipv4_differs(self, before: Vmk, now: Vmk) -> bool:
        if before.ipv4 != now.ipv4:
            return True
        if before.ipv4 == "dhcp":
            return before.dhcp_dns != now.dhcp_dns
        gateways = (self._found.own_gateway(before), self._now.own_gateway(now))
        return (before.address, before.prefix_length, gateways[0]) != (now.address, now.prefix_length, gateways[1])

    def _ipv4_command(self, before: Vmk) -> Command:
        if before.ipv4 == "dhcp":
            return dhcp_command(before.name, before.dhcp_dns)
        if before.ipv4 == "static":
            own = self._found.own_gateway(before)
            return static_command(before.name, before.address, before.prefix_length) + (("-g", own) if own else ())
        return none_command(before.name)

    def _ipv6(self, before: Vmk, now: Vmk) -> None:
        if before.ipv6_enabled != now.ipv6_enabled:
            self._do(VMKS, esxcli(*IPV6 + ("set", "-i", before.name, "-e", word(before.ipv6_enabled))))
        listens = (before.dhcp6, before.router_advertisements)
        if before.ipv6_enabled and listens != (now.dhcp6, now.router_advertisements):
            words = ("set", "-i", before.name, "-d", word(before.dhcp6), "-r", word(before.router_advertisements))
            self._do(VMKS, esxcli(*IPV6 + words))
        for cidr in static_ipv6(before):
            if cidr not in static_ipv6(now):
                self._do(VMKS, esxcli(*IPV6 + ("address", "add", "-i", before.name, "-I", cidr)))

    # -- routes, names, leases ------------------------------------------------------------------------------------

    def _add_routes(self) -> None:
        """Those that go with an address on the way are added the next time."""
        now = _by_hand(self._now)
        for network, gateway in _by_hand(self._found):
            if (network, gateway) not in now:
                self._do(ROUTES, route_command("add", network, gateway))

    def _touched(self) -> Set[str]:
        """The interfaces that lose their addresses on the way."""
        lost = {name for name in self._before if name not in self._kept}
        return lost | {name for name in self._kept if self._ipv4_differs(self._before[name], self._vmks[name])}

    def _names(self) -> bool:
        """Return whether a lease must bring the name servers and search domains again."""
        leased = any(vmk.dhcp_dns for vmk in self._before.values())
        servers, domains = self._found.name_servers, self._found.search_domains
        if servers != self._now.name_servers:
            if set(self._now.name_servers) - set(servers) or not leased:
                self._do(NAMES, esxcli("network", "ip", "dns", "server", "remove", "--all"))
            for server in () if leased else servers:
                self._do(NAMES, esxcli("network", "ip", "dns", "server", "add", "-s", server))
        if domains != self._now.search_domains:
            for domain in self._now.search_domains:
                if not leased or domain not in domains:
                    self._do(NAMES, esxcli("network", "ip", "dns", "search", "remove", "-d", domain))
            for domain in () if leased else domains:
                self._do(NAMES, esxcli("network", "ip", "dns", "search", "add", "-d", domain))
        return leased and (servers, domains) != (self._now.name_servers, self._now.search_domains)

    def _renew_leases(self, names: bool) -> None:
        """Ask DHCP again where something below an interface changed, or what its lease brought was taken away."""
        touched = self._touched()
        default = [route for route in self._found.routes if route.network == EVERYTHING[4] and not _is_by_hand(route)]
        owner = default[0].interface if default else ""
        lost = bool(owner) and owner not in [
            route.interface for route in self._now.routes if route.network == EVERYTHING[4] and not _is_by_hand(route)
        ]
        asking = []
        for name in sorted(self._before):
            vmk = self._before[name]
            if vmk.ipv4 != "dhcp" or name in touched:
                continue  # those that were touched have just asked
            below = {vmk.port_group, self._found.vswitch_of(vmk)}
            if below & self._disturbed or (names and vmk.dhcp_dns) or (lost and name == owner):
                asking.append(name)
        others = [name for name in touched if self._before.get(name, Vmk("", "", "")).ipv4 == "dhcp"]
        if owner in self._before and owner not in asking and (set(asking) | set(others)) - {owner}:
            asking.append(owner)  # the last to ask has the default route
        for name in sorted(asking, key=lambda one: one == owner):
            for command in renew_commands(name, self._before[name].dhcp_dns):
                self._do(LEASES, command)
        self._ask_routers()

    def _ask_routers(self) -> None:
        """Let interfaces that listen to routers ask them where something below changed: they speak up seldom."""
        for name in self._kept:
            before, now = self._before[name], self._vmks[name]
            listens = before.ipv6_enabled and before.router_advertisements and now.router_advertisements
            if listens and {before.port_group, self._found.vswitch_of(before)} & self._disturbed:
                for command in listen_again_commands(name):
                    self._do(LEASES, command)


def _is_by_hand(route: RouteEntry) -> bool:
    return route.source in BY_HAND


def _key(route: RouteEntry) -> Tuple[str, str]:
    return (route.network, route.gateway)


def _by_hand(inventory: Inventory) -> List[Tuple[str, str]]:
    return [_key(route) for route in inventory.routes if _is_by_hand(route)]


def _usable_team(vswitch: VSwitch) -> Team:
    """The team without NICs that the vSwitch does not have: a captured one may name another machine's."""
    return vswitch.team.replace(
        active=tuple(one for one in vswitch.team.active if one in vswitch.uplinks),
        standby=tuple(one for one in vswitch.team.standby if one in vswitch.uplinks),
    )

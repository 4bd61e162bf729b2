"""Command lines of the plan and of the way back, word by word as esxcli takes them."""

from ipaddress import ip_address, ip_network
from typing import List, Tuple

from esxforge_target.inventory.model import Team, Vmk

Command = Tuple[str, ...]

DEFAULT_MTU = 1500
EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}
# Sources of routes that someone configured; others are DHCP's or a router's.
BY_HAND = ("MANUAL", "STATIC")
STANDARD = ("network", "vswitch", "standard")
INTERFACE = ("network", "ip", "interface")
IPV6 = INTERFACE + ("ipv6",)
RENAME = ("vim-cmd", "hostsvc/datastore/rename")


def esxcli(*words: object) -> Command:
    """The command of these words."""
    return ("esxcli",) + tuple(str(word) for word in words)


def word(value: bool) -> str:
    """As esxcli takes it."""
    return "true" if value else "false"


def team_command(vswitch: str, team: Team) -> Command:
    """Set how a vSwitch uses its uplinks. An order cannot be emptied: a role without uplinks is left out."""
    words = ["policy", "failover", "set", "-v", vswitch]  # type: List[str]
    if team.active:
        words += ["-a", ",".join(team.active)]
    if team.standby:
        words += ["-s", ",".join(team.standby)]
    return esxcli(*STANDARD + tuple(words + ["-l", team.load_balancing]))


def policy_command(port_group: str, kind: str, options: Tuple[str, ...]) -> Command:
    """Give a port group a policy of its own, or (``-u``) that of its vSwitch."""
    return esxcli(*STANDARD + ("portgroup", "policy", kind, "set", "-p", port_group) + options)


def static_command(name: str, address: str, prefix_length: int) -> Command:
    """Give an interface a static IPv4 address."""
    netmask = ip_network("0.0.0.0/{}".format(prefix_length)).netmask
    return esxcli(*INTERFACE + ("ipv4", "set", "-i", name, "-t", "static", "-I", address, "-N", netmask))


def dhcp_command(name: str, dns: bool) -> Command:
    """Let an interface ask DHCP, and take name servers from there or not."""
    return esxcli(*INTERFACE + ("ipv4", "set", "-i", name, "-t", "dhcp", "-P", word(dns)))


def asks_dhcp(command: Command) -> bool:
    """Return whether a command lets an interface ask DHCP."""
    return command[1:6] == INTERFACE + ("ipv4", "set") and "dhcp" in command


def none_command(name: str) -> Command:
    """Take an interface's IPv4 away."""
    return esxcli(*INTERFACE + ("ipv4", "set", "-i", name, "-t", "none"))


def renew_commands(name: str, dns: bool) -> Tuple[Command, ...]:
    """Let an interface that uses DHCP ask again: setting what is set already may do nothing."""
    return (none_command(name), dhcp_command(name, dns))


def listen_again_commands(name: str) -> Tuple[Command, ...]:
    """Let an interface that listens to routers ask them again."""
    return tuple(esxcli(*IPV6 + ("set", "-i", name, "-r", word(value))) for value in (False, True))


def route_command(verb: str, network: str, gateway: str) -> Command:
    """Add or remove a route."""
    version = "ipv{}".format(ip_address(gateway).version)
    name = "default" if network in EVERYTHING.values() else network
    return esxcli("network", "ip", "route", version, verb, "-n", name, "-g", gateway)


def static_ipv6(vmk: Vmk) -> List[str]:
    """The IPv6 addresses that someone configured, with prefix length."""
    return ["{}/{}".format(one.address, one.prefix_length) for one in vmk.ipv6_addresses if one.is_static]

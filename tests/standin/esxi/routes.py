"""esxcli network ip route ipv4 and ipv6."""

import ipaddress
from typing import Any, List, Tuple

from standin.esxi import addressing
from standin.esxi.errors import AlreadyThereError, CommandError, NotThereError
from standin.esxi.host import DEFAULT_STACK, Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, Row, fields, table

IPV4_FIELDS = fields("Network", "Netmask", "Gateway", "Interface", "Source")
IPV6_FIELDS = fields("Network", "Prefix Length:integer", "Gateway", "Interface", "Source")


def _stack(options: Options) -> str:
    return str(options.get("netstack", DEFAULT_STACK))


def _all(host: Host, stack: str, version: int) -> List[Tuple[Any, str, str, str]]:
    """Network, gateway, interface and source of every route of one IP version, default first."""
    nothing = "0.0.0.0" if version == 4 else "::"
    found = []
    for route in host.stack(stack)["routes"]:
        network = ipaddress.ip_network(route["network"])
        if network.version == version and host.interface(route["interface"])["enabled"]:
            found.append((network, route["gateway"], route["interface"], route["source"]))
    for network, interface, source in addressing.connected(host, stack):
        if network.version == version:
            found.append((network, nothing, interface, "MANUAL" if source in ("STATIC", "AUTO") else source))
    return sorted(found, key=lambda entry: (entry[0].prefixlen != 0, int(entry[0].network_address), entry[2]))


def _shown(host: Host, network: Any) -> str:
    named = network.prefixlen == 0 and host.dial("default-route-name") == "default"
    return "default" if named else str(network.network_address)


def _source(host: Host, source: str) -> str:
    return host.dial("static-route-source") if source == "MANUAL" else source


def list_ipv4(host: Host, options: Options) -> Output:
    rows: List[Row] = [
        {
            "Network": _shown(host, network),
            "Netmask": str(network.netmask),
            "Gateway": gateway,
            "Interface": interface,
            "Source": _source(host, source),
        }
        for network, gateway, interface, source in _all(host, _stack(options), 4)
    ]
    return table("IPv4Route", IPV4_FIELDS, rows)


def _list_ipv6(host: Host, options: Options) -> Output:
    rows: List[Row] = [
        {
            "Network": _shown(host, network),
            "Prefix Length": network.prefixlen,
            "Gateway": gateway,
            "Interface": interface,
            "Source": _source(host, source),
        }
        for network, gateway, interface, source in _all(host, _stack(options), 6)
    ]
    return table("IPv6Route", IPV6_FIELDS, rows)


def _network(version: int, text: str) -> Any:
    if text == "default":
        return ipaddress.ip_network("0.0.0.0/0" if version == 4 else "::/0")
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise CommandError(f"Invalid network: {text}") from None
    if network.version != version or "/" not in text:
        raise CommandError(f"Invalid network: {text}")
    return network


def _gateway(version: int, text: str) -> Any:
    try:
        gateway = ipaddress.ip_address(text)
    except ValueError:
        raise CommandError(f"Invalid gateway: {text}") from None
    if gateway.version != version or gateway.is_unspecified or gateway.is_multicast:
        raise CommandError(f"Invalid gateway: {text}")
    return gateway


def _add(version: int, host: Host, options: Options) -> None:
    network, gateway = _network(version, options["network"]), _gateway(version, options["gateway"])
    stack = _stack(options)
    routes = host.stack(stack)["routes"]
    interface = addressing.on_link(host, stack, gateway)
    if interface is None:
        raise CommandError(f"Unable to add route {network}: gateway {gateway} is unreachable, not on a local network")
    if str(gateway) in addressing.all_addresses(host, stack):
        raise CommandError(f"Unable to add route {network}: gateway {gateway} is an address of this host")
    for route in routes:
        if route["network"] == str(network):
            same = route["gateway"] == str(gateway)
            raise (AlreadyThereError if same else CommandError)(f"Unable to add route {network}: Already exists")
    routes.append({"network": str(network), "gateway": str(gateway), "interface": interface, "source": "MANUAL"})


def _remove(version: int, host: Host, options: Options) -> None:
    network, gateway = _network(version, options["network"]), _gateway(version, options["gateway"])
    stack = host.stack(_stack(options))
    kept = [route for route in stack["routes"] if (route["network"], route["gateway"]) != (str(network), str(gateway))]
    if len(kept) == len(stack["routes"]):
        raise NotThereError(f"Unable to remove route {network} via {gateway}: not found")
    leased = any(route["source"] == "DHCP" for route in stack["routes"] if route not in kept)
    if leased and host.dial("remove-leased-route") == "refused":
        raise CommandError(f"Unable to remove route {network} via {gateway}: it is managed by DHCP")
    stack["routes"] = kept


CHANGE = [Option("g", "gateway", required=True), Option("n", "network", required=True), Option("N", "netstack")]
COMMANDS = [
    Command("network ip route ipv4 list", list_ipv4, Option("N", "netstack")),
    Command("network ip route ipv4 add", lambda host, options: _add(4, host, options), *CHANGE),
    Command("network ip route ipv4 remove", lambda host, options: _remove(4, host, options), *CHANGE),
    Command("network ip route ipv6 list", _list_ipv6, Option("N", "netstack")),
    Command("network ip route ipv6 add", lambda host, options: _add(6, host, options), *CHANGE),
    Command("network ip route ipv6 remove", lambda host, options: _remove(6, host, options), *CHANGE),
]

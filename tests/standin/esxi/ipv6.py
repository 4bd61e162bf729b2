"""esxcli network ip (IPv6 as a whole) and network ip interface ipv6."""

import ipaddress
from typing import Any, Dict, List

from standin.esxi import addressing
from standin.esxi.errors import AlreadyThereError, CommandError, NotThereError
from standin.esxi.host import Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, fields, record, table

GET_FIELDS = fields(
    "Name", "IPv6 Enabled:boolean", "DHCPv6 Enabled:boolean",
    "Router Adv Enabled:boolean", "DHCP DNS:boolean", "Gateway",
)  # fmt: skip
ADDRESS_FIELDS = fields("Interface", "Address", "Netmask:integer", "Type", "Status")


def _chosen(host: Host, options: Options) -> List[Dict[str, Any]]:
    if options.get("netstack"):
        host.stack(options["netstack"])
    if "interface-name" in options:
        return [host.interface(options["interface-name"])]
    return host.interfaces(options.get("netstack"))


def _get(host: Host, options: Options) -> Output:
    rows = [
        {
            "Name": vmk["name"],
            "IPv6 Enabled": vmk["ipv6"]["enabled"],
            "DHCPv6 Enabled": vmk["ipv6"]["dhcpv6"],
            "Router Adv Enabled": vmk["ipv6"]["router_adv"],
            "DHCP DNS": vmk["ipv6"]["peer_dns"],
            "Gateway": vmk["ipv6"]["gateway"],
        }
        for vmk in _chosen(host, options)
    ]
    return table("IPv6Interface", GET_FIELDS, rows)


def _address_list(host: Host, options: Options) -> Output:
    rows = [
        {
            "Interface": vmk["name"],
            "Address": address,
            "Netmask": prefix,
            "Type": kind,
            "Status": addressing.detection(host, vmk, address),
        }
        for vmk in _chosen(host, options)
        for address, prefix, kind in addressing.ipv6_addresses(vmk)
    ]
    return table("IPv6Address", ADDRESS_FIELDS, rows)


def _set(host: Host, options: Options) -> None:
    vmk = host.interface(options["interface-name"])
    settings = vmk["ipv6"]
    if "enable-ipv6" in options:
        if options["enable-ipv6"] and not host.running["ipv6_enabled"]:
            raise CommandError("IPv6 is disabled on this host")
        settings["enabled"] = options["enable-ipv6"]
        if not settings["enabled"]:
            settings["addresses"] = []
    for option, key in (("enable-dhcpv6", "dhcpv6"), ("enable-router-adv", "router_adv"), ("peer-dns", "peer_dns")):
        if option in options:
            if options[option] and not settings["enabled"]:
                raise CommandError(f"IPv6 is not enabled on {vmk['name']}")
            settings[key] = options[option]
    if "gateway" in options:
        settings["gateway"] = _ipv6(options["gateway"])
    # A setting asks for its own kind only; the other stays as it was learned.
    asks = "enable-ipv6" in options
    addressing.learn_ipv6(
        host, vmk, asks or "enable-router-adv" in options, asks or "enable-dhcpv6" in options or "peer-dns" in options
    )
    addressing.drop_lost_routes(host, vmk["netstack"])


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise CommandError(f"Invalid IPv6 address: {text}") from None


def _with_prefix(text: str) -> ipaddress.IPv6Interface:
    if "/" not in text:
        raise CommandError(f"Invalid IPv6 address {text}: must be of the form <IPv6 address>/<prefix length>")
    try:
        return ipaddress.IPv6Interface(text)
    except ValueError:
        raise CommandError(f"Invalid IPv6 address: {text}") from None


def _add(host: Host, options: Options) -> None:
    vmk, given = host.interface(options["interface-name"]), _with_prefix(options["ipv6"])
    if not vmk["ipv6"]["enabled"]:
        raise CommandError(f"IPv6 is not enabled on {vmk['name']}")
    if given.ip.is_multicast or given.ip.is_unspecified or given.ip.is_loopback:
        raise CommandError(f"Invalid IPv6 address: {given}")
    entry = {"address": str(given.ip), "prefix": given.network.prefixlen}
    if entry in [_plain(one) for one in vmk["ipv6"]["addresses"]]:
        raise AlreadyThereError(f"IP address {given.ip} is already in use by {vmk['name']}")
    addressing.refuse_duplicate(host, vmk, str(given.ip))
    if host.dial("ipv6-detection") != "at once":
        entry["since"] = host.now
    vmk["ipv6"]["addresses"].append(entry)


def _plain(entry: Dict[str, Any]) -> Dict[str, Any]:
    return {"address": entry["address"], "prefix": entry["prefix"]}


def _remove(host: Host, options: Options) -> None:
    vmk, given = host.interface(options["interface-name"]), _with_prefix(options["ipv6"])
    entry = {"address": str(given.ip), "prefix": given.network.prefixlen}
    kept = [one for one in vmk["ipv6"]["addresses"] if _plain(one) != entry]
    if len(kept) == len(vmk["ipv6"]["addresses"]):
        raise NotThereError(f"IPv6 address {given} not found on {vmk['name']}")
    vmk["ipv6"]["addresses"] = kept
    addressing.drop_lost_routes(host, vmk["netstack"])


def _get_ip(host: Host, options: Options) -> Output:
    return record("IpConfig", fields("IPv6 Enabled:boolean"), {"IPv6 Enabled": host.running["ipv6_enabled_next"]})


def _set_ip(host: Host, options: Options) -> None:
    # The setting takes effect at the next boot only.
    host.running["ipv6_enabled_next"] = options["ipv6-enabled"]


VMK = Option("i", "interface-name", required=True)
CHOICE = [Option("i", "interface-name"), Option("N", "netstack")]
ADDRESS = Option("I", "ipv6", required=True)
COMMANDS = [
    Command("network ip get", _get_ip, Option("N", "netstack")),
    Command("network ip set", _set_ip, Option("e", "ipv6-enabled", "bool", required=True), Option("N", "netstack")),
    Command("network ip interface ipv6 get", _get, *CHOICE),
    Command(
        "network ip interface ipv6 set", _set, VMK, Option("e", "enable-ipv6", "bool"),
        Option("d", "enable-dhcpv6", "bool"), Option("r", "enable-router-adv", "bool"), Option("P", "peer-dns", "bool"),
        Option("g", "gateway"),
    ),
    Command("network ip interface ipv6 address list", _address_list, *CHOICE),
    Command("network ip interface ipv6 address add", _add, VMK, ADDRESS),
    Command("network ip interface ipv6 address remove", _remove, VMK, ADDRESS),
]  # fmt: skip

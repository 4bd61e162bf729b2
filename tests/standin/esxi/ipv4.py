"""esxcli network ip interface ipv4."""

from typing import Any, Dict, List

from standin.esxi import addressing
from standin.esxi.errors import CommandError
from standin.esxi.host import Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, Row, fields, table

GET_FIELDS = fields(
    "Name", "IPv4 Address", "IPv4 Netmask", "IPv4 Broadcast", "Address Type", "Gateway", "DHCP DNS:boolean",
)  # fmt: skip
LIST_FIELDS = [field for field in GET_FIELDS if field.label not in ("Gateway", "DHCP DNS")]


def _rows(host: Host, options: Options) -> List[Row]:
    stack = options.get("netstack")
    if stack:
        host.stack(stack)
    chosen = host.interfaces(stack)
    if "interface-name" in options:
        chosen = [host.interface(options["interface-name"])]
    return [_row(host, vmk) for vmk in chosen]


def _row(host: Host, vmk: Dict[str, Any]) -> Row:
    settings = vmk["ipv4"]
    broadcast = "0.0.0.0"
    if settings["address"]:
        broadcast = str(addressing.ipv4_network(settings["address"], settings["netmask"]).broadcast_address)
    learned = (settings["lease"] or {}).get("router") if settings["type"] == "dhcp" else None
    if host.dial("lease-gateway-shown") == "no":
        learned = None
    return {
        "Name": vmk["name"],
        "IPv4 Address": settings["address"] or "0.0.0.0",
        "IPv4 Netmask": settings["netmask"] or "0.0.0.0",
        "IPv4 Broadcast": broadcast,
        "Address Type": settings["type"].upper(),
        "Gateway": settings["gateway"] or learned or "0.0.0.0",
        "DHCP DNS": settings["peer_dns"],
    }


def _get(host: Host, options: Options) -> Output:
    return table("IPv4Interface", GET_FIELDS, _rows(host, options))


def _address_list(host: Host, options: Options) -> Output:
    return table("IPv4Address", LIST_FIELDS, _rows(host, options))


def _set(host: Host, options: Options) -> None:
    vmk = host.interface(options["interface-name"])
    kind = options["type"]
    if kind != "static" and ("ipv4" in options or "netmask" in options or "gateway" in options):
        raise CommandError(f"Invalid: ipv4, netmask and gateway can only be given with type static, not {kind}")
    if kind != "dhcp" and options.get("peer-dns"):
        raise CommandError("Invalid: peer-dns can only be used with type dhcp")
    if kind == "static":
        _set_static(host, vmk, options)
        return
    peer_dns = bool(options.get("peer-dns", False))
    unchanged = kind == vmk["ipv4"]["type"] == "dhcp" and peer_dns == vmk["ipv4"]["peer_dns"]
    if unchanged and host.dial("set-dhcp-again") == "nothing":
        return
    addressing.forget_lease(host, vmk)
    vmk["ipv4"] = {
        "type": kind, "address": "", "netmask": "", "gateway": "", "lease": None,
        "peer_dns": peer_dns,
    }  # fmt: skip
    if kind == "dhcp" and vmk["enabled"]:
        addressing.ask_dhcp(host, vmk)
    addressing.drop_lost_routes(host, vmk["netstack"])


def _set_static(host: Host, vmk: Dict[str, Any], options: Options) -> None:
    for needed in ("ipv4", "netmask"):
        if needed not in options:
            raise CommandError(f"Invalid: type static requires {needed}")
    address = addressing.ipv4(options["ipv4"])
    addressing.ipv4(options["netmask"], "netmask")
    network = addressing.ipv4_network(options["ipv4"], options["netmask"])
    small = network.prefixlen >= 31
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        raise CommandError(f"Invalid IPv4 address: {address}")
    if not small and address in (network.network_address, network.broadcast_address):
        raise CommandError(f"Invalid IPv4 address: {address} is the network or broadcast address of {network}")
    gateway = ""
    if "gateway" in options:
        gateway = str(addressing.ipv4(options["gateway"], "gateway"))
        if addressing.ipv4(gateway) not in network or gateway == str(address):
            raise CommandError(f"Invalid gateway {gateway}: not on {network}")
    addressing.refuse_duplicate(host, vmk, str(address))
    addressing.forget_lease(host, vmk)
    vmk["ipv4"] = {
        "type": "static", "address": str(address), "netmask": str(network.netmask), "gateway": gateway,
        "peer_dns": False, "lease": None,
    }  # fmt: skip
    addressing.drop_lost_routes(host, vmk["netstack"])


CHOICE = [Option("i", "interface-name"), Option("N", "netstack")]
COMMANDS = [
    Command("network ip interface ipv4 get", _get, *CHOICE),
    Command("network ip interface ipv4 address list", _address_list, *CHOICE),
    Command(
        "network ip interface ipv4 set", _set, Option("i", "interface-name", required=True),
        Option("t", "type", required=True, choices=("dhcp", "none", "static")), Option("I", "ipv4"),
        Option("N", "netmask"), Option("g", "gateway"), Option("P", "peer-dns", "bool"),
    ),
]  # fmt: skip

"""esxcli network ip interface: VMkernel interfaces and their tags."""

import re
from typing import Any, Dict

from standin.esxi import addressing
from standin.esxi.errors import AlreadyThereError, CommandError, NotThereError
from standin.esxi.host import DEFAULT_STACK, Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, Row, fields, listing, record

INTERFACE_FIELDS = fields(
    "Name", "MAC Address", "Enabled:boolean", "Portset", "Portgroup", "Netstack Instance", "VDS Name", "VDS UUID",
    "VDS Port", "VDS Connection:integer", "Opaque Network ID", "Opaque Network Type", "External ID", "MTU:integer",
    "TSO MSS:integer", "RXDispQueue Size:integer", "Port ID:integer",
)  # fmt: skip
TAGS = (
    "Management", "VMotion", "faultToleranceLogging", "vSphereReplication", "vSphereReplicationNFC",
    "vSphereProvisioning", "VSAN", "VSANWitness",
)  # fmt: skip


def new_interface(
    name: str, mac: str, portgroup: str, netstack: str = DEFAULT_STACK, mtu: int = 1500
) -> Dict[str, Any]:
    return {
        "name": name,
        "mac": mac,
        "enabled": True,
        "portgroup": portgroup,
        "netstack": netstack,
        "mtu": mtu,
        "tags": [],
        "ipv4": {"type": "none", "address": "", "netmask": "", "gateway": "", "peer_dns": False, "lease": None},
        "ipv6": {
            "enabled": True, "dhcpv6": False, "router_adv": False, "peer_dns": False, "gateway": "::",
            "addresses": [], "learned": [],
        },
    }  # fmt: skip


def _row(host: Host, vmk: Dict[str, Any]) -> Row:
    group = host.running["portgroups"][vmk["portgroup"]]
    return {
        "Name": vmk["name"],
        "MAC Address": vmk["mac"],
        "Enabled": vmk["enabled"],
        "Portset": group["vswitch"],
        "Portgroup": vmk["portgroup"],
        "Netstack Instance": vmk["netstack"],
        "VDS Name": "N/A",
        "VDS UUID": "N/A",
        "VDS Port": "N/A",
        "VDS Connection": -1,
        "Opaque Network ID": "N/A",
        "Opaque Network Type": "N/A",
        "External ID": "N/A",
        "MTU": vmk["mtu"],
        "TSO MSS": 65535,
        "RXDispQueue Size": 1,
        "Port ID": 33554436 + int(vmk["name"][3:]),
    }


def _list(host: Host, options: Options) -> Output:
    stack = options.get("netstack")
    if stack:
        host.stack(stack)
    return listing("VMKernelNetworkInterface", INTERFACE_FIELDS, [_row(host, vmk) for vmk in host.interfaces(stack)])


def _add(host: Host, options: Options) -> None:
    name = options.get("interface-name") or _free_name(host)
    if not re.match(r"vmk([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$", name):
        raise CommandError(f"Invalid VMkernel interface name {name}: must be vmkX, X from 0 to 255")
    if name in host.running["interfaces"]:
        raise CommandError(f"Unable to add vmkernel network interface {name}: Already exists")
    group = host.portgroup(options["portgroup-name"])
    clients = host.clients(group["name"])
    if clients:
        raise CommandError(
            "A vmkernel nic for the connection point already exists: {} on {}".format(clients[0], group["name"])
        )
    stack = options.get("netstack", DEFAULT_STACK)
    host.stack(stack)
    mac = _mac(host, options.get("mac-address"))
    mtu = options.get("mtu", 1500)
    _refuse_mtu(host, group["vswitch"], name, mtu)
    vmk = new_interface(name, mac, group["name"], stack, mtu)
    vmk["ipv6"]["enabled"] = host.running["ipv6_enabled"]
    vmk["ipv6"]["router_adv"] = host.dial("new-vmk-advertisements") == "yes"
    host.running["interfaces"][name] = vmk
    if host.dial("new-vmk-ipv4") == "dhcp":
        vmk["ipv4"].update(type="dhcp", peer_dns=True)
        addressing.ask_dhcp(host, vmk)
    addressing.learn_ipv6(host, vmk)


def _free_name(host: Host) -> str:
    number = 0
    while f"vmk{number}" in host.running["interfaces"]:
        number += 1
    return f"vmk{number}"


def _mac(host: Host, given: Any) -> str:
    taken = {vmk["mac"] for vmk in host.interfaces()}
    if given is None:
        host.running["next_mac"] += 1
        number = host.running["next_mac"]
        return "00:50:56:{:02x}:{:02x}:{:02x}".format(0x60 | (number >> 16) & 0xF, number >> 8 & 0xFF, number & 0xFF)
    mac = str(given).lower()
    if not re.match(r"([0-9a-f]{2}:){5}[0-9a-f]{2}$", mac) or int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise CommandError(f"Invalid MAC address: {given}")
    if mac in taken:
        raise CommandError(f"MAC address {given} is already in use by another vmkernel network interface")
    return mac


def _refuse_mtu(host: Host, switch: str, name: str, mtu: int) -> None:
    limit = host.switch(switch)["mtu"]
    if mtu > limit:
        raise CommandError(f"Unable to set MTU {mtu} on {name}: {switch} has MTU {limit}")


def _remove(host: Host, options: Options) -> None:
    if "interface-name" in options:
        if options["interface-name"] not in host.running["interfaces"]:
            raise NotThereError("Unable to find vmkernel network interface {}".format(options["interface-name"]))
        vmk = host.interface(options["interface-name"])
    elif "portgroup-name" in options:
        host.portgroup(options["portgroup-name"])
        found = [vmk for vmk in host.interfaces() if vmk["portgroup"] == options["portgroup-name"]]
        if not found:
            raise CommandError("No vmkernel network interface on portgroup {}".format(options["portgroup-name"]))
        vmk = found[0]
    else:
        raise CommandError("Error: Missing required parameter -i|--interface-name")
    addressing.forget_interface(host, vmk)
    del host.running["interfaces"][vmk["name"]]
    addressing.drop_lost_routes(host, vmk["netstack"])


def _set(host: Host, options: Options) -> None:
    vmk = host.interface(options["interface-name"])
    if "mtu" in options:
        _refuse_mtu(host, host.portgroup(vmk["portgroup"])["vswitch"], vmk["name"], options["mtu"])
        vmk["mtu"] = options["mtu"]
    if "enabled" in options and options["enabled"] != vmk["enabled"]:
        vmk["enabled"] = options["enabled"]
        if vmk["enabled"]:
            addressing.refresh_addresses(host)
        else:
            addressing.forget_interface(host, vmk)


def _get_tags(host: Host, options: Options) -> Output:
    vmk = host.interface(options["interface-name"])
    return record("InterfaceTags", fields("Tags:list"), {"Tags": list(vmk["tags"])})


def _add_tag(host: Host, options: Options) -> None:
    vmk, tag = host.interface(options["interface-name"]), options["tagname"]
    if tag not in TAGS:
        raise CommandError(f"Invalid tag {tag}")
    if tag in vmk["tags"]:
        raise AlreadyThereError(f"Tag {tag} is already set on {vmk['name']}")
    vmk["tags"].append(tag)


def _remove_tag(host: Host, options: Options) -> None:
    vmk, tag = host.interface(options["interface-name"]), options["tagname"]
    if tag not in vmk["tags"]:
        raise NotThereError(f"Tag {tag} is not set on {vmk['name']}")
    vmk["tags"].remove(tag)


VMK = Option("i", "interface-name", required=True)
TAG = Option("t", "tagname", required=True)
MTU = Option("m", "mtu", "long", limits=(1280, 9000))
COMMANDS = [
    Command("network ip interface list", _list, Option("N", "netstack")),
    Command(
        "network ip interface add", _add, Option("i", "interface-name"), Option("p", "portgroup-name", required=True),
        Option("M", "mac-address"), Option("N", "netstack"), MTU,
    ),
    Command("network ip interface remove", _remove, Option("i", "interface-name"), Option("p", "portgroup-name")),
    Command("network ip interface set", _set, VMK, MTU, Option("e", "enabled", "bool")),
    Command("network ip interface tag get", _get_tags, VMK),
    Command("network ip interface tag add", _add_tag, VMK, TAG),
    Command("network ip interface tag remove", _remove_tag, VMK, TAG),
]  # fmt: skip

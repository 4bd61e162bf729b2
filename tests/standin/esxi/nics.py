"""esxcli network nic."""

from typing import List, Optional

from standin.esxi.errors import CommandError
from standin.esxi.host import Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, Row, fields, record, table

NIC_FIELDS = fields(
    "Name", "PCI Device", "Driver", "Admin Status", "~Link", "Link Status", "Speed:integer", "Duplex", "MAC Address",
    "MTU:integer", "Description",
)  # fmt: skip
NIC_GET = fields(
    "Advertised Auto Negotiation:boolean", "Advertised Link Modes:list", "Auto Negotiation:boolean",
    "Cable Type", "Current Message Level:integer", "Link Detected:boolean", "Link Status", "Name", "PHYAddress:integer",
    "Pause Autonegotiate:boolean", "Pause RX:boolean", "Pause TX:boolean", "Supported Ports", "Supports Auto "
    "Negotiation:boolean", "Supports Pause:boolean", "Supports Wakeon:boolean", "Transceiver", "Virtual Address",
    "Wakeon",
)  # fmt: skip


def link_is_up(host: Host, name: str) -> bool:
    """The NIC is not administratively down, and its cable carries a link."""
    nic = host.nic(name)
    settings = host.running["nics"].get(name, {})
    cable = host.world["cables"].get(nic["mac"])
    bouncing = host.store["power"].get("bounced", {}).get(name, host.now) > host.now
    return bool(settings.get("admin", True)) and bool(cable) and bool(cable.get("link", True)) and not bouncing


def uplink_of(host: Host, name: str) -> Optional[str]:
    """The vSwitch that has this NIC."""
    for switch in host.running["vswitches"].values():
        if name in switch["uplinks"]:
            return str(switch["name"])
    return None


def nic_mtu(host: Host, name: str) -> int:
    switch = uplink_of(host, name)
    return int(host.running["vswitches"][switch]["mtu"]) if switch else 1500


def _row(host: Host, name: str) -> Row:
    nic = host.nic(name)
    link = "Up" if link_is_up(host, name) else "Down"
    return {
        "Name": name,
        "PCI Device": nic["pci"],
        "Driver": nic["driver"],
        "Admin Status": "Up" if host.running["nics"].get(name, {}).get("admin", True) else "Down",
        "Link": link,
        "Link Status": link,
        "Speed": nic["speed"] if link == "Up" else 0,
        "Duplex": "Full" if link == "Up" else "Half",
        "MAC Address": nic["mac"],
        "MTU": nic_mtu(host, name),
        "Description": nic["description"],
    }


def _list(host: Host, options: Options) -> Output:
    rows: List[Row] = [_row(host, str(nic["name"])) for nic in host.nics()]
    return table("NIC", NIC_FIELDS, rows)


def _get(host: Host, options: Options) -> Output:
    name = options["nic-name"]
    nic = host.nic(name)
    up = link_is_up(host, name)
    row = {
        "Advertised Auto Negotiation": True,
        "Advertised Link Modes": ["Auto", "{}BaseT/Full".format(nic["speed"])],
        "Auto Negotiation": True,
        "Cable Type": "Twisted Pair",
        "Current Message Level": 7,
        "Link Detected": up,
        "Link Status": "Up" if up else "Down",
        "Name": name,
        "PHYAddress": 0,
        "Pause Autonegotiate": True,
        "Pause RX": False,
        "Pause TX": False,
        "Supported Ports": "TP",
        "Supports Auto Negotiation": True,
        "Supports Pause": True,
        "Supports Wakeon": True,
        "Transceiver": "internal",
        "Virtual Address": nic["mac"],
        "Wakeon": "MagicPacket(tm)",
    }
    return record("NicDetails", NIC_GET, row)


def _set(host: Host, options: Options) -> None:
    host.nic(options["nic-name"])
    if options.get("auto") and (options.get("speed") or options.get("duplex")):
        raise CommandError("Speed and duplex can not be specified together with auto")
    if bool(options.get("speed")) != bool(options.get("duplex")):
        raise CommandError("Speed and duplex must be specified together")


def _admin(up: bool, host: Host, options: Options) -> None:
    host.nic(options["nic-name"])
    host.running["nics"].setdefault(options["nic-name"], {})["admin"] = up


NIC = Option("n", "nic-name", required=True)
COMMANDS = [
    Command("network nic list", _list),
    Command("network nic get", _get, NIC),
    Command(
        "network nic set", _set, NIC, Option("a", "auto", "flag"), Option("S", "speed", "long"),
        Option("D", "duplex", choices=("full", "half")), Option("w", "wake-on-lan"),
        Option("l", "message-level", "long"),
    ),
    Command("network nic up", lambda host, options: _admin(True, host, options), NIC),
    Command("network nic down", lambda host, options: _admin(False, host, options), NIC),
]  # fmt: skip

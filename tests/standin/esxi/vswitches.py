"""esxcli network vswitch standard: switches and their uplinks."""

from typing import Any, Dict

from standin.esxi.dials import LINK_BOUNCE
from standin.esxi.errors import AlreadyThereError, CommandError, NotThereError
from standin.esxi.host import Command, Host
from standin.esxi.nics import uplink_of
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, Row, fields, listing

SWITCH_FIELDS = fields(
    "Name", "Class", "Num Ports:integer", "Used Ports:integer", "Configured Ports:integer", "MTU:integer", "CDP Status",
    "Beacon Enabled:boolean", "Beacon Interval:integer", "Beacon Threshold:integer", "Beacon Required By:list",
    "Uplinks:list", "Portgroups:list",
)  # fmt: skip
MAXIMUM_NAME = 31


def new_switch(name: str, ports: int = 128) -> Dict[str, Any]:
    return {
        "name": name,
        "ports": ports,
        "mtu": 1500,
        "cdp": "listen",
        "uplinks": [],
        "failover": {
            "load_balancing": "portid",
            "failure_detection": "link",
            "notify_switches": True,
            "failback": True,
            "active": [],
            "standby": [],
        },
        "security": {"promiscuous": False, "mac_change": False, "forged_transmits": False},
    }


def _row(host: Host, switch: Dict[str, Any]) -> Row:
    groups = [group for group in host.running["portgroups"].values() if group["vswitch"] == switch["name"]]
    clients = sum(len(host.clients(group["name"])) for group in groups)
    return {
        "Name": switch["name"],
        "Class": "cswitch",
        "Num Ports": 3246,
        # Each uplink takes a port of its own and one of the team's.
        "Used Ports": 1 + 2 * len(switch["uplinks"]) + clients,
        "Configured Ports": switch["ports"],
        "MTU": switch["mtu"],
        "CDP Status": switch["cdp"],
        "Beacon Enabled": switch["failover"]["failure_detection"] == "beacon",
        "Beacon Interval": 1,
        "Beacon Threshold": 3,
        "Beacon Required By": [],
        "Uplinks": list(reversed(switch["uplinks"])) if host.dial("uplink-order") == "reversed" else switch["uplinks"],
        "Portgroups": [group["name"] for group in sorted(groups, key=lambda group: -int(group["number"]))],
    }


def _list(host: Host, options: Options) -> Output:
    name = options.get("vswitch-name")
    chosen = [host.switch(name)] if name else sorted(host.running["vswitches"].values(), key=lambda one: one["name"])
    return listing("VirtualSwitch", SWITCH_FIELDS, [_row(host, switch) for switch in chosen])


def _add(host: Host, options: Options) -> None:
    name = options["vswitch-name"]
    if name in host.running["vswitches"]:
        raise AlreadyThereError(f"Unable to add vSwitch {name}: Already exists")
    if len(name) > MAXIMUM_NAME or "/" in name or name != name.strip():
        raise CommandError(f"Unable to add vSwitch {name}: Invalid name")
    host.running["vswitches"][name] = new_switch(name, options.get("ports", 128))


def _remove(host: Host, options: Options) -> None:
    name = options["vswitch-name"]
    if name not in host.running["vswitches"]:
        raise NotThereError(f"No vSwitch with name {name} found")
    groups = [group["name"] for group in host.running["portgroups"].values() if group["vswitch"] == name]
    for group in groups:
        clients = host.clients(group)
        if clients:
            raise CommandError(f"Unable to remove vSwitch {name}: in use by {clients[0]} on portgroup {group}")
    for group in groups:
        del host.running["portgroups"][group]
    del host.running["vswitches"][name]


def _set(host: Host, options: Options) -> None:
    switch = host.switch(options["vswitch-name"])
    if "mtu" in options:
        _set_mtu(host, switch, options["mtu"])
    if "cdp-status" in options:
        switch["cdp"] = options["cdp-status"]


def _set_mtu(host: Host, switch: Dict[str, Any], mtu: int) -> None:
    for uplink in switch["uplinks"]:
        limit = host.nic(uplink)["max_mtu"]
        if mtu > limit:
            raise CommandError(f"Unable to set MTU {mtu} on {switch['name']}: {uplink} supports at most {limit}")
    for vmk in host.interfaces():
        group = host.running["portgroups"][vmk["portgroup"]]
        if group["vswitch"] == switch["name"] and vmk["mtu"] > mtu:
            raise CommandError(f"Unable to set MTU {mtu} on {switch['name']}: {vmk['name']} uses MTU {vmk['mtu']}")
    if mtu != switch["mtu"] and host.dial("set-mtu") == "bounces":
        for uplink in switch["uplinks"]:
            host.store["power"].setdefault("bounced", {})[uplink] = host.now + LINK_BOUNCE
    switch["mtu"] = mtu


def _add_uplink(host: Host, options: Options) -> None:
    switch, uplink = host.switch(options["vswitch-name"]), options["uplink-name"]
    nic = host.nic(uplink)
    owner = uplink_of(host, uplink)
    if owner == switch["name"]:
        raise AlreadyThereError(f"Uplink {uplink} is already connected to {owner}")
    if owner:
        raise CommandError(f"Unable to add uplink {uplink} to {switch['name']}: in use by {owner}")
    if switch["mtu"] > nic["max_mtu"]:
        raise CommandError(
            f"Unable to add uplink {uplink}: it supports at most MTU {nic['max_mtu']}, "
            f"{switch['name']} has {switch['mtu']}"
        )
    switch["uplinks"].append(uplink)
    # The first uplink carries traffic by itself; a further one waits for the failover policy to name it, or does not.
    if len(switch["uplinks"]) == 1 or host.dial("new-uplink") == "active":
        switch["failover"]["active"].append(uplink)
    elif host.dial("new-uplink") == "standby":
        switch["failover"]["standby"].append(uplink)


def _remove_uplink(host: Host, options: Options) -> None:
    switch, uplink = host.switch(options["vswitch-name"]), options["uplink-name"]
    if uplink not in switch["uplinks"]:
        raise NotThereError(f"Uplink {uplink} is not connected to {switch['name']}")
    switch["uplinks"].remove(uplink)
    policies = [switch["failover"]]
    policies += [
        group["failover"] for group in host.running["portgroups"].values() if group["vswitch"] == switch["name"]
    ]
    for policy in policies:
        for role in ("active", "standby"):
            if uplink in policy.get(role, []):
                policy[role].remove(uplink)


SWITCH = Option("v", "vswitch-name", required=True)
UPLINK = Option("u", "uplink-name", required=True)
COMMANDS = [
    Command("network vswitch standard list", _list, Option("v", "vswitch-name")),
    Command("network vswitch standard add", _add, SWITCH, Option("P", "ports", "long", limits=(1, 4096))),
    Command("network vswitch standard remove", _remove, SWITCH),
    Command(
        "network vswitch standard set", _set, SWITCH, Option("m", "mtu", "long", limits=(1280, 9000)),
        Option("c", "cdp-status", choices=("down", "listen", "advertise", "both")),
    ),
    Command("network vswitch standard uplink add", _add_uplink, SWITCH, UPLINK),
    Command("network vswitch standard uplink remove", _remove_uplink, SWITCH, UPLINK),
]  # fmt: skip

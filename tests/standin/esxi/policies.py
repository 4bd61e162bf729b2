"""esxcli network vswitch standard policy and portgroup policy: teaming (failover) and security."""

from typing import Any, Dict, List, Tuple

from standin.esxi.errors import CommandError
from standin.esxi.host import Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Field, Output, Row, fields, record

# What `set` takes and what `get` shows are not the same words.
SHOWN_BALANCING = {"portid": "srcport", "iphash": "iphash", "mac": "srcmac", "explicit": "explicit"}
FAILOVER_KEYS: List[Tuple[str, str, str]] = [
    ("load-balancing", "load_balancing", "Load Balancing"),
    ("failure-detection", "failure_detection", "Network Failure Detection"),
    ("notify-switches", "notify_switches", "Notify Switches"),
    ("failback", "failback", "Failback"),
]
SECURITY_KEYS: List[Tuple[str, str, str]] = [
    ("allow-promiscuous", "promiscuous", "Allow Promiscuous"),
    ("allow-mac-change", "mac_change", "Allow MAC Address Change"),
    ("allow-forged-transmits", "forged_transmits", "Allow Forged Transmits"),
]
FAILOVER_FIELDS = fields(
    "Load Balancing", "Network Failure Detection", "Notify Switches:boolean", "Failback:boolean",
    "Active Adapters:list", "Standby Adapters:list", "Unused Adapters:list",
)  # fmt: skip
OVERRIDES = fields(
    "Override Vswitch Load Balancing:boolean", "Override Vswitch Network Failure Detection:boolean",
    "Override Vswitch Notify Switches:boolean", "Override Vswitch Failback:boolean", "Override Vswitch Uplinks:boolean",
)  # fmt: skip
SECURITY_FIELDS = [Field(label, "boolean") for _, _, label in SECURITY_KEYS]
SECURITY_OVERRIDES = [Field("Override Vswitch " + label, "boolean") for _, _, label in SECURITY_KEYS]


def effective_failover(host: Host, portgroup: str) -> Dict[str, Any]:
    """The team that a port group really uses: its own settings over its vSwitch's."""
    group = host.portgroup(portgroup)
    merged = dict(host.switch(group["vswitch"])["failover"])
    merged.update(group["failover"])
    return merged


def _failover_row(policy: Dict[str, Any], uplinks: List[str]) -> Row:
    used = list(policy["active"]) + list(policy["standby"])
    return {
        "Load Balancing": SHOWN_BALANCING[policy["load_balancing"]],
        "Network Failure Detection": policy["failure_detection"],
        "Notify Switches": policy["notify_switches"],
        "Failback": policy["failback"],
        "Active Adapters": list(policy["active"]),
        "Standby Adapters": list(policy["standby"]),
        "Unused Adapters": [uplink for uplink in uplinks if uplink not in used],
    }


def _get_switch_failover(host: Host, options: Options) -> Output:
    switch = host.switch(options["vswitch-name"])
    return record("FailoverPolicy", FAILOVER_FIELDS, _failover_row(switch["failover"], switch["uplinks"]))


def _get_group_failover(host: Host, options: Options) -> Output:
    group = host.portgroup(options["portgroup-name"])
    row = _failover_row(effective_failover(host, group["name"]), host.switch(group["vswitch"])["uplinks"])
    for _, key, label in FAILOVER_KEYS:
        row["Override Vswitch " + label] = key in group["failover"]
    row["Override Vswitch Uplinks"] = "active" in group["failover"]
    return record("PortGroupFailoverPolicy", FAILOVER_FIELDS + OVERRIDES, row)


def _change_failover(policy: Dict[str, Any], inherited: Dict[str, Any], uplinks: List[str], options: Options) -> None:
    for option, key, _ in FAILOVER_KEYS:
        if option in options:
            policy[key] = options[option]
    if "active-uplinks" not in options and "standby-uplinks" not in options:
        return
    before = dict(inherited)
    before.update(policy)
    active = _names(options["active-uplinks"]) if "active-uplinks" in options else list(before["active"])
    standby = _names(options["standby-uplinks"]) if "standby-uplinks" in options else list(before["standby"])
    for name in active + standby:
        if name not in uplinks:
            raise CommandError(f"Invalid uplink {name}: not connected to this vSwitch")
    if "active-uplinks" in options and "standby-uplinks" in options and set(active) & set(standby):
        raise CommandError("Invalid uplinks: {} is both active and standby".format(min(set(active) & set(standby))))
    # Naming an uplink in one role takes it out of the other.
    if "active-uplinks" in options:
        standby = [name for name in standby if name not in active]
    else:
        active = [name for name in active if name not in standby]
    policy["active"], policy["standby"] = active, standby


def _names(text: str) -> List[str]:
    names = text.split(",")
    if "" in names or len(set(names)) != len(names):
        raise CommandError(f"Invalid list of uplinks: {text}")
    return names


def _set_switch_failover(host: Host, options: Options) -> None:
    switch = host.switch(options["vswitch-name"])
    _change_failover(switch["failover"], switch["failover"], switch["uplinks"], options)


def _set_group_failover(host: Host, options: Options) -> None:
    group = host.portgroup(options["portgroup-name"])
    switch = host.switch(group["vswitch"])
    if options.get("use-vswitch"):
        if len(options) > 2:
            raise CommandError("use-vswitch can not be combined with other settings")
        group["failover"] = {}
        return
    _change_failover(group["failover"], switch["failover"], switch["uplinks"], options)


def _get_security(host: Host, options: Options) -> Output:
    if "portgroup-name" in options:
        group = host.portgroup(options["portgroup-name"])
        policy = dict(host.switch(group["vswitch"])["security"])
        policy.update(group["security"])
        row = {label: policy[key] for _, key, label in SECURITY_KEYS}
        row.update({"Override Vswitch " + label: key in group["security"] for _, key, label in SECURITY_KEYS})
        return record("PortGroupSecurityPolicy", SECURITY_FIELDS + SECURITY_OVERRIDES, row)
    policy = host.switch(options["vswitch-name"])["security"]
    return record("SecurityPolicy", SECURITY_FIELDS, {label: policy[key] for _, key, label in SECURITY_KEYS})


def _set_security(host: Host, options: Options) -> None:
    if "portgroup-name" in options:
        policy = host.portgroup(options["portgroup-name"])["security"]
        if options.get("use-vswitch"):
            policy.clear()
    else:
        policy = host.switch(options["vswitch-name"])["security"]
    for option, key, _ in SECURITY_KEYS:
        if option in options:
            policy[key] = options[option]


SWITCH = Option("v", "vswitch-name", required=True)
GROUP = Option("p", "portgroup-name", required=True)
USE_SWITCH = Option("u", "use-vswitch", "flag")
TEAM = [
    Option("a", "active-uplinks"),
    Option("s", "standby-uplinks"),
    Option("l", "load-balancing", choices=("explicit", "iphash", "mac", "portid")),
    Option("f", "failure-detection", choices=("link", "beacon")),
    Option("b", "failback", "bool"),
    Option("n", "notify-switches", "bool"),
]
SECURITY = [Option("m", "allow-mac-change", "bool"), Option("f", "allow-forged-transmits", "bool")]
COMMANDS = [
    Command("network vswitch standard policy failover get", _get_switch_failover, SWITCH),
    Command("network vswitch standard policy failover set", _set_switch_failover, SWITCH, *TEAM),
    Command("network vswitch standard policy security get", _get_security, SWITCH),
    Command(
        "network vswitch standard policy security set", _set_security, SWITCH,
        Option("p", "allow-promiscuous", "bool"), *SECURITY
    ),
    Command("network vswitch standard portgroup policy failover get", _get_group_failover, GROUP),
    Command("network vswitch standard portgroup policy failover set", _set_group_failover, GROUP, USE_SWITCH, *TEAM),
    Command("network vswitch standard portgroup policy security get", _get_security, GROUP),
    Command(
        "network vswitch standard portgroup policy security set", _set_security, GROUP, USE_SWITCH,
        Option("o", "allow-promiscuous", "bool"), *SECURITY
    ),
]  # fmt: skip

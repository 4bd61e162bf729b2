"""esxcli network firewall, with rule files of one's own in /etc/vmware/firewall."""

import ipaddress
import os
import re
from typing import Any, Dict, List, Optional
from xml.etree import ElementTree

from standin.esxi.errors import CommandError
from standin.esxi.host import Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, Row, fields, record, table

RULE_FILES = "/etc/vmware/firewall"
RULE_FIELDS = fields("Ruleset", "Direction", "Protocol", "Port Type", "Port Begin:integer", "Port End:integer")


def rule(direction: str, protocol: str, kind: str, begin: int, end: int = 0) -> Dict[str, Any]:
    return {"direction": direction, "protocol": protocol, "kind": kind, "begin": begin, "end": end or begin}


def new_ruleset(enabled: bool, *rules: Dict[str, Any]) -> Dict[str, Any]:
    return {"enabled": enabled, "allow_all": True, "allowed": [], "rules": list(rules), "file": None}


def default_firewall() -> Dict[str, Any]:
    """The rule sets of a fresh install that matter here, and their ports."""
    sets = {
        "sshServer": new_ruleset(True, rule("Inbound", "TCP", "Dst", 22)),
        "sshClient": new_ruleset(False, rule("Outbound", "TCP", "Dst", 22)),
        "dns": new_ruleset(True, rule("Inbound", "UDP", "Src", 53), rule("Outbound", "UDP", "Dst", 53)),
        "dhcp": new_ruleset(True, rule("Inbound", "UDP", "Dst", 68), rule("Outbound", "UDP", "Src", 68)),
        "ntpClient": new_ruleset(False, rule("Outbound", "UDP", "Dst", 123)),
        "httpClient": new_ruleset(False, rule("Outbound", "TCP", "Dst", 80), rule("Outbound", "TCP", "Dst", 443)),
        "webAccess": new_ruleset(True, rule("Inbound", "TCP", "Dst", 80)),
        "vSphereClient": new_ruleset(True, rule("Inbound", "TCP", "Dst", 902), rule("Inbound", "TCP", "Dst", 443)),
        "syslog": new_ruleset(False, rule("Outbound", "UDP", "Dst", 514), rule("Outbound", "TCP", "Dst", 514)),
        "remoteSerialPort": new_ruleset(
            False, rule("Outbound", "TCP", "Dst", 0, 65535), rule("Inbound", "TCP", "Dst", 23)
        ),
    }
    return {"enabled": True, "loaded": True, "default_action": "DROP", "rulesets": sets}


def lets_out(host: Host, port: int, address: str) -> bool:
    """Whether a TCP connection to ``address`` may leave."""
    firewall = host.running["firewall"]
    if not firewall["enabled"] or not firewall["loaded"] or firewall["default_action"] == "PASS":
        return True
    return any(
        ruleset["enabled"] and _allows(ruleset, address) and any(_covers(one, port) for one in ruleset["rules"])
        for ruleset in firewall["rulesets"].values()
    )


def _covers(one: Dict[str, Any], port: int) -> bool:
    return (one["direction"], one["protocol"]) == ("Outbound", "TCP") and port in range(one["begin"], one["end"] + 1)


def _allows(ruleset: Dict[str, Any], address: str) -> bool:
    if ruleset["allow_all"]:
        return True
    target = ipaddress.ip_address(address)
    networks = [ipaddress.ip_network(text, strict=False) for text in ruleset["allowed"]]
    return any(target.version == network.version and target in network for network in networks)


def _ruleset(host: Host, name: str) -> Dict[str, Any]:
    found: Optional[Dict[str, Any]] = host.running["firewall"]["rulesets"].get(name)
    if found is None:
        raise CommandError(f"Invalid ruleset id {name}: not found")
    return found


def _get(host: Host, options: Options) -> Output:
    firewall = host.running["firewall"]
    return record(
        "FirewallStatus",
        fields("Default Action", "Enabled:boolean", "Loaded:boolean"),
        {"Default Action": firewall["default_action"], "Enabled": firewall["enabled"], "Loaded": firewall["loaded"]},
    )


def _set(host: Host, options: Options) -> None:
    firewall = host.running["firewall"]
    if "default-action" in options:
        firewall["default_action"] = "PASS" if options["default-action"] else "DROP"
    if "enabled" in options:
        firewall["enabled"] = options["enabled"]


def _chosen(host: Host, options: Options) -> List[str]:
    if "ruleset-id" in options:
        _ruleset(host, options["ruleset-id"])
        return [options["ruleset-id"]]
    return sorted(host.running["firewall"]["rulesets"])


def _list(host: Host, options: Options) -> Output:
    rows: List[Row] = [
        {"Name": name, "Enabled": host.running["firewall"]["rulesets"][name]["enabled"]}
        for name in _chosen(host, options)
    ]
    return table("FirewallRuleset", fields("Name", "Enabled:boolean"), rows)


def _set_ruleset(host: Host, options: Options) -> None:
    ruleset = _ruleset(host, options["ruleset-id"])
    if "allowed-all" in options:
        ruleset["allow_all"] = options["allowed-all"]
    if "enabled" in options:
        ruleset["enabled"] = options["enabled"]


def _rules(host: Host, options: Options) -> Output:
    rows: List[Row] = [
        {
            "Ruleset": name, "Direction": one["direction"], "Protocol": one["protocol"], "Port Type": one["kind"],
            "Port Begin": one["begin"], "Port End": one["end"],
        }
        for name in _chosen(host, options)
        for one in host.running["firewall"]["rulesets"][name]["rules"]
    ]  # fmt: skip
    return table("FirewallRule", RULE_FIELDS, rows)


def _allowed(host: Host, options: Options) -> Output:
    rows: List[Row] = []
    for name in _chosen(host, options):
        ruleset = host.running["firewall"]["rulesets"][name]
        rows.append({"Ruleset": name, "Allowed IP Addresses": ["All"] if ruleset["allow_all"] else ruleset["allowed"]})
    return table("FirewallAllowedIp", fields("Ruleset", "Allowed IP Addresses:list"), rows)


def _address(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise CommandError(f"Invalid IP address: {text}") from None
    return str(network) if "/" in text else str(network.network_address)


def _allow(host: Host, options: Options) -> None:
    ruleset, address = _ruleset(host, options["ruleset-id"]), _address(options["ip-address"])
    if ruleset["allow_all"]:
        raise CommandError("Ruleset {} allows all IP addresses: set allowed-all to false".format(options["ruleset-id"]))
    if address in ruleset["allowed"]:
        raise CommandError(f"IP address {address} is already allowed")
    ruleset["allowed"].append(address)


def _forbid(host: Host, options: Options) -> None:
    ruleset, address = _ruleset(host, options["ruleset-id"]), _address(options["ip-address"])
    if address not in ruleset["allowed"]:
        raise CommandError(f"IP address {address} is not in the list of {options['ruleset-id']}")
    ruleset["allowed"].remove(address)


def refresh(host: Host) -> None:
    """Read the rule files again; a set whose file is gone goes with it."""
    rulesets = host.running["firewall"]["rulesets"]
    takes = host.dial("rule-file")
    found: Dict[str, Dict[str, Any]] = {}
    directory = host.store.root(RULE_FILES)
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if name.endswith(".xml") and takes == "refused":
            raise CommandError(f"Unable to refresh: {name} is not part of the system")
        if name.endswith(".xml") and takes == "taken":
            found.update(_read_rules(os.path.join(directory, name), name))
    for name in [name for name in rulesets if rulesets[name]["file"] and name not in found]:
        del rulesets[name]
    for name in sorted(found):
        if name in rulesets and not rulesets[name]["file"]:
            raise CommandError(f"Unable to refresh: ruleset {name} of {found[name]['file']} exists already")
        if name in rulesets:
            found[name].update({key: rulesets[name][key] for key in ("enabled", "allow_all", "allowed")})
        rulesets[name] = found[name]


def _read_rules(path: str, name: str) -> Dict[str, Dict[str, Any]]:
    try:
        root = ElementTree.parse(path).getroot()
        services = list(root.iter("service"))
        return {_text(service, "id"): _service(service, name) for service in services}
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise CommandError(f"Unable to refresh: {name}: {error}") from None


def _service(service: Any, name: str) -> Dict[str, Any]:
    rules = []
    for one in service.findall("rule"):
        port = one.find("port")
        if port is None or (len(port) and (port.find("begin") is None or port.find("end") is None)):
            raise KeyError("rule without a port")
        begin = int(_text(port, "begin") if len(port) else port.text)
        end = int(_text(port, "end") if len(port) else port.text)
        if not 0 <= begin <= end <= 65535:
            raise ValueError(f"port {begin}")
        words = [_text(one, key) for key in ("direction", "protocol", "porttype")]
        rules.append(rule(words[0].capitalize(), words[1].upper(), words[2].capitalize(), begin, end))
    made = new_ruleset(_text(service, "enabled") == "true", *rules)
    made["file"] = name
    if not re.match(r"[A-Za-z0-9_-]+$", _text(service, "id")):
        raise ValueError("name of a service")
    return made


def _text(element: Any, tag: str) -> str:
    found = element.find(tag)
    if found is None or not (found.text or "").strip():
        raise KeyError(f"no {tag}")
    return str(found.text).strip()


RULESET = Option("r", "ruleset-id", required=True)
ADDRESS = Option("i", "ip-address", required=True)
COMMANDS = [
    Command("network firewall get", _get),
    Command("network firewall set", _set, Option("d", "default-action", "bool"), Option("e", "enabled", "bool")),
    Command("network firewall refresh", lambda host, options: refresh(host)),
    Command("network firewall ruleset list", _list, Option("r", "ruleset-id")),
    Command(
        "network firewall ruleset set", _set_ruleset, RULESET, Option("e", "enabled", "bool"),
        Option("a", "allowed-all", "bool"),
    ),
    Command("network firewall ruleset rule list", _rules, Option("r", "ruleset-id")),
    Command("network firewall ruleset allowedip list", _allowed, Option("r", "ruleset-id")),
    Command("network firewall ruleset allowedip add", _allow, RULESET, ADDRESS),
    Command("network firewall ruleset allowedip remove", _forbid, RULESET, ADDRESS),
]  # fmt: skip

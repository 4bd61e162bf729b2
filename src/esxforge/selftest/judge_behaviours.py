"""Where real ESXi stands on behaviours that no public source settles. Pure functions: a setting's name, or None where
nothing shows it. What a run finds otherwise than any setting says is given as ESXi said it.
"""

from __future__ import annotations

import re
from typing import Any

from esxforge.selftest.evidence import Evidence, Stage
from esxforge.selftest.judge_host import answered, records
from esxforge.selftest.order import SECOND
from esxforge_target.contract.names import AGENT_INVENTORY
from esxforge_target.esxi.esxcli import Record
from esxforge_target.inventory.document import inventory_from_json
from esxforge_target.inventory.model import FAILOVER, Inventory, Vmk
from esxforge_target.inventory.network import MANAGEMENT_PORT_GROUP
from esxforge_target.plan.layout import MANAGEMENT_VMK
from esxforge_target.runtime.errors import ForgeError

# Keys that a release could name otherwise: the structure, its key, and the name that the fake ESXi then gives it.
RENAMED: dict[str, tuple[str, str, str]] = {
    "ipv4-type": ("IPv4Interface", "Address Type", "Configuration"),
    "ipv4-address": ("IPv4Interface", "IPv4 Address", "Current Address"),
    "vmk-group": ("VMKernelNetworkInterface", "Portgroup", "Connected To"),
    "vmk-mac": ("VMKernelNetworkInterface", "MAC Address", "Hardware Address"),
    "ipv6-advertisements": ("IPv6Interface", "Router Adv Enabled", "Autoconfiguration"),
    "switch-uplinks": ("VirtualSwitch", "Uplinks", "Connected NICs"),
    "team-active": ("FailoverPolicy", "Active Adapters", "In Use"),
    "group-vlan": ("PortGroup", "VLAN ID", "Tag"),
    "nic-mac": ("NIC", "MAC Address", "Hardware Address"),
    "route-gateway": ("IPv4Route", "Gateway", "Next Hop"),
    "dns-servers": ("DNSServer", "DNSServers", "Name Servers"),
    "host-fqdn": ("HostnameInfo", "Fully Qualified Domain Name", "Full Name"),
    "disk-boot": ("ScsiDevice", "Is Boot Device", "Boots"),
    "extent-device": ("VmfsExtent", "Device Name", "Disk"),
    "firewall-enabled": ("FirewallStatus", "Enabled", "On"),
    "ruleset-name": ("FirewallRuleset", "Name", "Identifier"),
}
# The question whose answer has the structures.
_QUESTIONS = {
    "IPv4Interface": "ipv4",
    "VMKernelNetworkInterface": "interfaces",
    "IPv6Interface": "ipv6",
    "VirtualSwitch": "vswitches",
    "FailoverPolicy": "team",
    "PortGroup": "portgroups",
    "NIC": "nics",
    "IPv4Route": "routes",
    "DNSServer": "dns",
    "HostnameInfo": "hostname",
    "ScsiDevice": "devices",
    "VmfsExtent": "extents",
    "FirewallStatus": "firewall",
    "FirewallRuleset": "rulesets",
}
_EVERYTHING = ("default", "0.0.0.0", "0.0.0.0/0")  # noqa: S104  # nothing is bound to it
_LATE = 30.0


def _found(evidence: Evidence) -> Inventory | None:
    """The inventory that the agent took first, which it keeps in the boot bank."""
    snapshot = evidence.snapshots.get(Stage.SECOND_BOOT)
    texts = [text for name, text in snapshot.logs if name == AGENT_INVENTORY] if snapshot else []
    try:
        return inventory_from_json(texts[0]) if texts else None
    except ForgeError:
        return None


def _first(evidence: Evidence) -> Vmk | None:
    found = _found(evidence)
    return found.vmk(MANAGEMENT_VMK) if found else None


def _ours(evidence: Evidence, question: str) -> Record | None:
    """The one structure about the interface that the questionnaire made."""
    found = records(evidence, question)
    return found[0] if len(found) == 1 else None


def _status(evidence: Evidence, question: str) -> int | None:
    status: int | None = answered(evidence, question).get("status")
    return status


def no_lease(evidence: Evidence) -> str | None:
    one = _ours(evidence, "probe without lease")
    if one is None or one.optional("addresstype").lower() != "dhcp":
        return None
    address = one.optional("ipv4address")
    return "169.254" if address.startswith("169.254.") else "none" if address in ("", "0.0.0.0", "N/A") else address  # noqa: S104


def lease_gateway_shown(evidence: Evidence) -> str | None:
    found, vmk = _found(evidence), _first(evidence)
    if found is None or vmk is None or vmk.ipv4 != "dhcp":
        return None
    if not any(one.interface == vmk.name and one.network == "0.0.0.0/0" for one in found.routes):
        return None
    return "yes" if vmk.gateway else "no"


def orphan_routes(evidence: Evidence) -> str | None:
    if _status(evidence, "probe route") != 0 or _status(evidence, "probe no address") != 0:
        return None
    after = records(evidence, "probe routes after")
    if not after:
        return None
    return "stay" if any(one.optional("network").startswith("198.51.100.") for one in after) else "gone"


def default_route_name(evidence: Evidence) -> str | None:
    names = [one.optional("network") for one in records(evidence, "routes")]
    found = [name for name in names if name in _EVERYTHING]
    return None if not found else "default" if found[0] == "default" else "zeros"


def static_route_source(evidence: Evidence) -> str | None:
    ours = [one for one in records(evidence, "routes") if one.optional("gateway") == SECOND.gateway]
    return (ours[0].optional("source") or None) if ours else None


def management_team(evidence: Evidence) -> str | None:
    found = _found(evidence)
    group = found.port_group(MANAGEMENT_PORT_GROUP) if found else None
    if group is None:
        return None
    return "overrides" if any(one.kind == FAILOVER for one in group.policies) else "follows"


def vmk0_mac(evidence: Evidence) -> str | None:
    found, vmk = _found(evidence), _first(evidence)
    if found is None or vmk is None:
        return None
    return "nic" if vmk.mac in [nic.mac for nic in found.nics] else "own"


def new_vmk_ipv4(evidence: Evidence) -> str | None:
    one = _ours(evidence, "probe ipv4")
    return one.optional("addresstype").lower() or None if one is not None else None


def new_vmk_advertisements(evidence: Evidence) -> str | None:
    one = _ours(evidence, "probe ipv6")
    return {"true": "yes", "false": "no"}.get(one.optional("routeradvenabled").lower()) if one is not None else None


def fresh_advertisements(evidence: Evidence) -> str | None:
    vmk = _first(evidence)
    return None if vmk is None else "yes" if vmk.router_advertisements else "no"


def already_there(evidence: Evidence) -> str | None:
    if _status(evidence, "probe add") != 0:
        return None
    return _refused(_status(evidence, "probe add again"))


def not_there(evidence: Evidence) -> str | None:
    if _status(evidence, "probe remove") != 0:
        return None
    return _refused(_status(evidence, "probe remove again"))


def _refused(status: int | None) -> str | None:
    return None if status is None else "silent" if status == 0 else "refused"


def list_lag(evidence: Evidence) -> str | None:
    """Only that there is none: how long it is, no single list shows."""
    if _status(evidence, "probe add") != 0 or not records(evidence, "probe list"):
        return None
    there = any(one.optional("name") == "esxforge-probe" for one in records(evidence, "probe list"))
    return "none" if there else "a list right after the change does not show it"


def renamed_key(evidence: Evidence) -> str | None:
    asked = False
    for structure, key, other in RENAMED.values():
        for one in records(evidence, _QUESTIONS[structure]):
            asked = True
            if not one.has(_normal(key)):
                name = next(name for name in RENAMED if RENAMED[name][:2] == (structure, key))
                return name if one.has(_normal(other)) else f"{key} of {structure} is missing"
    return "none" if asked else None


def _normal(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def no_value(evidence: Evidence) -> str | None:
    text = "".join(str(one.get("output", "")) for one in _answers(evidence) if str(one.get("output")).startswith("["))
    found = [name for name, sign in (("N/A", '"N/A"'), ("null", "null"), ("empty", '""')) if sign in text]
    return found[0] if found else None


def empty_list(evidence: Evidence) -> str | None:
    answer = answered(evidence, "snapshots")
    if answer.get("status") != 0:
        return None
    text = str(answer.get("output", "")).strip()
    return "nothing" if not text else "brackets" if text.replace(" ", "") == "[]" else None


def hostd(evidence: Evidence) -> str | None:
    found = re.findall(r"management service answers after ([0-9]+) s", evidence.log(Stage.SECOND_BOOT))
    return None if not found else "late" if max(map(float, found)) >= _LATE else "prompt"


def firewall(evidence: Evidence) -> str | None:
    found = [one.optional("enabled").lower() for one in records(evidence, "firewall")]
    return {"true": "closed", "false": "open"}.get(found[0]) if found else None


def rule_file(evidence: Evidence) -> str | None:
    log = evidence.log(Stage.SECOND_BOOT)
    if "the firewall was not opened" in log:
        return "refused" if "network firewall refresh ended" in log else "ignored"
    return "taken" if "the firewall lets TCP out" in log else None


def secure_boot_check(evidence: Evidence) -> str | None:
    log = evidence.log(Stage.SECOND_BOOT)
    signs = {
        "missing": "This ESXi has no check for Secure Boot",
        "hangs": "ESXi's check for Secure Boot did not end",
        "cannot": "ESXi's check says that Secure Boot cannot be enabled",
        "can": "ESXi's check says that Secure Boot can be enabled",
    }
    return next((name for name, sign in signs.items() if sign in log), None)


def boot_device(evidence: Evidence) -> str | None:
    found = [one.optional("isbootdevice").lower() for one in records(evidence, "devices")]
    return None if not found else "shown" if "true" in found else "not shown"


def _answers(evidence: Evidence) -> list[dict[str, Any]]:
    return list(((evidence.told or {}).get("commands") or {}).values())

"""The fake ESXi's network on Linux's NICs, so that what is set there really answers.

A port group's team is one NIC or a Linux bond, its VLAN a Linux VLAN on that, and each VMkernel interface a macvlan
with the interface's own MAC. ``ip`` and ``udhcpc`` of busybox do the work. Only the default TCP/IP stack is played.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from standin.esxi.host import DEFAULT_STACK, Host
from standin.esxi.netstacks import servers
from standin.esxi.policies import effective_failover

SYS = Path("/sys/class/net")
_STATE = Path("/run/standin/network.json")
_LEASE_SCRIPT = "/usr/lib/standin/lease"
_DRIVERS = {"e1000": "e1000", "e1000e": "ne1000", "vmxnet3": "nvmxnet3", "virtio_net": "nvmxnet3"}
Topology = dict[str, Any]


def find_nics() -> list[dict[str, Any]]:
    """The fake ESXi's documents of the NICs. ESXi numbers them otherwise than Linux: the second half comes first."""
    found = []
    for directory in sorted(SYS.iterdir(), key=lambda directory: os.path.realpath(directory / "device")):
        if (directory / "device").exists():
            driver = os.path.basename(os.path.realpath(directory / "device/driver"))
            slot = re.findall(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]", os.path.realpath(directory / "device"))
            found.append((directory.name, _read(directory / "address"), driver, slot[-1] if slot else "0000:00:00.0"))
    half = (len(found) + 1) // 2
    ordered = found[half:] + found[:half]
    return [
        {"name": f"vmnic{number}", "mac": mac, "pci": pci, "driver": _DRIVERS.get(driver, driver), "speed": 1000,
         "max_mtu": 9000, "description": f"Ethernet adapter ({driver})", "node": node}
        for number, (node, mac, driver, pci) in enumerate(ordered)
    ]  # fmt: skip


def take_over(nics: list[dict[str, Any]]) -> None:
    """Bring the NICs up, under another MAC: theirs belongs to vmk0, which is an interface of its own here."""
    for nic in nics:
        (Path("/proc/sys/net/ipv6/conf") / nic["node"] / "disable_ipv6").write_text("1")
        first, rest = nic["mac"].split(":", 1)
        _ip("link", "set", "dev", nic["node"], "address", f"{int(first, 16) ^ 0x12 | 2:02x}:{rest}")
        _ip("link", "set", "dev", nic["node"], "promisc", "on", "up")


def cables(nics: list[dict[str, Any]]) -> dict[str, Any]:
    """The fake's document of cables: which NIC has a link."""
    return {
        nic["mac"]: {"link": _read(SYS / nic["node"] / "carrier") != "0", "native": None, "tagged": {}, "channel": None}
        for nic in nics
    }


def topology(host: Host) -> Topology:
    """Bonds, VLANs and interfaces that the configuration asks for. Pure."""
    desired: Topology = {"bonds": {}, "vlans": {}, "interfaces": {}}
    nodes = {nic["name"]: nic["node"] for nic in host.nics()}
    for vmk in host.interfaces(DEFAULT_STACK):
        if not vmk["enabled"]:
            continue
        group = host.portgroup(vmk["portgroup"])
        policy = effective_failover(host, vmk["portgroup"])
        team = [name for name in [*policy["active"], *policy["standby"]] if name in nodes]
        if not team:
            continue
        base = nodes[team[0]]
        if len(team) > 1:
            base = "bond-" + "-".join(name[5:] for name in sorted(team))[:10]
            hashing = policy["load_balancing"] == "iphash"
            desired["bonds"][base] = {"mode": "balance-xor" if hashing else "active-backup",
                                     "nodes": [nodes[name] for name in team]}  # fmt: skip
        if group["vlan"] not in (0, 4095):
            desired["vlans"][f"{base}.{group['vlan']}"] = {"base": base, "vlan": group["vlan"]}
            base = f"{base}.{group['vlan']}"
        desired["interfaces"][vmk["name"]] = {"base": base, "mac": vmk["mac"], "mtu": vmk["mtu"]}
    return desired


def make_links(host: Host) -> None:
    """Make Linux's links what the configuration asks for; nothing happens when they are so already."""
    desired, before = topology(host), _known()
    if desired == before:
        return
    for name in [*before.get("interfaces", {}), *before.get("vlans", {})]:
        _ip("link", "del", "dev", name)
    for name in before.get("bonds", {}):
        (SYS / "bonding_masters").write_text(f"-{name}")
    for name, bond in desired["bonds"].items():
        _make_bond(name, bond)
    for name, vlan in desired["vlans"].items():
        _ip("link", "add", "link", vlan["base"], "name", name, "type", "vlan", "id", str(vlan["vlan"]))
        _ip("link", "set", "dev", name, "promisc", "on", "up")
    for name, interface in desired["interfaces"].items():
        _ip("link", "add", "link", interface["base"], "name", name, "type", "macvlan")
        _ip("link", "set", "dev", name, "address", interface["mac"])
        _ip("link", "set", "dev", interface["base"], "up")
        _ip("link", "set", "dev", name, "up")
    _STATE.parent.mkdir(parents=True, exist_ok=True)
    _STATE.write_text(json.dumps(desired))


def _make_bond(name: str, bond: dict[str, Any]) -> None:
    (SYS / "bonding_masters").write_text(f"+{name}")
    directory = SYS / name / "bonding"
    (directory / "mode").write_text(bond["mode"])
    (directory / "miimon").write_text("100")
    for node in bond["nodes"]:
        _ip("link", "set", "dev", node, "down")
        (directory / "slaves").write_text(f"+{node}")
    _ip("link", "set", "dev", name, "promisc", "on", "up")


def lease(host: Host, vmk: dict[str, Any]) -> dict[str, Any] | None:
    """Ask the real network for an address; None when nobody answers."""
    make_links(host)
    if vmk["name"] not in _known().get("interfaces", {}):
        return None
    asked = subprocess.run(
        ["udhcpc", "-i", vmk["name"], "-n", "-q", "-f", "-t", "6", "-T", "2", "-s", _LEASE_SCRIPT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = dict(line.split("=", 1) for line in asked.stdout.splitlines() if "=" in line)
    if asked.returncode or "ip" not in told:
        return None
    return {
        "address": told["ip"], "netmask": told.get("subnet", "255.255.255.0"),
        "router": next(iter(told.get("router", "").split()), None), "dns": told.get("dns", "").split(),
        "domain": told.get("domain") or None, "delay": 0.0,
    }  # fmt: skip


def apply(host: Host) -> None:
    """Links, addresses, routes, name servers and the host's name as the running configuration has them."""
    make_links(host)
    made = _known().get("interfaces", {})
    for vmk in host.interfaces(DEFAULT_STACK):
        if vmk["name"] not in made:
            continue
        _ip("addr", "flush", "dev", vmk["name"])
        settings = vmk["ipv4"]
        if settings["address"]:
            prefix = ipaddress.ip_network(f"0.0.0.0/{settings['netmask']}").prefixlen
            _ip("addr", "add", f"{settings['address']}/{prefix}", "broadcast", "+", "dev", vmk["name"])
        for entry in vmk["ipv6"]["addresses"] if vmk["ipv6"]["enabled"] else []:
            _ip("-6", "addr", "add", f"{entry['address']}/{entry['prefix']}", "dev", vmk["name"])
    for route in host.stack(DEFAULT_STACK)["routes"]:
        family = ["-6"] if ":" in route["network"] else []
        _ip(*family, "route", "replace", route["network"], "via", route["gateway"], "dev", route["interface"])
    lines = [f"nameserver {server}\n" for server in servers(host.stack(DEFAULT_STACK))]
    Path("/etc/resolv.conf").write_text("".join(lines))
    Path("/proc/sys/kernel/hostname").write_text(host.running["hostname"])


def _known() -> Topology:
    try:
        return dict(json.loads(_STATE.read_text()))
    except (OSError, ValueError):
        return {}


def _ip(*words: str) -> None:
    done = subprocess.run(["/bin/busybox", "ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        with open("/var/log/network.log", "a", encoding="utf-8") as log:
            log.write(f"ip {' '.join(words)}: {done.stderr.strip()}\n")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

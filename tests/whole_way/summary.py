"""What a deployed host has and what MAAS was notified, as lines for a person."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from whole_way.installed import InstalledHost
from whole_way.laboratory import Laboratory


def summary(lab: Laboratory) -> str:
    """The host as it was saved on its disks, and MAAS's event log."""
    lines = ["The host, as its boot bank has it:"]
    lines += [f"  {line}" for line in _host(lab.installed())]
    lines += ["", "MAAS's event log of the machine:"]
    lines += [f"  {line.splitlines()[0]}" for line in lab.maas.machine.event_log]
    return "\n".join(lines)


def _host(host: InstalledHost) -> Iterator[str]:
    now = host.configuration
    yield f"name         {'.'.join(filter(None, (now['hostname'], now['domain'])))}"
    for switch in now["vswitches"].values():
        policy = switch["failover"]
        uplinks = ", ".join(switch["uplinks"]) or "none"
        yield f"{switch['name']:<12} uplinks {uplinks}; {policy['load_balancing']}; MTU {switch['mtu']}"
    for vmk in sorted(now["interfaces"].values(), key=lambda one: str(one["name"])):
        group = now["portgroups"][vmk["portgroup"]]
        vlan = f" in VLAN {group['vlan']}" if group["vlan"] else ""
        yield f"{vmk['name']:<12} {', '.join(_addresses(vmk)) or 'no address'}; “{vmk['portgroup']}”{vlan}"
    for stack in now["netstacks"].values():
        for route in stack["routes"]:
            yield f"route        {route['network']} by {route['gateway']}"
    for datastore in host.datastores:
        extents = " + ".join(f"disk {disk}, partition {partition}" for disk, partition in datastore.extents)
        yield f"datastore    {datastore.label}: {extents}"
    yield f"loads        {len(host.modules)} modules, none of esxforge's"


def _addresses(vmk: dict[str, Any]) -> Iterator[str]:
    settings = vmk["ipv4"]
    if settings["address"]:
        prefix = ipaddress.ip_network(f"0.0.0.0/{settings['netmask']}").prefixlen
        yield f"{settings['address']}/{prefix}" + (" (DHCP)" if settings["type"] == "dhcp" else "")
    elif settings["type"] == "dhcp":
        yield "DHCP"
    if vmk["ipv6"]["enabled"]:
        for entry in vmk["ipv6"]["addresses"]:
            yield f"{entry['address']}/{entry['prefix']}"

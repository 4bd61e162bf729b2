"""Whether the end is right: the machine against what MAAS asks for, and against what it was before."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from target.judge.desired import Desired, Face, Link, Route
from target.judge.machine import DEFAULT_STACK, Machine
from target.judge.world import lease, ways

EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}


def wrongs(  # noqa: PLR0917  two moments of one machine
    desired: Desired, name: str, placed: dict[str, str], before: Machine, after: Machine, booted: bool = False
) -> list[str]:
    """Every sentence is something that a Deployed host must not be. ``name``: the host's full name in MAAS; ``booted``:
    it was started again since, so which of several leases came last is ESXi's to say.
    """
    found = [*_switches(desired, after), *_interfaces(desired, after), *_management(desired, after)]
    found += [*_groups_for_machines(desired, after), *_routes(desired, after, booted), *_names(desired, name, after)]
    found += [*_datastores(desired, placed, before, after), *_touched(desired, placed, before, after)]
    saved, running = without_leases(after.saved), without_leases(after.running)
    if saved != running:
        found.append("what stands is not what is saved: " + unlike(saved, running))
    return found


# -- vSwitches ------------------------------------------------------------------------------------------------------


def _switch_of(link: Link, machine: Machine) -> str | None:
    """The vSwitch that has exactly a link's NICs."""
    vmnics = sorted(machine.vmnics(link))
    return next((name for name, one in machine.running["vswitches"].items() if sorted(one["uplinks"]) == vmnics), None)


def _switches(desired: Desired, machine: Machine) -> Iterator[str]:
    for link in desired.carriers():
        name = _switch_of(link, machine)
        if name is None:
            yield f"no vSwitch has the NICs of {link.name}, and these only"
            continue
        switch = machine.running["vswitches"][name]
        if switch["mtu"] != link.mtu:
            yield f"{name} has the MTU {switch['mtu']}, not {link.mtu}"
        yield from _team(name, link, switch["failover"], machine)


def _team(what: str, link: Link, team: dict[str, Any], machine: Machine) -> Iterator[str]:
    vmnics = machine.vmnics(link)
    first = next(nic["name"] for nic in machine.hardware["nics"] if nic["mac"].lower() == link.first)
    if link.mode == "active-backup":
        order = [*team["active"], *team["standby"]]
        one_at_a_time = team["load_balancing"] == "explicit" or len(team["active"]) == 1
        if not one_at_a_time or order[:1] != [first] or sorted(order) != sorted(vmnics):
            yield f"{what} does not use {first} first and the others of {link.name} after it: {team}"
        return
    balancing = "iphash" if link.mode == "802.3ad" else "portid"
    if len(vmnics) > 1 and team["load_balancing"] != balancing:
        yield f"{what} shares the load by {team['load_balancing']}, not {balancing}"
    if sorted(team["active"]) != sorted(vmnics):
        yield f"{what} does not use every NIC of {link.name}: {team}"


def _carries(face: Face, group: str, machine: Machine) -> Iterator[str]:
    """What is wrong with a port group for an interface: its vSwitch, VLAN and team."""
    found = machine.running["portgroups"][group]
    if found["vswitch"] != _switch_of(face.link, machine):
        yield f"{group}, for {face.name}, is on {found['vswitch']}, which has not the NICs of {face.link.name}"
        return
    if found["vlan"] != face.vid:
        yield f"{group}, for {face.name}, has VLAN {found['vlan']}, not {face.vid}"
    yield from _team(group, face.link, machine.team(group), machine)


# -- VMkernel interfaces --------------------------------------------------------------------------------------------


def _interfaces(desired: Desired, machine: Machine) -> Iterator[str]:
    count = 0
    static_default = _static_gateways(desired, 6)
    for face in desired.faces:
        own = []
        for one in face.static:
            holders = _holders(one, machine)
            if len(holders) != 1:
                yield f"{one} of {face.name} is on {len(holders)} interfaces"
            own += holders
        if face.dhcp4:
            asking = [vmk for vmk in machine.vmks if vmk["ipv4"]["type"] == "dhcp" and _is_on(vmk, face, machine)]
            if len(asking) != 1:
                yield f"{len(asking)} interfaces ask DHCP for {face.name}"
            own += asking
        if face.has_address:
            count += max(1, len(face.of_version(4)) + face.dhcp4)
        if face.dhcp6:
            asking = [vmk for vmk in machine.vmks if vmk["ipv6"]["dhcpv6"] and _is_on(vmk, face, machine)]
            if len(asking) != 1:
                yield f"{len(asking)} interfaces ask DHCPv6 for {face.name}"
            own += asking
        for vmk in {one["name"]: one for one in own}.values():
            yield from _interface(face, vmk, bool(static_default), machine)
    names = [one["name"] for one in machine.vmks]
    if len(names) != count:
        yield f"there are {len(names)} VMkernel interfaces ({', '.join(names)}), not {count}"
    macs = [one["mac"] for one in machine.running["interfaces"].values()]
    if len(set(macs)) < len(macs):
        yield "two VMkernel interfaces have one MAC"


def _holders(cidr: Any, machine: Machine) -> list[dict[str, Any]]:
    found = []
    for vmk in machine.vmks:
        four = vmk["ipv4"]
        has = [f"{four['address']}/{four['netmask']}"] if four["type"] == "static" else []
        has += [f"{one['address']}/{one['prefix']}" for one in vmk["ipv6"]["addresses"] if vmk["ipv6"]["enabled"]]
        if cidr in [ip_interface(one) for one in has]:
            found.append(vmk)
    return found


def _is_on(vmk: dict[str, Any], face: Face, machine: Machine) -> bool:
    return not list(_carries(face, vmk["portgroup"], machine))


def _interface(face: Face, vmk: dict[str, Any], static_default: bool, machine: Machine) -> Iterator[str]:
    yield from _carries(face, vmk["portgroup"], machine)
    if not vmk["enabled"]:
        yield f"{vmk['name']} is off"
    if vmk["mtu"] != face.mtu:
        yield f"{vmk['name']} has the MTU {vmk['mtu']}, not {face.mtu}"
    if vmk["ipv4"]["type"] == "static":
        if ip_interface(f"{vmk['ipv4']['address']}/{vmk['ipv4']['netmask']}") not in face.static:
            yield f"{vmk['name']}, for {face.name}, has {vmk['ipv4']['address']}"
    elif vmk["ipv4"]["type"] == "dhcp" and not face.dhcp4:
        yield f"{vmk['name']}, for {face.name}, asks DHCP"
    for one in vmk["ipv6"]["addresses"]:
        if ip_interface(f"{one['address']}/{one['prefix']}") not in face.static:
            yield f"{vmk['name']}, for {face.name}, has {one['address']}"
    if vmk["ipv6"]["dhcpv6"] and not face.dhcp6:
        yield f"{vmk['name']}, for {face.name}, asks DHCPv6"
    if static_default and vmk["ipv6"]["router_adv"]:
        yield f"{vmk['name']} listens to routers, though the IPv6 gateway is given"
    elif (
        face.router_advertisements not in (None, vmk["ipv6"]["router_adv"])
        and not static_default
        and _is_first(face, vmk)
    ):
        yield f"{vmk['name']} listens to routers: {vmk['ipv6']['router_adv']}"


def _is_first(face: Face, vmk: dict[str, Any]) -> bool:
    """Whether the interface has what IPv6 the configuration gives: of several, one has."""
    return len(face.of_version(4)) + face.dhcp4 <= 1 or bool(vmk["ipv6"]["addresses"])


def _management(desired: Desired, machine: Machine) -> Iterator[str]:
    vmk = machine.running["interfaces"].get("vmk0")
    if vmk is None or "Management" not in vmk["tags"]:
        yield "vmk0 is not there, or carries no management"
        return
    # What a lease leads to is known once it is there; then another way of the same kind may be the one to MAAS.
    allowed = [way.face for way in ways(desired, machine) if way.works or lease(way.face, machine)]
    if not any(_is_on(vmk, face, machine) for face in allowed):
        yield f"vmk0 is on {vmk['portgroup']}, not on the way to MAAS ({', '.join(one.name for one in allowed)})"


def _groups_for_machines(desired: Desired, machine: Machine) -> Iterator[str]:
    for face in desired.faces:
        if face.has_address or face.plain or face.is_left_out or face.link not in desired.carriers():
            continue
        if face.name not in machine.running["portgroups"]:
            yield f"there is no port group {face.name}"
            continue
        yield from _carries(face, face.name, machine)
        if face.name in [vmk["portgroup"] for vmk in machine.running["interfaces"].values()]:
            yield f"{face.name} is for virtual machines, but carries the host"


# -- routes and names -----------------------------------------------------------------------------------------------


def _static_gateways(desired: Desired, version: int) -> list[str]:
    found = [gateway for face in desired.faces for gateway in face.gateways]
    found += [one.gateway for one in desired.routes if one.destination == EVERYTHING[version]]
    return [one for one in found if ip_address(one).version == version]


def _routes(desired: Desired, machine: Machine, booted: bool) -> Iterator[str]:
    allowed: dict[str, set[str]] = {}
    for route in desired.routes:
        if route.destination in EVERYTHING.values() or _is_own_network(route, desired):
            continue
        if _is_leased_network(route, machine) and route.destination not in [one["network"] for one in machine.routes]:
            continue
        same = [one for one in desired.routes if one.destination == route.destination]
        best = min(_metric(one) for one in same)
        allowed[route.destination] = {one.gateway for one in same if _metric(one) == best}
    for version in (4, 6):
        yield from _default(desired, machine, version, booted)
    for destination, gateways in allowed.items():
        has = [one["gateway"] for one in machine.routes if one["network"] == destination]
        if len(has) != 1 or has[0] not in gateways:
            yield f"the route to {destination} is by {has}, not {sorted(gateways)}"
    for one in machine.routes:
        if one["source"] == "MANUAL" and one["network"] not in allowed and one["network"] not in EVERYTHING.values():
            yield f"nobody asked for the route to {one['network']} by {one['gateway']}"


def _metric(route: Route) -> int:
    return 0 if route.metric is None else route.metric


def _is_own_network(route: Route, desired: Desired) -> bool:
    return any(ip_network(route.destination) == one.network for face in desired.faces for one in face.static)


def _is_leased_network(route: Route, machine: Machine) -> bool:
    """Whether an interface got an address of this network by DHCP: only then it is known to be the host's own."""
    leases = [vmk["ipv4"]["lease"] for vmk in machine.vmks if vmk["ipv4"]["type"] == "dhcp"]
    return ip_network(route.destination) in [
        ip_network(f"{one['address']}/{one['netmask']}", strict=False) for one in leases if one
    ]


def _default(desired: Desired, machine: Machine, version: int, booted: bool) -> Iterator[str]:
    has = [(one["gateway"], one["interface"]) for one in machine.routes if one["network"] == EVERYTHING[version]]
    static = _static_gateways(desired, version)
    vmk = machine.running["interfaces"].get("vmk0", {"ipv4": {}, "portgroup": ""})
    own = [gateway for face in desired.faces if vmk["portgroup"] and _is_on(vmk, face, machine)
           for gateway in face.gateways if ip_address(gateway).version == version]  # fmt: skip
    leased = []
    if version == 4:
        routers = [lease(face, machine) for face in desired.faces]
        leased = [str(one["router"]) for one in routers if one and one.get("router")]
        first = (vmk["ipv4"].get("lease") or {}).get("router")
        if not own and first:
            if static:
                static = [*static, *leased] if booted else [*static, first]
            elif not booted and has != [(first, "vmk0")]:
                yield f"the default route is {has}, but the lease of vmk0 brings {first}"
                return
    allowed = own or static or leased
    if allowed and (len(has) != 1 or has[0][0] not in allowed):
        yield f"the IPv{version} default route is {has}, not by one of {allowed}"
    if not allowed and version == 4 and has:
        yield f"nobody gave the default route {has}"


def _names(desired: Desired, name: str, machine: Machine) -> Iterator[str]:
    host, _, domain = name.partition(".")
    if (machine.running["hostname"].lower(), machine.running["domain"].lower()) != (host.lower(), domain.lower()):
        yield f"the name is {machine.running['hostname']} in {machine.running['domain']}, not {name}"
    if desired.name_servers and machine.name_servers() != list(desired.name_servers):
        yield f"the name servers are {machine.name_servers()}, not {list(desired.name_servers)}"
    if desired.search and machine.search() != list(desired.search):
        yield f"the search domains are {machine.search()}, not {list(desired.search)}"


# -- storage --------------------------------------------------------------------------------------------------------


def _datastores(desired: Desired, placed: dict[str, str], before: Machine, after: Machine) -> Iterator[str]:
    boot = next(disk["name"] for disk in after.hardware["disks"] if disk["boot"])
    for name, extents in desired.datastores.items():
        found = [one for one in after.volumes if one.label == name]
        if len(found) != 1:
            yield f"{len(found)} datastores have the name {name}"
            continue
        for one, (device, number) in zip(extents, found[0].extents, strict=False):
            if one.disk == desired.boot:
                right = device == boot and number not in before.hardware["system_partitions"]
            else:
                right = (device, number) == (placed[one.disk], one.number)
            if not right:
                yield f"{name} lies on {device}:{number}, not on {one.disk} partition {one.number}"
        if len(found[0].extents) != len(extents):
            yield f"{name} has {len(found[0].extents)} extents, not {len(extents)}"


def _touched(desired: Desired, placed: dict[str, str], before: Machine, after: Machine) -> Iterator[str]:
    """What nobody named is as it was."""
    used = {placed.get(one.disk) for extents in desired.datastores.values() for one in extents}
    for disk in after.hardware["disks"]:
        same = before.digests.get(disk["name"]) == after.digests.get(disk["name"])
        if disk["name"] not in used and not disk["boot"] and not same:
            yield f"the disk {disk['name']} was touched"
    labels = {one.uuid: one.label for one in after.volumes}
    own = {one.uuid for one in before.volumes if one.label in desired.datastores or one.extents[0][0] in used}
    on_boot = any(extents[0].disk == desired.boot for extents in desired.datastores.values())
    for one in before.volumes:
        boot = any(disk["boot"] and disk["name"] == one.extents[0][0] for disk in after.hardware["disks"])
        if one.uuid not in own and not (boot and on_boot) and labels.get(one.uuid) != one.label:
            yield f"the datastore {one.label} was touched"
    nics = {nic for link in desired.carriers() for nic in after.vmnics(link)}
    for name, switch in before.running["vswitches"].items():
        mine = name == "vSwitch0" or nics & set(switch["uplinks"]) or _is_ours(name, desired, after)
        if not mine and after.running["vswitches"].get(name) != switch:
            yield f"{name} was touched"
    for name, group in before.running["portgroups"].items():
        mine = name == "Management Network" or name in [face.name for face in desired.faces]
        if not mine and _group(after.running["portgroups"].get(name)) != _group(group):
            yield f"the port group {name} was touched"
    for name, vmk in before.running["interfaces"].items():
        if vmk["netstack"] != DEFAULT_STACK and after.running["interfaces"].get(name) != vmk:
            yield f"{name} of {vmk['netstack']} was touched"
    for part in ("permissions", "unmounted", "maintenance", "advanced", "nics"):
        if before.running[part] != after.running[part]:
            yield f"{part} were touched"
    if _rule_sets(before) != _rule_sets(after):
        yield "the firewall was touched"


def _group(group: dict[str, Any] | None) -> dict[str, Any]:
    """A port group without the uplinks of its own order, which go with their vSwitch's."""
    found = dict(group or {}, failover=dict((group or {}).get("failover", {})))
    for role in ("active", "standby"):
        found["failover"].pop(role, None)
    return found


def _is_ours(name: str, desired: Desired, after: Machine) -> bool:
    return name in [_switch_of(link, after) for link in desired.carriers()]


def _rule_sets(machine: Machine) -> dict[str, Any]:
    firewall = machine.running["firewall"]
    return dict(firewall, rulesets={key: one for key, one in firewall["rulesets"].items() if key != "ntpClient"})


# -- as found -------------------------------------------------------------------------------------------------------


def not_as_found(
    desired: Desired, placed: dict[str, str], before: Machine, after: Machine, fallback: str = ""
) -> list[str]:
    """What a deployment that failed has changed. What leases and routers bring does not count, nor what is on the data
    disks that MAAS named for datastores: the hook has wiped these before.

    ``fallback``: the MAC of the NIC that booted, where the network that was found did not lead to MAAS, but the one
    that is there now does. Then the host may stay on DHCP there (docs/on-the-host.md, "When the desired network is
    silent"): whoever repairs it can reach it. All else is to be as found.
    """
    found = []
    named = {placed.get(one.disk) for extents in desired.datastores.values() for one in extents}
    volumes = [
        {one.uuid: (one.label, [place for place in one.extents if place[0] not in named]) for one in machine.volumes
         if one.extents[0][0] not in named}
        for machine in (before, after)
    ]  # fmt: skip
    lost = {one.uuid for one in after.volumes} - set(volumes[1])
    one, other = without_leases(before.running), without_leases(after.running)
    vmnic = next((nic["name"] for nic in before.hardware["nics"] if nic["mac"].lower() == fallback.lower()), "")
    if vmnic and one != other and _is_fallback(other, vmnic):
        one, other = _beside_fallback(one, vmnic), _beside_fallback(other, vmnic)
    if not one["domain"] and before.dial("host-name", "both") == "host":
        other["domain"] = ""  # no command takes an empty domain
    other["unmounted"] = [identity for identity in other["unmounted"] if identity not in lost]
    if one != other:
        found.append("the configuration is not as found: " + unlike(one, other))
    if volumes[0] != volumes[1]:
        found.append(f"the datastores are not as found: {after.volumes}")
    if before.files != after.files:
        found.append("files of /etc are not as found: " + unlike(before.files, after.files))
    return found


def _is_fallback(running: dict[str, Any], vmnic: str) -> bool:
    """Whether management is DHCP, without a VLAN, on this NIC alone, and has no route of its own."""
    vmk = running["interfaces"].get("vmk0", {"ipv4": {"type": ""}, "portgroup": ""})
    group = running["portgroups"].get(vmk["portgroup"], {"vswitch": "", "vlan": 0})
    switch = running["vswitches"].get(group["vswitch"], {"uplinks": [], "failover": {}})
    return (vmk["ipv4"]["type"], group["vlan"], switch["uplinks"], switch["failover"].get("active")) == (
        "dhcp", 0, [vmnic], [vmnic],
    )  # fmt: skip


def _without_lost_nics(group: dict[str, Any], vmnic: str) -> dict[str, Any]:
    """A port group without NICs in a team of its own that its vSwitch has lost."""
    if not group.get("failover"):
        return group
    roles = {role: [nic for nic in group["failover"].get(role) or [] if nic == vmnic] for role in ("active", "standby")}
    return {**group, "failover": {**group["failover"], **roles}}


def _beside_fallback(running: dict[str, Any], vmnic: str) -> dict[str, Any]:
    """The configuration without what DHCP on one NIC replaces: the default stack's interfaces and routes, their port
    group and vSwitch with its NICs, and that NIC on another one.
    """
    vmk = running["interfaces"].get("vmk0", {"portgroup": ""})
    vswitch = running["portgroups"].get(vmk["portgroup"], {"vswitch": ""})["vswitch"]
    kept = dict(running)
    kept["interfaces"] = {key: one for key, one in running["interfaces"].items() if one["netstack"] != DEFAULT_STACK}
    kept["portgroups"] = {
        key: _without_lost_nics(one, vmnic) if one["vswitch"] == vswitch else one
        for key, one in running["portgroups"].items() if key != vmk["portgroup"]
    }  # fmt: skip
    kept["vswitches"] = {
        key: dict(one, uplinks=[nic for nic in one["uplinks"] if nic != vmnic],
                  failover={**one["failover"], **{role: [nic for nic in one["failover"].get(role, []) if nic != vmnic]
                                                  for role in ("active", "standby")}})
        for key, one in running["vswitches"].items() if key != vswitch
    }  # fmt: skip
    stack = dict(running["netstacks"][DEFAULT_STACK], routes=[])
    kept["netstacks"] = dict(running["netstacks"], **{DEFAULT_STACK: stack})
    return kept


def without_leases(running: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what DHCP and routers bring, and without counters."""
    kept = {key: value for key, value in running.items() if key not in ("next_mac", "netstacks", "interfaces")}
    kept["interfaces"] = {name: _without_lease(vmk) for name, vmk in running["interfaces"].items()}
    kept["portgroups"] = {
        name: {key: value for key, value in one.items() if key != "number"}
        for name, one in running["portgroups"].items()
    }
    kept["vswitches"] = {name: dict(one, uplinks=sorted(one["uplinks"])) for name, one in running["vswitches"].items()}
    kept["netstacks"] = {
        name: {
            "routes": sorted((one["network"], one["gateway"]) for one in stack["routes"] if one["source"] == "MANUAL"),
            "dns": stack["dns"],
            "search": stack["search"],
        }
        for name, stack in running["netstacks"].items()
    }
    return kept


def _without_lease(vmk: dict[str, Any]) -> dict[str, Any]:
    four, six = vmk["ipv4"], vmk["ipv6"]
    settings = {"type": four["type"], "peer_dns": four["peer_dns"], "gateway": four["gateway"]}
    if four["type"] == "static":
        settings.update(address=four["address"], netmask=four["netmask"])
    addresses = sorted((one["address"], one["prefix"]) for one in six["addresses"])
    kept = {key: value for key, value in six.items() if key not in ("learned", "addresses")}
    return dict(vmk, ipv4=settings, ipv6=dict(kept, addresses=addresses), tags=sorted(vmk["tags"]))


def unlike(one: Any, other: Any, where: str = "") -> str:
    """Which parts of two documents differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in sorted(set(one) | set(other)) if one.get(key) != other.get(key)]
        return "; ".join(unlike(one.get(key), other.get(key), f"{where}/{key}") for key in keys)
    return f"{where}: {one} / {other}"

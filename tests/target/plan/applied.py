"""What each command of a plan does to a host, at the level of inventories: strict, pure and fast.

It refuses what ESXi refuses (busy uplinks, port groups in use, doubled addresses, unreachable gateways, larger MTUs on
an interface than on its vSwitch), so that a plan in the wrong order fails here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from ipaddress import ip_address, ip_interface
from typing import Any

from esxforge_target.inventory.model import (
    FAILOVER,
    SECURITY,
    Extent,
    FileSystem,
    Inventory,
    Ipv6Address,
    PartitionEntry,
    Policy,
    PortGroup,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)

EVERYTHING = ("0.0.0.0/0", "::/0")


class RejectedError(AssertionError):
    """The host would refuse this command."""


def apply(inventory: Inventory, command: tuple[str, ...]) -> Inventory:
    """The inventory after ``command``; raises RejectedError where ESXi would."""
    program, *words = command
    if program != "esxcli":
        return _storage(inventory, program, words)
    verbs = []
    while words and not words[0].startswith("-"):
        verbs.append(words.pop(0))
    options = _options(words)
    name = " ".join(verbs)
    for prefix, function in _COMMANDS.items():
        if name == prefix:
            return function(inventory, options)
    raise RejectedError(f"unknown command: {' '.join(command)}")


def _options(words: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    while words:
        key = words.pop(0)
        options[key] = words.pop(0) if words and not words[0].startswith("-") else ""
    return options


def _need(condition: Any, text: str) -> None:
    if not condition:
        raise RejectedError(text)


def _put(values: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
    return tuple(new if one.name == new.name else one for one in values)


# -- vSwitches ------------------------------------------------------------------------------------------------------


def _vswitch(inventory: Inventory, name: str) -> VSwitch:
    found = inventory.vswitch(name)
    if found is None:
        raise RejectedError(f"no vSwitch {name}")
    return found


def _vswitch_add(inventory: Inventory, options: dict[str, str]) -> Inventory:
    name = options["-v"]
    _need(inventory.vswitch(name) is None, f"{name} exists")
    return inventory.replace(vswitches=(*inventory.vswitches, VSwitch(name, 1500, (), Team("portid", (), ()))))


def _vswitch_remove(inventory: Inventory, options: dict[str, str]) -> Inventory:
    name = options["-v"]
    _vswitch(inventory, name)
    groups = [group.name for group in inventory.port_groups if group.vswitch == name]
    _need(not [vmk for vmk in inventory.vmks if vmk.port_group in groups], f"{name} is in use")
    return inventory.replace(
        vswitches=tuple(one for one in inventory.vswitches if one.name != name),
        port_groups=tuple(one for one in inventory.port_groups if one.vswitch != name),
    )


def _vswitch_set(inventory: Inventory, options: dict[str, str]) -> Inventory:
    vswitch, mtu = _vswitch(inventory, options["-v"]), int(options["-m"])
    _need(1280 <= mtu <= 9000, "MTU out of range")
    on_it = [vmk for vmk in inventory.vmks if inventory.vswitch_of(vmk) == vswitch.name]
    _need(all(vmk.mtu <= mtu for vmk in on_it), "a VMkernel interface has a larger MTU")
    return inventory.replace(vswitches=_put(inventory.vswitches, vswitch.replace(mtu=mtu)))


def _uplink_add(inventory: Inventory, options: dict[str, str]) -> Inventory:
    vswitch, uplink = _vswitch(inventory, options["-v"]), options["-u"]
    _need(uplink in [nic.name for nic in inventory.nics], f"unknown uplink {uplink}")
    _need(not [one for one in inventory.vswitches if uplink in one.uplinks], f"{uplink} is busy")
    # A first uplink is used at once; further ones wait until the policy names them.
    team = vswitch.team if vswitch.uplinks else Team("portid", (uplink,), ())
    changed = vswitch.replace(uplinks=(*vswitch.uplinks, uplink), team=team)
    return inventory.replace(vswitches=_put(inventory.vswitches, changed))


def _uplink_remove(inventory: Inventory, options: dict[str, str]) -> Inventory:
    vswitch, uplink = _vswitch(inventory, options["-v"]), options["-u"]
    _need(uplink in vswitch.uplinks, f"{uplink} is not on {vswitch.name}")
    team = vswitch.team.replace(
        active=tuple(one for one in vswitch.team.active if one != uplink),
        standby=tuple(one for one in vswitch.team.standby if one != uplink),
    )
    changed = vswitch.replace(uplinks=tuple(one for one in vswitch.uplinks if one != uplink), team=team)
    groups = tuple(
        one.replace(policies=tuple(_without_uplink(policy, uplink) for policy in one.policies))
        if one.vswitch == vswitch.name
        else one
        for one in inventory.port_groups
    )
    return inventory.replace(vswitches=_put(inventory.vswitches, changed), port_groups=groups)


def _without_uplink(policy: Policy, uplink: str) -> Policy:
    """A port group's own team loses an uplink that leaves its vSwitch."""
    options = []
    for option in policy.options:
        name, _, value = option.partition("=")
        if name.endswith("-uplinks"):
            value = ",".join(one for one in value.split(",") if one != uplink)
        options.append(f"{name}={value}")
    return policy.replace(options=tuple(options))


def _failover(inventory: Inventory, options: dict[str, str]) -> Inventory:
    vswitch = _vswitch(inventory, options["-v"])
    active = tuple(options["-a"].split(",")) if "-a" in options else vswitch.team.active
    standby = tuple(options["-s"].split(",")) if "-s" in options else vswitch.team.standby
    # Naming an uplink in one role takes it out of the other.
    standby = standby if "-s" in options else tuple(one for one in standby if one not in active)
    active = active if "-a" in options else tuple(one for one in active if one not in standby)
    _need(set(active + standby) <= set(vswitch.uplinks), "an uplink of the policy is not on the vSwitch")
    _need(len(set(active + standby)) == len(active + standby), "an uplink is named twice")
    _need(options["-l"] in ("portid", "iphash", "mac", "explicit"), "unknown policy")
    return inventory.replace(
        vswitches=_put(inventory.vswitches, vswitch.replace(team=Team(options["-l"], active, standby)))
    )


# -- port groups ----------------------------------------------------------------------------------------------------


def _group(inventory: Inventory, name: str) -> PortGroup:
    found = inventory.port_group(name)
    if found is None:
        raise RejectedError(f"no port group {name}")
    return found


def _group_add(inventory: Inventory, options: dict[str, str]) -> Inventory:
    _vswitch(inventory, options["-v"])
    _need(inventory.port_group(options["-p"]) is None, "the port group exists")
    return inventory.replace(port_groups=(*inventory.port_groups, PortGroup(options["-p"], options["-v"], 0)))


def _group_remove(inventory: Inventory, options: dict[str, str]) -> Inventory:
    group = _group(inventory, options["-p"])
    _need(group.vswitch == options["-v"], "it is on another vSwitch")
    _need(group.name not in [vmk.port_group for vmk in inventory.vmks], f"{group.name} is in use")
    return inventory.replace(port_groups=tuple(one for one in inventory.port_groups if one.name != group.name))


def _group_set(inventory: Inventory, options: dict[str, str]) -> Inventory:
    group = _group(inventory, options["-p"])
    return inventory.replace(port_groups=_put(inventory.port_groups, group.replace(vlan_id=int(options["--vlan-id"]))))


def _group_policy(inventory: Inventory, options: dict[str, str], kind: str) -> Inventory:
    group = _group(inventory, options["-p"])
    others = tuple(one for one in group.policies if one.kind != kind)
    given = tuple(f"{key}={value}" if value else key for key, value in options.items() if key.startswith("--"))
    _need(("-u" in options) != bool(given), "either -u or a policy")
    on_it = _vswitch(inventory, group.vswitch).uplinks
    for option in given:
        if "-uplinks=" in option:
            _need(set(option.partition("=")[2].split(",")) <= set(on_it), "an uplink is not on the vSwitch")
    policies = sorted([*others, *([Policy(kind, given)] if given else [])], key=lambda one: one.kind)
    changed = group.replace(policies=tuple(policies))
    return inventory.replace(port_groups=_put(inventory.port_groups, changed))


# -- VMkernel interfaces --------------------------------------------------------------------------------------------


def _vmk(inventory: Inventory, name: str) -> Vmk:
    found = inventory.vmk(name)
    if found is None:
        raise RejectedError(f"no {name}")
    return found


def _vmk_add(inventory: Inventory, options: dict[str, str]) -> Inventory:
    name, group, mtu = options["-i"], _group(inventory, options["-p"]), int(options["-m"])
    _need(inventory.vmk(name) is None, f"{name} exists")
    _need(group.name not in [vmk.port_group for vmk in inventory.vmks], "the port group has one already")
    _need(mtu <= _vswitch(inventory, group.vswitch).mtu, "larger MTU than the vSwitch's")
    mac = options.get("-M", f"00:50:56:60:00:{int(name[3:]):02x}")
    _need(mac not in [vmk.mac for vmk in inventory.vmks], f"{mac} is taken")
    return inventory.replace(vmks=(*inventory.vmks, Vmk(name, mac, group.name, mtu=mtu)))


def _vmk_remove(inventory: Inventory, options: dict[str, str]) -> Inventory:
    _vmk(inventory, options["-i"])
    rest = tuple(one for one in inventory.vmks if one.name != options["-i"])
    return _without_dead_routes(inventory.replace(vmks=rest), options["-i"])


def _vmk_set(inventory: Inventory, options: dict[str, str]) -> Inventory:
    vmk, mtu = _vmk(inventory, options["-i"]), int(options["-m"])
    _need(mtu <= _vswitch(inventory, inventory.vswitch_of(vmk)).mtu, "larger MTU than the vSwitch's")
    return inventory.replace(vmks=_put(inventory.vmks, vmk.replace(mtu=mtu)))


def _ipv4_set(inventory: Inventory, options: dict[str, str]) -> Inventory:
    vmk, kind = _vmk(inventory, options["-i"]), options["-t"]
    if kind == "static":
        address = options["-I"]
        _need(address not in [one.address for one in inventory.vmks if one.name != vmk.name], f"{address} is taken")
        changed = vmk.replace(
            ipv4="static",
            address=address,
            prefix_length=ip_interface(f"{address}/{options['-N']}").network.prefixlen,
            dhcp_dns=False,
            gateway=options.get("-g", ""),
        )
    elif kind == "dhcp":
        number = int(vmk.name[3:])
        changed = vmk.replace(
            ipv4="dhcp",
            address=f"100.64.{number}.7",
            prefix_length=24,
            dhcp_dns=options["-P"] == "true",
            gateway=f"100.64.{number}.1",
        )
    else:
        changed = vmk.replace(ipv4="none", address="", prefix_length=0, dhcp_dns=False, gateway="")
    after = _without_dead_routes(inventory.replace(vmks=_put(inventory.vmks, changed)), vmk.name)
    if vmk.dhcp_dns and not changed.dhcp_dns:
        after = after.replace(name_servers=(), search_domains=())
    return _leased(after, changed) if kind == "dhcp" else after


def _leased(inventory: Inventory, vmk: Vmk) -> Inventory:
    """A lease brings a default route, which replaces another lease's, and DNS where it is desired."""
    lease = RouteEntry("0.0.0.0/0", f"100.64.{int(vmk.name[3:])}.1", vmk.name, "DHCP")
    others = [one for one in inventory.routes if one.network != "0.0.0.0/0"]
    manual = [one for one in inventory.routes if one.network == "0.0.0.0/0" and one.source == "MANUAL"]
    after = inventory.replace(routes=tuple(others + (manual or [lease])))
    return after.replace(name_servers=("100.64.0.53",), search_domains=("lease",)) if vmk.dhcp_dns else after


def _ipv6_set(inventory: Inventory, options: dict[str, str]) -> Inventory:
    vmk = _vmk(inventory, options["-i"])
    for option, field in (("-e", "ipv6_enabled"), ("-d", "dhcp6"), ("-r", "router_advertisements")):
        if option in options:
            vmk = vmk.replace(**{field: options[option] == "true"})
    return inventory.replace(vmks=_put(inventory.vmks, vmk))


def _ipv6_address(inventory: Inventory, options: dict[str, str], add: bool) -> Inventory:
    vmk = _vmk(inventory, options["-i"])
    _need("/" in options["-I"], "an IPv6 address needs its prefix length")
    interface = ip_interface(options["-I"])
    address = Ipv6Address(str(interface.ip), interface.network.prefixlen, "static")
    everywhere = [one.address for other in inventory.vmks for one in other.ipv6_addresses]
    if add:
        _need(vmk.ipv6_enabled, "IPv6 is off")
        _need(address.address not in everywhere, "the address is taken")
        changed = vmk.replace(ipv6_addresses=(*vmk.ipv6_addresses, address))
    else:
        _need(address in vmk.ipv6_addresses, "it does not have the address")
        changed = vmk.replace(ipv6_addresses=tuple(one for one in vmk.ipv6_addresses if one != address))
    return _without_dead_routes(inventory.replace(vmks=_put(inventory.vmks, changed)), "")


def _tag_add(inventory: Inventory, options: dict[str, str]) -> Inventory:
    vmk = _vmk(inventory, options["-i"])
    _need(options["-t"] not in vmk.tags, "it has the tag")
    return inventory.replace(vmks=_put(inventory.vmks, vmk.replace(tags=(*vmk.tags, options["-t"]))))


def _tag_remove(inventory: Inventory, options: dict[str, str]) -> Inventory:
    vmk = _vmk(inventory, options["-i"])
    _need(options["-t"] in vmk.tags, "it does not have the tag")
    tags = tuple(one for one in vmk.tags if one != options["-t"])
    return inventory.replace(vmks=_put(inventory.vmks, vmk.replace(tags=tags)))


# -- routes and DNS -------------------------------------------------------------------------------------------------


def _carrier(inventory: Inventory, gateway: str) -> str:
    for vmk in inventory.vmks:
        cidrs = [f"{one.address}/{one.prefix_length}" for one in vmk.ipv6_addresses]
        cidrs += [f"{vmk.address}/{vmk.prefix_length}"] if vmk.address else []
        if any(ip_address(gateway) in ip_interface(cidr).network for cidr in cidrs):
            return vmk.name
    return ""


def _without_dead_routes(inventory: Inventory, changed: str) -> Inventory:
    alive = [
        one
        for one in inventory.routes
        if _carrier(inventory, one.gateway) and not (one.source == "DHCP" and one.interface == changed)
    ]
    return inventory.replace(routes=tuple(alive))


def _route(inventory: Inventory, options: dict[str, str], version: int, add: bool) -> Inventory:
    network = EVERYTHING[0 if version == 4 else 1] if options["-n"] == "default" else options["-n"]
    gateway = options["-g"]
    _need(ip_address(gateway).version == version, "wrong IP version")
    same = [one for one in inventory.routes if one.network == network]
    if add:
        carrier = _carrier(inventory, gateway)
        _need(carrier, f"{gateway} is unreachable")
        _need(not same, f"a route to {network} exists")
        return inventory.replace(routes=(*inventory.routes, RouteEntry(network, gateway, carrier, "MANUAL")))
    _need([one for one in same if one.gateway == gateway], "no such route")
    return inventory.replace(routes=tuple(one for one in inventory.routes if one not in same))


def _names(inventory: Inventory, options: dict[str, str], field: str, add: bool) -> Inventory:
    values: tuple[str, ...] = getattr(inventory, field)
    if "--all" in options:
        return inventory.replace(**{field: ()})
    value = options["-s" if field == "name_servers" else "-d"]
    _need((value in values) != add, f"{field}: {value} is {'there already' if add else 'not there'}")
    after = (*values, value) if add else tuple(one for one in values if one != value)
    return inventory.replace(**{field: after})


def _unmount(inventory: Inventory, options: dict[str, str]) -> Inventory:
    _need(options["-l"] in [one.volume for one in inventory.extents], "no such volume")
    return inventory.replace(
        extents=tuple(one for one in inventory.extents if one.volume != options["-l"]),
        file_systems=tuple(one for one in inventory.file_systems if one.name != options["-l"]),
    )


_COMMANDS: dict[str, Callable[[Inventory, dict[str, str]], Inventory]] = {
    "network vswitch standard add": _vswitch_add,
    "network vswitch standard remove": _vswitch_remove,
    "network vswitch standard set": _vswitch_set,
    "network vswitch standard uplink add": _uplink_add,
    "network vswitch standard uplink remove": _uplink_remove,
    "network vswitch standard policy failover set": _failover,
    "network vswitch standard portgroup add": _group_add,
    "network vswitch standard portgroup remove": _group_remove,
    "network vswitch standard portgroup set": _group_set,
    "network vswitch standard portgroup policy failover set": lambda one, two: _group_policy(one, two, FAILOVER),
    "network vswitch standard portgroup policy security set": lambda one, two: _group_policy(one, two, SECURITY),
    "network ip interface add": _vmk_add,
    "network ip interface remove": _vmk_remove,
    "network ip interface set": _vmk_set,
    "network ip interface ipv4 set": _ipv4_set,
    "network ip interface ipv6 set": _ipv6_set,
    "network ip interface ipv6 address add": lambda one, two: _ipv6_address(one, two, True),
    "network ip interface ipv6 address remove": lambda one, two: _ipv6_address(one, two, False),
    "network ip interface tag add": _tag_add,
    "network ip interface tag remove": _tag_remove,
    "network ip route ipv4 add": lambda one, two: _route(one, two, 4, True),
    "network ip route ipv4 remove": lambda one, two: _route(one, two, 4, False),
    "network ip route ipv6 add": lambda one, two: _route(one, two, 6, True),
    "network ip route ipv6 remove": lambda one, two: _route(one, two, 6, False),
    "network ip dns server add": lambda one, two: _names(one, two, "name_servers", True),
    "network ip dns server remove": lambda one, two: _names(one, two, "name_servers", False),
    "network ip dns search add": lambda one, two: _names(one, two, "search_domains", True),
    "network ip dns search remove": lambda one, two: _names(one, two, "search_domains", False),
    "storage filesystem unmount": _unmount,
}


# -- storage --------------------------------------------------------------------------------------------------------


def _storage(inventory: Inventory, program: str, words: list[str]) -> Inventory:
    if program == "vim-cmd" and words[0] == "hostsvc/datastore/rename":
        before, after = words[1:]
        names = [one.volume for one in inventory.extents]
        _need(before in names and after not in names, "no such datastore, or the name is taken")
        return inventory.replace(
            extents=tuple(one.replace(volume=after) if one.volume == before else one for one in inventory.extents),
            file_systems=tuple(
                one.replace(name=after) if one.name == before else one for one in inventory.file_systems
            ),
        )
    if program == "vmkfstools" and words[:3] == ["-C", "vmfs6", "-S"]:
        return _format(inventory, words[3], words[4])
    if program == "vmkfstools" and words[0] == "-Z":
        return _extend(inventory, words[1], words[2])
    if program == "vmkfstools" and words[0] == "--growfs":
        device, number = _place(inventory, words[1])
        uuid = next(one.uuid for one in inventory.extents if (one.device, one.partition) == (device, number))
        size = _room(inventory, device, number)
        return inventory.replace(
            file_systems=tuple(one.replace(size=size) if one.uuid == uuid else one for one in inventory.file_systems)
        )
    if program == "partedUtil":
        return _parted(inventory, words)
    raise RejectedError(f"unknown command {program} {words}")


def _place(inventory: Inventory, path: str) -> tuple[str, int]:
    for device in inventory.devices:
        if path.startswith(device.path + ":"):
            number = int(path[len(device.path) + 1 :])
            _need(device.table is not None and device.table.partition(number), f"no partition {path}")
            return device.name, number
    raise RejectedError(f"no device {path}")


def _room(inventory: Inventory, name: str, number: int) -> int:
    device = inventory.device(name)
    assert device is not None
    assert device.table is not None
    entry = device.table.partition(number)
    assert entry is not None
    return (entry.last - entry.first + 1) * device.table.sector_size


def _format(inventory: Inventory, name: str, path: str) -> Inventory:
    device, number = _place(inventory, path)
    _need((device, number) not in [(one.device, one.partition) for one in inventory.extents], f"{path} is in use")
    taken = [one.volume for one in inventory.extents]
    _need(name not in taken, f"a second volume {name}")
    uuid = f"uuid-{device}-{number}"
    size = _room(inventory, device, number)
    return inventory.replace(
        extents=(*inventory.extents, Extent(name, uuid, 0, device, number)),
        file_systems=(
            *inventory.file_systems,
            FileSystem(name, uuid, f"/vmfs/volumes/{uuid}", "VMFS-6", True, size, size),
        ),
    )


def _extend(inventory: Inventory, path: str, head: str) -> Inventory:
    device, number = _place(inventory, path)
    _need((device, number) not in [(one.device, one.partition) for one in inventory.extents], f"{path} is in use")
    extents = [one for one in inventory.extents if (one.device, one.partition) == _place(inventory, head)]
    _need(extents, "the head is no datastore")
    count = len([one for one in inventory.extents if one.uuid == extents[0].uuid])
    return inventory.replace(
        extents=(*inventory.extents, Extent(extents[0].volume, extents[0].uuid, count, device, number))
    )


def _parted(inventory: Inventory, words: list[str]) -> Inventory:
    device = next((one for one in inventory.devices if one.path == words[1]), None)
    if device is None or device.table is None:
        raise RejectedError(f"no device {words[1]}")
    entries = list(device.table.partitions)
    if words[0] == "add":
        number, first, last = (int(word) for word in words[3].split()[:3])
        _need(number not in [one.number for one in entries], "the partition exists")
        entries.append(PartitionEntry(number, first, last, words[3].split()[3]))
    elif words[0] == "resize":
        number, first, last = (int(word) for word in words[2:])
        old = next(one for one in entries if one.number == number)
        _need(old.first == first and last >= old.last, "only its end may move out")
        entries[entries.index(old)] = old.replace(last=last)
    elif words[0] == "delete":
        entries = [one for one in entries if one.number != int(words[2])]
    ordered = sorted(entries, key=lambda one: one.first)
    for before, after in itertools.pairwise(ordered):
        _need(before.last < after.first, "partitions overlap")
    _need(all(one.last <= device.table.last_usable for one in entries), "beyond the end of the disk")
    changed = device.replace(table=device.table.replace(partitions=tuple(entries)))
    return inventory.replace(devices=_put(inventory.devices, changed))

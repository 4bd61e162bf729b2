"""Whether a configuration can become a host on this machine, in this world, under these dials: the judge's own rules.

Sources: vSphere's configuration maxima and networking guide (MTU 1280 to 9000, VLAN 1 to 4094, names of port groups and
datastores), vSphere's storage guide (VMFS 6 up to 64 TB, 32 extents, one sector format within a datastore; 4Kn only for
local HDDs up to 8.0; from 9.0 on SSDs too, VMware Cloud Foundation blog, 19 June 2025), docs/requirements.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from target.judge.desired import MODES, Desired, Face
from target.judge.machine import Machine
from target.judge.world import broken, ways

SMALLEST_VMFS = 1395864371  # 1.3 GiB
LARGEST_VMFS = 64 << 40
MOST_EXTENTS = 32
OWN_NAMES = ("Management Network", "VM Network")
OWN_VOLUMES = ("BOOTBANK1", "BOOTBANK2", "OSDATA", "LOCKER")


@dataclass(frozen=True)
class Expectation:
    """What must become of a deployment.

    ``invalid``: why it must fail, as found. ``excuses``: why it may. ``untold``: why MAAS may never hear of it.
    ``broken``: interfaces that must be named in an event where the deployment succeeds.
    """

    invalid: tuple[str, ...]
    excuses: tuple[str, ...]
    untold: tuple[str, ...]
    broken: tuple[str, ...]

    @property
    def must_deploy(self) -> bool:
        return not self.invalid and not self.excuses


def expect(desired: Desired, machine: Machine, placed: dict[str, str], reached_before: bool) -> Expectation:
    """``machine`` is the one found; ``placed`` says which of its disks is which of MAAS's; ``reached_before``: whether
    the network that was found leads to MAAS.
    """
    invalid = [*_names(desired), *_links(desired, machine), *_mtus(desired, machine), *_addresses(desired)]
    invalid += [*_storage(desired, machine, placed)]
    excuses = []
    found = ways(desired, machine)
    if not [way for way in found if way.works]:
        invalid.append("no way leads to MAAS")
    elif found[0].assumed:
        excuses.append("only router advertisements, of which MAAS says nothing, lead to MAAS")
    elif not all(way.works for way in found):
        excuses.append("one of several ways to MAAS does not lead there, and which it is shows only when tried")
    excuses += _excuses(desired, machine, [way.face for way in found])
    untold = []
    if not reached_before:
        untold.append("the network that was found does not lead to MAAS")
    if machine.dial("rule-file", "taken") != "taken" and machine.dial("firewall", "closed") == "closed":
        excuses.append("the firewall lets nothing out, and takes no rule file")
        untold.append("the firewall lets nothing out")
    return Expectation(tuple(invalid), tuple(excuses), tuple(untold), tuple(broken(desired, machine)))


def _excuses(desired: Desired, machine: Machine, management: list[Face]) -> list[str]:
    found = []
    if machine.dial("renamed-key", "none") != "none":
        found.append("a key of an answer has another name")
    if (machine.dial("stale-lease-route", ""), machine.dial("remove-leased-route", "")) == ("stays", "refused"):
        found.append("what a lease brought stays and cannot be taken away: nobody could set a gateway on such an ESXi")
    doubtful = {face.name for face in management} & set(broken(desired, machine))
    found += [f"{name} is for management, and something of it does not work" for name in sorted(doubtful)]
    foreign = [vmk["mtu"] for vmk in machine.running["interfaces"].values() if vmk not in machine.vmks]
    if foreign and max(foreign) > min([link.mtu for link in desired.carriers()] + [9000]):
        found.append("an interface of another stack has a larger MTU than a vSwitch is to have")
    by_lease = [one for one in desired.routes if not _is_local(desired, one.gateway)]
    if by_lease:
        found.append("a gateway is on no static network")
    metrics = {(one.destination, one.metric) for one in desired.routes}
    if len({(one.destination, one.metric, one.gateway) for one in desired.routes}) > len(metrics):
        found.append("two routes to one destination without a word on which is better")
    return found


def _is_local(desired: Desired, gateway: str) -> bool:
    return any(ip_address(gateway) in one.network for face in desired.faces for one in face.static)


def _names(desired: Desired) -> Iterator[str]:
    for odd in desired.odd:
        yield f"ESXi has no {odd}"
    for face in desired.faces:
        if face.name in OWN_NAMES or any(one in face.name for one in "/\\%") or len(face.name) > 79:
            yield f"ESXi takes no port group {face.name}"
    for name in desired.datastores:
        if name.partition("-")[0] in OWN_VOLUMES or any(one in name for one in "/\\%") or len(name) > 42:
            yield f"ESXi takes no datastore {name}"


def _links(desired: Desired, machine: Machine) -> Iterator[str]:
    if not any(face.has_address for face in desired.faces):
        yield "no interface has an address"
    for link in desired.carriers():
        if len(machine.vmnics(link)) < len(link.macs):
            yield f"ESXi does not have every NIC of {link.name}"
        if link.mode not in MODES:
            yield f"ESXi has no bond mode {link.mode}"
    seen = set()
    for face in desired.faces:
        if face.is_left_out:
            continue
        if face.vid and not 1 <= face.vid <= 4094:
            yield f"VLAN {face.vid}"
        if face.vid and (face.link.name, face.vid) in seen:
            yield f"VLAN {face.vid} twice on {face.link.name}"
        seen.add((face.link.name, face.vid))


def _mtus(desired: Desired, machine: Machine) -> Iterator[str]:
    limits = {nic["mac"].lower(): nic["max_mtu"] for nic in machine.hardware["nics"]}
    for link in desired.carriers():
        if not 1280 <= link.mtu <= 9000:
            yield f"MTU {link.mtu} of {link.name}"
        if any(limits.get(mac, 9000) < link.mtu for mac in link.macs):
            yield f"a NIC of {link.name} does not take the MTU {link.mtu}"
    for face in (one for one in desired.faces if one.link in desired.carriers()):
        if not 1280 <= face.mtu <= face.link.mtu:
            yield f"MTU {face.mtu} of {face.name} on {face.link.mtu}"


def _addresses(desired: Desired) -> Iterator[str]:
    every = [str(one.ip) for face in desired.faces for one in face.static]
    for address in every:
        if every.count(address) > 1:
            yield f"{address} twice"
    for face in desired.faces:
        for one in face.static:
            net = one.network
            ends = (net.network_address, net.broadcast_address)
            if (
                one.ip.is_multicast
                or one.ip.is_link_local
                or (one.version == 4 and net.prefixlen < 31 and one.ip in ends)
            ):
                yield f"{one} is no host's address"
        for gateway in face.gateways:
            if gateway in every or not any(ip_address(gateway) in one.network for one in face.static):
                yield f"gateway {gateway} of {face.name}"
    for route in desired.routes:
        if ip_network(route.destination).version != ip_address(route.gateway).version:
            yield f"route to {route.destination}"
        dynamic = any((face.dhcp4, face.dhcp6)[route.gateway.count(":") > 0] for face in desired.faces)
        if not dynamic and not _is_local(desired, route.gateway):
            yield f"gateway {route.gateway} is on no network of the host"


def _storage(desired: Desired, machine: Machine, placed: dict[str, str]) -> Iterator[str]:
    disks = {disk["name"]: disk for disk in machine.hardware["disks"]}
    boot = next(disk for disk in machine.hardware["disks"] if disk["boot"])
    on_boot = [name for name, extents in desired.datastores.items() if extents[0].disk == desired.boot]
    if len(on_boot) > 1:
        yield "two datastores on the boot disk"
    if on_boot and not _has_room(machine, boot):
        yield "ESXi leaves no room for a datastore on the boot disk"
    owners = [(one.disk, one.number) for extents in desired.datastores.values() for one in extents]
    if len(set(owners)) < len(owners):
        yield "a partition in two datastores"
    for name, extents in desired.datastores.items():
        used = [boot if one.disk == desired.boot else disks.get(placed.get(one.disk, "")) for one in extents]
        if None in used:
            yield f"a disk of {name} is not there"
        known = [one for one in used if one is not None]
        if len({one["sector_size"] for one in known}) > 1:
            yield f"{name} spans disks of two sector formats"
        solid = [one for one in known if one["ssd"] or one["kind"] == "nvme"]
        if str(machine.hardware["release"]) < "9" and any(one["sector_size"] == 4096 for one in solid):
            yield f"{name} is on a 4Kn SSD"
        if len(extents) > MOST_EXTENTS or sum(one.size for one in extents) > LARGEST_VMFS:
            yield f"{name} is too large"
        for index, one in enumerate(extents):
            if one.disk == desired.boot and index:
                yield f"{name} takes the boot disk as a further extent"
            if one.disk != desired.boot and one.size < SMALLEST_VMFS:
                yield f"{name} has an extent of {one.size} bytes"


def _has_room(machine: Machine, boot: dict[str, Any]) -> bool:
    """Whether a datastore fits on the boot disk: ESXi has made one, or has left 1.3 GiB free (6.x alone does)."""
    if [one for one in machine.volumes if one.extents[0][0] == boot["name"]]:
        return True
    ends_at = 1843200 * 512  # where 6.x's partitions end on a small disk
    return str(machine.hardware["release"]) < "7" and int(boot["bytes"]) - ends_at > SMALLEST_VMFS + (1 << 20)

"""What makes a random host's configuration one that it cannot have, and what its surroundings do to it."""

from __future__ import annotations

import random
from typing import Any

from target.judge import desired as desires
from target.judge.choices import Chosen
from target.judge.hosts import GIB, Case, build

MANAGEMENT_NETWORK = "net1"
SECOND_NETWORK = "net2"


def make_case(chosen: Chosen, seed: int) -> Case:
    """The host of these choices; what they leave open is drawn by ``seed``."""
    case = build(chosen, seed)
    sabotage(case, chosen["sabotage"], random.Random(seed + 1))  # noqa: S311  the same each time
    trouble(case, chosen["trouble"])
    return case


def _network(case: Case) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = case.config["network"]["config"]
    return entries


def _storage(case: Case) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = case.config["storage"]["config"]
    return entries


def _with_address(case: Case) -> list[dict[str, Any]]:
    return [
        one
        for one in _network(case)
        if one["type"] != "bridge" and any(sub["type"] != "manual" for sub in one.get("subnets", ()))
    ]


def _statics(case: Case, six: bool | None = None) -> list[dict[str, Any]]:
    return [
        sub
        for one in _network(case)
        for sub in one.get("subnets", ())
        if sub["type"] == "static" and (six is None or (":" in sub["address"]) == six)
    ]


def _base(case: Case, entry: dict[str, Any]) -> dict[str, Any]:
    if entry["type"] != "vlan":
        return entry
    return next(one for one in _network(case) if one.get("id") == entry["vlan_link"])


def _macs(case: Case, entry: dict[str, Any]) -> list[str]:
    base = _base(case, entry)
    if base["type"] == "bond":
        return [one["mac_address"] for one in _network(case) if one.get("id") in base["bond_interfaces"]]
    return [base["mac_address"]]


def _on(case: Case, network: str) -> list[dict[str, Any]]:
    """The interfaces with an address on a network."""
    found = []
    for one in _with_address(case):
        cable = case.world["cables"][_macs(case, one)[0]]
        reached = cable["tagged"].get(str(one["vlan_id"])) if one["type"] == "vlan" else cable["native"]
        if reached == network:
            found.append(one)
    return found


def sabotage(case: Case, kind: str, rng: random.Random) -> None:
    """Change the configuration, or the machine, so that it cannot be. Some kinds fit no host without something."""
    _sabotage_network(case, kind, rng)
    _sabotage_storage(case, kind)


def _sabotage_network(case: Case, kind: str, rng: random.Random) -> None:
    entries = _network(case)
    first = _with_address(case)[0]
    base = _base(case, first)
    statics = _statics(case)
    if kind == "bond mode":
        bonds = [_base(case, one) for one in _with_address(case) if _base(case, one)["type"] == "bond"]
        for bond in bonds:
            bond["params"] = {"bond-mode": rng.choice(["balance-tlb", "balance-alb", "balance-xor", "broadcast"])}
    elif kind == "bridge":
        entries.append({"id": "br0", "name": "br0", "type": "bridge", "bridge_interfaces": [first["id"]],
                        "subnets": [{"type": "dhcp4"}]})  # fmt: skip
    elif kind == "MTU too large":
        for one in {id(one): one for one in (first, base, *entries)}.values():
            if "mtu" in one and set(_macs(case, one)) & set(_macs(case, first)):
                one["mtu"] = 9216
    elif kind == "MTU over carrier":
        for one in (one for one in _with_address(case) if one["type"] == "vlan"):
            one["mtu"] = _base(case, one)["mtu"] + 100
    elif kind == "address twice" and len(statics) > 1:
        statics[-1].update(address=statics[0]["address"])
        statics[-1].pop("gateway", None)
    elif kind == "gateway elsewhere" and statics:
        statics[-1]["gateway"] = "2001:db8:abcd::1" if ":" in statics[-1]["address"] else "198.51.100.1"
    elif kind == "network address" and _statics(case, six=False):
        _statics(case, six=False)[0]["address"] = "10.1.0.0/24"
    elif kind == "no way to MAAS":
        _lose_the_way(case)
    elif kind == "other family than MAAS":
        six = "[" not in case.config["reporting"]["maas"]["endpoint"] and not _has_family(case, 6)
        if six or not _has_family(case, 4):
            address = "[2001:db8:ffff::53]" if six else "192.0.2.53"
            case.config["reporting"]["maas"]["endpoint"] = f"http://{address}:5248/MAAS/metadata/status/rsycnt"
    elif kind == "no address":
        for one in entries:
            if "subnets" in one:
                one["subnets"] = [{"type": "manual"}]
    elif kind == "no driver":
        with_driver = [nic for nic in case.nics if nic["driver"]]
        for nic in with_driver:
            if nic["mac"] == _macs(case, first)[-1] and len(with_driver) > 1:
                nic.update(driver="", name="")
    elif kind == "VLAN twice":
        for one in [one for one in entries if one["type"] == "vlan"][:1]:
            entries.append(dict(one, id="again", name="again", subnets=[{"type": "static", "address": "10.88.0.5/24"}]))
    elif kind == "VLAN 4095":
        for one in [one for one in entries if one["type"] == "vlan"][:1]:
            one["vlan_id"] = 4095
    elif kind == "NIC with small MTU":
        for nic in case.nics:
            if nic["mac"] == _macs(case, first)[0]:
                nic["max_mtu"] = 1500


def _has_family(case: Case, version: int) -> bool:
    kinds = {sub["type"] for one in _network(case) for sub in one.get("subnets", ())}
    return bool(_statics(case, six=version == 6)) or f"dhcp{version}" in kinds or any(
        "accept-ra" in one for one in _network(case) if version == 6
    )  # fmt: skip


def _lose_the_way(case: Case) -> None:
    """MAAS far away, and nothing that leads there."""
    if any(sub["type"].startswith("dhcp") for one in _network(case) for sub in one.get("subnets", ())):
        return
    if any(one.get("accept-ra") for one in _network(case)):
        return
    case.config["reporting"]["maas"]["endpoint"] = "http://192.0.2.53:5248/MAAS/metadata/status/rsycnt"
    case.config["network"]["config"] = [one for one in _network(case) if one["type"] != "route"]
    for sub in _statics(case):
        sub.pop("gateway", None)
        sub.pop("routes", None)


def _sabotage_storage(case: Case, kind: str) -> None:
    storage = _storage(case)
    stores = [one for one in storage if one["type"] == "vmfs6"]
    parts = {one["id"]: one for one in storage if one["type"] == "partition"}
    data = [parts[key] for one in stores for key in one["devices"] if parts[key]["device"] != "sda"]
    on_boot = [one for one in stores if parts[one["devices"][0]]["device"] == "sda"]
    if kind == "small datastore" and data:
        data[0]["size"] = f"{GIB}B"
    elif kind == "two on the boot disk" and on_boot:
        storage.append({"id": "sda-part9", "type": "partition", "number": 9, "device": "sda", "size": f"{20 * GIB}B"})
        storage.append({"id": "again", "name": "again", "type": "vmfs6", "devices": ["sda-part9"]})
    elif kind == "boot disk as extent" and data and not on_boot:
        boot = next(key for key, one in parts.items() if one["device"] == "sda")
        stores[0]["devices"].append(boot)
    elif kind == "long name" and stores:
        stores[0]["name"] = "x" * 43
    elif kind == "slash in name" and stores:
        stores[0]["name"] = "a/b"
    elif kind == "own name" and stores:
        stores[0]["name"] = "BOOTBANK1"
    elif kind == "no room on the boot disk" and on_boot:
        case.disks["sda"] = (100 * GIB if not case.release.startswith("6") else 2 * GIB, 512, "sas")
    elif kind == "disk missing" and data:
        del case.disks[data[0]["device"]]
    elif kind == "mixed sectors" and any(len(one["devices"]) > 1 for one in stores):
        spanned = next(one for one in stores if len(one["devices"]) > 1)
        case.disks[parts[spanned["devices"][-1]]["device"]] = (120 * GIB, 4096, "sas")
    elif kind == "4Kn SSD" and data:
        case.disks[data[0]["device"]] = (120 * GIB, 4096, "nvme")


def trouble(case: Case, kind: str) -> None:
    """Let the surroundings be so. Kinds that fit nothing of this host change nothing."""
    cables, networks = case.world["cables"], case.world["networks"]
    whose, _, what = kind.partition(": ")
    name = SECOND_NETWORK if whose == "second" else MANAGEMENT_NETWORK
    server = networks.get(name, {}).get("dhcp")
    if what in ("no link", "member without link"):
        for one in _on(case, name)[:1]:
            macs = _macs(case, one)
            for mac in macs if what == "no link" else macs[: len(macs) > 1]:
                cables[mac]["link"] = False
    elif what == "no DHCP server" and server:
        server["alive"] = False
    elif what == "lease without router" and server:
        server["router"] = None
    elif what == "slow DHCP server" and server:
        server["delay"] = 25.0
    elif kind == "gateway dead":
        for network in networks.values():
            for gateway in network["gateways"].values():
                gateway["alive"] = network is not networks[MANAGEMENT_NETWORK]
    elif kind == "VLAN missing":
        for one in [one for one in _with_address(case) if one["type"] == "vlan"][:1]:
            for mac in _macs(case, one):
                cables[mac]["tagged"] = {}
    elif kind == "no channel":
        for cable in cables.values():
            cable["channel"] = None
    elif kind.startswith("IPv6 duplicate"):
        name = SECOND_NETWORK if kind.endswith("second") else MANAGEMENT_NETWORK
        for one in _on(case, name):
            for sub in one["subnets"]:
                if ":" in sub.get("address", ""):
                    networks[name]["hosts"][sub["address"].partition("/")[0]] = {"alive": True}
    elif kind == "booted network without router":
        networks[cables[case.booted]["native"]]["dhcp"]["router"] = None


def found_address(case: Case, native: str) -> tuple[str, str]:
    """vmk0's address and netmask on network ``native``: on some hosts the desired address, with another netmask."""
    faces = [face for face in desires.read(case.config).faces if case.booted in face.link.macs and not face.vid]
    own = [one for face in faces for one in face.of_version(4) if str(one.ip).startswith(f"10.{native}.0.")]
    if own and case.seed // 4 % 2:
        return str(own[0].ip), "255.255.254.0"
    return f"10.{native}.0.42", "255.255.255.0"

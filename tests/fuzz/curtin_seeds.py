"""Configurations for curtin: what MAAS made of recorded machines, and what no sample has."""

from __future__ import annotations

import copy
import functools
import json
from typing import Any

from target.plan.configs import SAMPLES, bond, mac, network, nic, simple, static, vlan
from unit.deployment.pairs import PATHS, pair

_TOKEN = {"consumer_key": "k", "token_key": "t", "token_secret": "s"}
_MANUAL = {"type": "manual"}
_NO_HOSTS = ("10.0.0.0/24", "10.0.0.255/24", "224.0.0.1/24", "127.0.0.1/8", "fe80::5/64", "fe80::1%eth0/64", "::/0",
             "a/b", "10.0.0.5")  # fmt: skip
_ON_BOND = bond("bond0", ["eno1", "eno2"], static("10.0.0.5/24", gateway="10.0.0.1"))


def _small(config: dict[str, Any]) -> dict[str, Any]:
    """What a host is made of, without what MAAS writes for Linux: the less there is, the more changes reach it."""
    return {name: config[name] for name in ("reporting", "network", "storage") if name in config}


def _networks() -> list[list[dict[str, Any]]]:
    """Entries of the section ``network``."""
    route = {"type": "route", "id": "r", "destination": "10.9.0.0/16", "gateway": "10.0.0.1", "metric": 5}
    bridge = {"type": "bridge", "id": "br0", "name": "br0", "bridge_interfaces": ["eno1"]}
    found = [
        [nic(1, static("10.0.0.5/24", gateway="10.0.0.1")), route, {**route, "gateway": "10.0.0.2", "metric": 5},
         {**route, "destination": "default", "metric": 7}, {"type": "loopback", "name": "lo"}],
        [nic(1, static("10.0.0.5", netmask="255.255.255.0")), {**bridge, "subnets": [_MANUAL]}, bridge,
         {**bridge, "subnets": [static("10.0.0.6/24")], "bridge_interfaces": []}],
        [nic(1, static("2001:db8::5/64", gateway="2001:db8::1"), {"type": "dhcp4", "gateway": "10.0.0.1"}),
         {**route, "network": "10.9.0.0", "netmask": "255.255.0.0", "destination": ""},
         {**route, "gateway": "2001:db8::1"}, {**route, "destination": "2001:db8:9::/48", "gateway": "fe80::1"}],
        [nic(1), nic(2), _ON_BOND, {**_ON_BOND, "params": {"bond_mode": 4, "bond_arp_interval": 1}},
         vlan("bond0", 5, static("10.0.5.5/24"), static("10.0.5.6/24")), vlan("bond0.5", 6, {"type": "dhcp"})],
        [nic(1, static("10.0.0.5/24")), nic(2, {"type": "dhcp"}), {**_ON_BOND, "bond_interfaces": ["eno1", "eno1"]},
         vlan("eno1", 4095, {"type": "dhcp6"}), {**_ON_BOND, "name": "b", "params": {"bond-mode": "", "x": 1}},
         {**_ON_BOND, "name": "c", "params": {"bond-mode": "balance-alb", "bond-primary": "eno2"}}],
        [nic(1, static("10.0.0.5/24"), static("10.0.0.6/24")), nic(2, static("10.0.0.5/24"), name="eno1:1"),
         nic(3, {"type": "dhcp"}, name="-x/%"), nic(4, {"type": "dhcp"}, {"type": "dhcp"}, name="VM Network"),
         nic(5, {"type": "dhcp"}, name="x" * 80, mtu=9001), nic(6, mac_address="01:00:5e:00:00:01")],
        [nic(1, *(static(address) for address in _NO_HOSTS)),
         nic(2, static("10.1.0.5/24", gateway="10.0.9.1"), static("10.1.1.5/24", gateway="10.1.1.5"),
             static("2001:db8::5/64", gateway="fe80::1"), static("10.1.2.5/24", gateway="::1"),
             static("10.1.3.5/24", gateway="fe80::1%a"))],
        [nic(1, mtu=1500), vlan("eno1", 5, static("10.0.5.5/24"), mtu=9000),
         vlan("eno1", 5, {"type": "dhcp"}, name="v")],
    ]  # fmt: skip
    many = [nic(1, {"type": "dhcp"}), *(nic(number, mac_address=mac(number)) for number in range(2, 36))]
    found.append([*many, bond("bond0", [f"eno{number}" for number in range(2, 36)], {"type": "dhcp"})])
    found.append([nic(1, *(static(f"10.{number}.0.5/24") for number in range(1 << 8)), {"type": "dhcp"})])
    found.append([nic(1, {"type": "dhcp"}), *(vlan("eno1", number) for number in range(1, 514))])
    found.append([nic(number, {"type": "dhcp6"}) for number in range(1, 130)])
    return found


def _storages() -> list[list[dict[str, Any]]]:
    """Entries of the section ``storage``."""
    boot = {"id": "sda", "name": "sda", "type": "disk", "serial": "S1", "grub_device": True}
    other = {"id": "sdb", "name": "sdb", "type": "disk", "serial": "S2"}
    on_boot = {"id": "a8", "type": "partition", "device": "sda", "number": 8, "size": "40G"}
    part = {"id": "b1", "type": "partition", "device": "sdb", "number": 1, "size": "40G"}
    store = {"id": "d1", "name": "datastore1", "type": "vmfs6", "devices": ["b1"]}
    found: list[list[dict[str, Any]]] = [
        [boot, other, on_boot, part, store, {**store, "id": "d2", "name": "d2", "devices": ["a8"]},
         {"id": "c", "type": "nvme_controller"}, {"id": "v", "type": "lvm_volgroup"}, {"id": "r", "type": "raid"}],
        [boot, {**other, "preserve": True}, on_boot, part, store, store, {**store, "id": "d2", "devices": []}],
        [boot, other, on_boot, {**part, "size": 5}, {**store, "devices": ["b1", "a8"], "name": "OSDATA-1"}],
        [boot, other, {**part, "size": "65T"}, {**part, "id": "b2", "size": "9000000000G"}, {**store, "name": "-x/%"}],
        [boot, other, part, on_boot, *({**store, "id": name, "name": name} for name in ("BOOTBANK1", " x", "x" * 43)),
         {**store, "id": "e", "name": "e", "devices": ["a8"]}, {**store, "id": "f", "name": "f", "devices": ["a8"]}],
        [boot, other, part, {**store, "devices": ["b1"] * 33}],
    ]  # fmt: skip
    found.append([boot, *({**store, "id": f"d{number}", "name": f"d{number}"} for number in range(513))])
    return found


@functools.cache
def curtin_configs() -> list[bytes]:
    """Samples as YAML; all else as the JSON that reaches the hook."""
    recorded = [_small(pair(path).curtin) for path in PATHS if path.parent.name == "3.7.3"]
    for config in recorded:
        config["reporting"]["maas"].update(_TOKEN)
    made = [_small(network(*copy.deepcopy(entries))) for entries in _networks()]
    for entries in _storages():
        config = _small(simple())
        config["storage"]["config"] = entries
        made.append(config)
    for section, change in (
        ("network", {"version": 2}), ("storage", {"version": 2}), ("network", {"config": {}}),
        ("storage", {"config": {}}), ("network", {"x": 1}),
    ):  # fmt: skip
        config = _small(simple())
        config[section].update(change)
        made.append(config)
    return [*(path.read_bytes() for path in SAMPLES), *(json.dumps(one).encode() for one in (*recorded, *made))]

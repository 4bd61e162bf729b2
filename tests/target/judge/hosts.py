"""Random hosts: a configuration as MAAS would render it, the machine and world around it, the dials of the fake ESXi.

``build`` turns choices (choices.py) into all of that; spoil.py changes it from there.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import Any

from standin.esxi.dials import DIALS
from target.judge.choices import Chosen

GIB = 1 << 30
FULL_NAME = "esx01.maas"
_NAMES = {
    "plain": ("data", "more"), "blanks": ("my data", "more of it"), "other scripts": ("données", "データ"),
}  # fmt: skip


@dataclass
class Case:
    """One random host. ``disks``: MAAS's id → (bytes, sector size, kind) of the disks that are there; ``trouble`` has
    been done to ``world`` already; ``booted``: the MAC that booted from MAAS.
    """

    chosen: Chosen
    seed: int
    config: dict[str, Any]
    world: dict[str, Any]
    nics: list[dict[str, Any]]
    disks: dict[str, tuple[int, int, str]]
    booted: str
    dials: dict[str, str] = field(default_factory=dict)

    @property
    def release(self) -> str:
        return self.chosen["release"]


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


class _Maker:
    """Builds one case. Network ``k`` is 10.k.0.0/24 and 2001:db8:k::/64, with gateways 1 (everywhere) and 254."""

    def __init__(self, chosen: Chosen, seed: int) -> None:
        self.chosen = chosen
        self.seed = seed
        self.rng = random.Random(seed)  # noqa: S311  it is to be the same each time
        self.entries: list[dict[str, Any]] = []
        self.storage: list[dict[str, Any]] = []
        self.networks: dict[str, Any] = {}
        self.cables: dict[str, Any] = {}
        self.count = 0
        self.disks: dict[str, tuple[int, int, str]] = {}
        self.max_mtu: dict[str, int] = {}
        self.driverless: set[str] = set()
        self.management: dict[str, Any] = {}
        self.second: dict[str, Any] | None = None

    # -- pieces ---------------------------------------------------------------------------------------------------

    def network(self, number: int) -> str:
        """The network of this number, made where it is not yet."""
        name = f"net{number}"
        self.networks.setdefault(
            name,
            {
                "subnets": [f"10.{number}.0.0/24", f"2001:db8:{number}::/64"],
                "hosts": {},
                "gateways": {
                    f"10.{number}.0.1": {"alive": True, "reaches": ["0.0.0.0/0"]},
                    f"10.{number}.0.254": {"alive": True, "reaches": [f"172.{number}.0.0/16"]},
                    f"2001:db8:{number}::1": {"alive": True, "reaches": ["::/0"]},
                    f"2001:db8:{number}::fe": {"alive": True, "reaches": [f"2001:db8:f{number}::/48"]},
                },
                "dhcp": {
                    "alive": True, "first": f"10.{number}.0.100", "prefix": 24, "lease": {},
                    "router": f"10.{number}.0.1", "dns": [f"10.{number}.0.3"], "domain": "leased.example", "delay": 0.0,
                },
                "router_advertisement": {"prefix": f"2001:db8:{number}::/64", "router": f"2001:db8:{number}::1"},
                "dhcp6": {"address": f"2001:db8:{number}::d", "dns": []},
            },
        )  # fmt: skip
        return name

    def nic(self, native: int, mtu: int, subnets: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        self.count += 1
        entry = {
            "id": f"eno{self.count}", "name": f"eno{self.count}", "type": "physical", "mac_address": mac(self.count),
            "mtu": mtu, "subnets": subnets or [{"type": "manual"}],
        }  # fmt: skip
        self.cables[mac(self.count)] = {"link": True, "native": self.network(native), "tagged": {}, "channel": None}
        self.entries.append(entry)
        return entry

    def bond(self, mode: str, native: int, mtu: int) -> dict[str, Any]:
        members = [self.nic(native, mtu) for _ in range(self.rng.choice([2, 2, 3]))]
        self.rng.shuffle(members)
        name = f"bond{sum(one['type'] == 'bond' for one in self.entries)}"
        entry: dict[str, Any] = {
            "id": name, "name": name, "type": "bond", "bond_interfaces": [one["id"] for one in members],
            "mac_address": self.rng.choice([members[0], members[-1]])["mac_address"], "mtu": mtu,
            "params": {"bond-mode": mode}, "subnets": [{"type": "manual"}],
        }  # fmt: skip
        if mode == "active-backup" and self.rng.random() < 0.5:
            entry["params"]["bond-primary"] = self.rng.choice(members)["id"]
        for one in members:
            self.cables[one["mac_address"]]["channel"] = name if mode == "802.3ad" else None
        self.entries.append(entry)
        return entry

    def vlan(self, link: dict[str, Any], number: int, mtu: int) -> dict[str, Any]:
        vid = self.rng.choice([5, 100, 4094]) + number % 5 - 5
        vid = max(1, vid)
        entry = {
            "id": f"{link['name']}.{vid}", "name": f"{link['name']}.{vid}", "type": "vlan", "vlan_link": link["id"],
            "vlan_id": vid, "mtu": mtu, "subnets": [{"type": "manual"}],
        }  # fmt: skip
        for one in self.macs(link):
            self.cables[one]["tagged"][str(vid)] = self.network(number)
        self.entries.append(entry)
        return entry

    def macs(self, entry: dict[str, Any]) -> list[str]:
        """The NICs below an entry."""
        if entry["type"] == "vlan":
            return self.macs(self.entry(entry["vlan_link"]))
        if entry["type"] == "bond":
            return [self.entry(one)["mac_address"] for one in entry["bond_interfaces"]]
        return [entry["mac_address"]]

    def entry(self, key: str) -> dict[str, Any]:
        return next(one for one in self.entries if one["id"] == key)

    # -- the configuration ----------------------------------------------------------------------------------------

    def make(self) -> Case:
        self._management()
        self._second()
        self._third()
        self._names()
        self._disks()
        self._extras()
        maas = self._maas()
        maas = f"[{maas}]" if ":" in maas else maas
        config = {
            "network": {"version": 1, "config": self.entries},
            "storage": {"version": 1, "config": self.storage},
            "reporting": {
                "maas": {
                    "type": "webhook", "endpoint": f"http://{maas}:5248/MAAS/metadata/status/rsycnt",
                    "consumer_key": "a", "token_key": "b", "token_secret": "c",
                }
            },
        }  # fmt: skip
        for one in self.networks.values():
            one["hosts"].setdefault(one["subnets"][0].replace("0/24", "2"), {"alive": True})
        macs = [one["mac_address"] for one in self.entries if one["type"] == "physical"]
        booted = self.macs(self.management)[0]
        if self.chosen["booted"] == "another" and len(macs) > 1:
            booted = self.rng.choice([one for one in macs if one != booted])
        remote = {"192.0.2.53": {"alive": True}, "2001:db8:ffff::53": {"alive": True}}
        remote.update({"172.1.0.9": {"alive": True}, "2001:db8:f1::9": {"alive": True}})
        world = {"networks": self.networks, "remote": remote, "cables": self.cables}
        return Case(
            self.chosen, self.seed, copy.deepcopy(config), world,
            self._nics(macs), self.disks, booted, {name: self.chosen[name] for name in DIALS},
        )  # fmt: skip

    def _nics(self, macs: list[str]) -> list[dict[str, Any]]:
        order = list(macs)
        self.rng.shuffle(order)
        return [
            {
                "name": "" if one in self.driverless else f"vmnic{number}", "mac": one, "speed": 10000,
                "pci": f"0000:{0x41 + number:02x}:00.0", "driver": "" if one in self.driverless else "ixgben",
                "max_mtu": self.max_mtu.get(one, 9000), "description": "stand-in",
            }
            for number, one in enumerate(order)
        ]  # fmt: skip

    def _management(self) -> None:
        carrier = self.chosen["carrier"]
        base_mtu, own_mtu = {"1500": (1500, 1500), "9000": (9000, 9000), "9000 below 1500": (9000, 1500),
                             "1280": (1280, 1280)}[self.chosen["mtu"]]  # fmt: skip
        on_vlan = carrier.startswith("vlan")
        mode = carrier.rpartition("vlan on ")[2] if carrier != "vlan" else "nic"
        native = 9 if on_vlan else 1
        base_mtu = base_mtu if on_vlan or own_mtu == base_mtu else own_mtu
        base = self.nic(native, base_mtu) if mode == "nic" else self.bond(mode, native, base_mtu)
        self.management = self.vlan(base, 1, own_mtu) if on_vlan else base
        self.management["subnets"] = self.subnets(self.chosen["addresses"], 1, gateways=True)
        if self.chosen["accept-ra"] != "not said":
            self.management["accept-ra"] = self.chosen["accept-ra"] == "yes"

    def subnets(self, kinds: str, number: int, gateways: bool) -> list[dict[str, Any]]:
        """Subnets of an interface on network ``number``; the first of each family gets the gateway."""
        found: list[dict[str, Any]] = []
        place = 10
        for kind in kinds.split(", "):
            one: dict[str, Any] = {"type": kind}
            if kind == "static4":
                one = {"type": "static", "address": f"10.{number}.0.{place}/24", "gateway": f"10.{number}.0.1"}
            elif kind == "static4 in 31":
                self.networks[self.network(number)]["gateways"][f"10.{number}.0.11"] = {
                    "alive": True, "reaches": ["0.0.0.0/0"],
                }  # fmt: skip
                one = {"type": "static", "address": f"10.{number}.0.10/31", "gateway": f"10.{number}.0.11"}
            elif kind == "static6":
                one = {"type": "static", "address": f"2001:db8:{number}::{place}/64"}
                one["gateway"] = f"2001:db8:{number}::1"
            first = not any("gateway" in other and (":" in other["address"]) == (kind == "static6") for other in found)
            if not gateways or not first:
                one.pop("gateway", None)
            place += 1
            found.append(one)
        return found

    def _second(self) -> None:
        kind = self.chosen["second"]
        if kind == "none":
            return
        mtu = 9000 if self.chosen["mtu"].startswith("9000") else 1500
        if kind == "static4 on the same network":
            entry = self.nic(1, mtu, [{"type": "static", "address": "10.1.0.77/24"}])
        elif kind == "bond":
            entry = self.bond(self.rng.choice(["active-backup", "balance-rr", "802.3ad"]), 2, mtu)
            entry["subnets"] = self.subnets("static4", 2, gateways=False)
        elif kind.startswith("vlan"):
            base = self.nic(8, mtu) if self.rng.random() < 0.5 else self._base()
            entry = self.vlan(base, 2, min(mtu, base["mtu"]))
            if kind == "vlan":
                entry["subnets"] = self.subnets("static4", 2, gateways=False)
        else:
            words = {"two addresses": "static4, static4", "static4 with gateway": "static4",
                     "static4 with route": "static4", "static6 with gateway": "static6"}.get(kind, kind)  # fmt: skip
            entry = self.nic(2, mtu, self.subnets(words, 2, gateways="with gateway" in kind))
            if kind == "static4 with route":
                entry["subnets"][0]["routes"] = [{"destination": "172.2.0.0/16", "gateway": "10.2.0.254"}]
        self.second = entry

    def _base(self) -> dict[str, Any]:
        return self.entry(self.management["vlan_link"]) if self.management["type"] == "vlan" else self.management

    def _third(self) -> None:
        kind = self.chosen["third"]
        if kind == "unused":
            self.nic(3, 1500)
        elif kind == "dhcp4":
            self.nic(3, 1500, [{"type": "dhcp4"}])
        elif kind == "static4 with gateway":
            self.nic(3, 1500, self.subnets("static4", 3, gateways=True))
        elif kind == "vlan twice":
            base = self.nic(3, 1500)
            for number in (4, 5):
                one = self.vlan(base, number, 1500)
                one["subnets"] = self.subnets("static4", number, gateways=False)

    def _names(self) -> None:
        kind = self.chosen["dns"]
        if kind in ("for all", "both"):
            self.entries.append({"type": "nameserver", "address": ["10.1.0.2", "8.8.8.8"], "search": ["maas"]})
        if kind in ("of a subnet", "both"):
            self.management["subnets"][0].update(dns_nameservers=["10.1.0.2", "9.9.9.9"], dns_search=["example.com"])

    def _maas(self) -> str:
        six = self.chosen["addresses"] in ("static6", "dhcp4, static6")
        at = self.chosen["maas"]
        if at == "on its network" or (at == "behind the gateway" and self.chosen["addresses"] == "dhcp4, static4"):
            address = "2001:db8:1::250" if six else "10.1.0.250"
            if self.chosen["addresses"] == "static4 in 31":
                return "10.1.0.11"
            self.networks[self.network(1)]["hosts"][address] = {"alive": True}
            return address
        if at == "behind a route" and self.chosen["addresses"] not in ("dhcp4", "static4 in 31"):
            subnet = next(one for one in self.management["subnets"] if (":" in one.get("address", "")) == six
                          and "address" in one)  # fmt: skip
            subnet["routes"] = [
                {"destination": "2001:db8:f1::/48", "gateway": "2001:db8:1::fe"} if six
                else {"destination": "172.1.0.0/16", "gateway": "10.1.0.254"}
            ]  # fmt: skip
            return "2001:db8:f1::9" if six else "172.1.0.9"
        return "2001:db8:ffff::53" if six else "192.0.2.53"

    def _extras(self) -> None:
        kind = self.chosen["extras"]
        static = next((one for one in self.management["subnets"] if "." in one.get("address", "")), None)
        if kind == "route to an own network" and self.second is not None and static:
            static.setdefault("routes", []).append({"destination": "10.2.0.0/24", "gateway": "10.1.0.254"})
        elif kind == "routes with metrics" and static and "/31" not in static["address"]:
            self.entries.append({"type": "route", "destination": "172.1.0.0/16", "gateway": "10.1.0.254", "metric": 10})
            self.entries.append({"type": "route", "destination": "172.1.0.0/16", "gateway": "10.1.0.1", "metric": 20})
        elif kind == "default route as a route" and static and static.get("gateway"):
            gateway = static.pop("gateway")
            self.entries.append({"type": "route", "destination": "0.0.0.0/0", "gateway": gateway})
        elif kind == "unused odd bond":
            entry = self.bond("balance-tlb", 7, 1500)
            entry["params"] = {"bond-mode": "balance-tlb"}
        elif kind == "unused NIC without driver":
            self.driverless.add(self.nic(7, 1500)["mac_address"])
        elif kind == "link of a spare NIC down":
            self.cables[self.nic(7, 1500)["mac_address"]]["link"] = False

    # -- disks ----------------------------------------------------------------------------------------------------

    def disk(self, key: str, size: int, sector: int = 512, kind: str = "sas", **more: Any) -> None:
        self.storage.append(
            {"id": key, "name": key, "type": "disk", "ptable": "gpt", "wipe": "superblock", "model": "model",
             "serial": "S" + key, **more}
        )  # fmt: skip
        self.disks[key] = (size, sector, kind)

    def partition(self, disk: str, number: int, size: int) -> str:
        key = f"{disk}-part{number}"
        self.storage.append(
            {"id": key, "name": key, "type": "partition", "number": number, "device": disk, "size": f"{size}B"}
        )
        return key

    def datastore(self, name: str, *partitions: str) -> None:
        self.storage.append({"id": name, "name": name, "type": "vmfs6", "devices": list(partitions)})

    def _disks(self) -> None:
        kind = self.chosen["datastores"]
        first, second = _NAMES[self.chosen["names"]]
        self.disk("sda", 240 * GIB, grub_device=True)
        for key in ("sdb", "sdc", "sdd"):
            self.disk(key, 120 * GIB)
        boot = self.partition("sda", 3 if self.chosen["release"].startswith("6") else 8, 90 * GIB)
        if kind == "boot":
            self.datastore(first, boot)
        elif kind == "data":
            self.datastore(first, self.partition("sdb", 1, 20 * GIB))
        elif kind == "two on a disk":
            self.datastore(first, self.partition("sdb", 1, 20 * GIB))
            self.datastore(second, self.partition("sdb", 2, 30 * GIB))
        elif kind == "spanned":
            self.datastore(first, self.partition("sdb", 1, 20 * GIB), self.partition("sdc", 1, 30 * GIB))
        elif kind == "boot and data":
            self.datastore(first, boot)
            self.datastore(second, self.partition("sdc", 1, 30 * GIB))
        elif kind == "boot spanned":
            self.datastore(first, boot, self.partition("sdb", 1, 20 * GIB))


def build(chosen: Chosen, seed: int) -> Case:
    """The host of these choices, before ``sabotage`` and ``trouble``; what they leave open is drawn by ``seed``."""
    return _Maker(chosen, seed).make()

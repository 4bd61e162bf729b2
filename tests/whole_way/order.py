"""What MAAS is asked for: a machine and its curtin configuration, derived from what MAAS 3.6.5 really rendered.

Addresses, MACs and serials stay as they are in tests/data/curtin: the virtual network and the virtual disks are made to
fit them. Token, system id and port are put in anew, so that they can be looked for where they must not be.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from esxforge.vm.hardware import Segment

DATA = Path(__file__).parents[1] / "data" / "curtin"
GIB = 1 << 30

Change = Callable[[dict[str, Any]], None]


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))


@dataclass(frozen=True)
class Token:
    """MAAS's token for one machine, of the lengths that it has in MAAS."""

    consumer_key: str = field(default_factory=lambda: _letters(18))
    token_key: str = field(default_factory=lambda: _letters(18))
    token_secret: str = field(default_factory=lambda: _letters(32))

    @property
    def parts(self) -> tuple[str, ...]:
        """Each of them by itself."""
        return (self.consumer_key, self.token_key, self.token_secret)


@dataclass(frozen=True)
class WholeDisk:
    """A disk of the machine: what its drive calls itself, and its size in bytes."""

    serial: str
    size: int


@dataclass(frozen=True)
class Order:
    """A machine as MAAS knows it.

    ``sample`` is a part of a file's name in tests/data/curtin; ``change`` edits what MAAS rendered; ``disks`` are those
    that the machine really has, in the order in which Linux finds them.
    """

    sample: str
    disks: tuple[WholeDisk, ...]
    hostname: str = "esx01.maas"
    change: Change = lambda config: None
    system_id: str = field(default_factory=lambda: "".join(secrets.choice(string.ascii_lowercase) for _ in range(6)))
    token: Token = field(default_factory=Token)

    def config(self, port: int) -> dict[str, Any]:
        """curtin's configuration, with MAAS on ``port``."""
        (path,) = [path for path in DATA.glob("*.yaml") if self.sample in path.name]
        text = path.read_text("utf-8")
        old = yaml.safe_load(text)["reporting"]["maas"]
        for before, after in (
            (old["consumer_key"], self.token.consumer_key),
            (old["token_key"], self.token.token_key),
            (old["token_secret"], self.token.token_secret),
            (f"/{old['endpoint'].rpartition('/')[2]}", f"/{self.system_id}"),
            (":5248/", f":{port}/"),
        ):
            assert before in text
            text = text.replace(before, after)
        # YAML's anchors make entries share an object, and a change would edit all of them; JSON has no anchors.
        config = json.loads(json.dumps(yaml.safe_load(text)))
        self.change(config)
        assert isinstance(config, dict)
        return config

    def addresses(self) -> tuple[str, ...]:
        """The static ones, in MAAS's order."""
        entries = self.config(1)["network"]["config"]
        found = [subnet.get("address", "") for entry in entries for subnet in entry.get("subnets", [])]
        return tuple(address.partition("/")[0] for address in found if address)

    def macs(self) -> tuple[str, ...]:
        """Of the machine's NICs, in MAAS's order. The first boots."""
        entries = self.config(1)["network"]["config"]
        return tuple(entry["mac_address"] for entry in entries if entry["type"] == "physical")


def segment(neighbour_port: int | None = None) -> Segment:
    """The network of the samples: 10.0.0.0/24 with MAAS on .2, and 2001:db8:0:1::/64."""
    return Segment("10.0.0.0/24", "10.0.0.2", "10.0.0.100", "2001:db8:0:1::/64", "2001:db8:0:1::2", neighbour_port)


# The samples' disks, of sizes that hold what MAAS asks of them.
BOOT_DISK = WholeDisk("64cd98f0a1b2c300", 64 * GIB)


def one_nic(config: dict[str, Any]) -> None:
    """A change: only the first NIC is left."""
    (first, *_) = config["network"]["config"]
    config["network"]["config"] = [first]


def dhcp() -> Order:
    """One NIC with DHCP, one disk with a datastore behind ESXi's own partitions."""
    return Order("dhcp-only", (BOOT_DISK,), change=one_nic)


def everything() -> Order:
    """Bond, VLAN on it, aliases, IPv6, DHCP on a third NIC; a datastore on the boot disk, one across two others."""
    return Order(
        "esxi8-vmfs7-bond-vlan-alias-ipv6",
        (
            WholeDisk("64cd98f0a1b2c300", 100 * GIB),
            WholeDisk("S5Y1NG0N", 100 * GIB),
            WholeDisk("S5Y1NG0P", 200 * GIB),
            WholeDisk("PHLJ1234567890", 20 * GIB),
        ),
    )

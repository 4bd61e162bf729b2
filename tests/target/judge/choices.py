"""What a random host is made of: choices with their settings, the dials of the fake ESXi among them, and how sets of
settings are found in which every pair occurs.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping

from standin.esxi.dials import DIALS

Chosen = Mapping[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]

# The configuration and the host. The first setting is the plain one.
CONFIGURATION: dict[str, tuple[str, ...]] = {
    "release": ("8.0.3", "6.7.0", "7.0.3", "9.0.0"),
    "json": ("compact", "blanks", "compact, texts", "blanks, texts"),
    "carrier": ("nic", "active-backup", "802.3ad", "balance-rr", "vlan", "vlan on active-backup"),
    "addresses": (
        "static4", "dhcp4", "static6", "static4, static6", "dhcp4, static6", "static4, static4", "dhcp4, static4",
        "static4, dhcp6", "static4 in 31",
    ),
    "maas": ("on its network", "behind the gateway", "behind a route"),
    "second": (
        "none", "static4", "static4 with gateway", "static4 with route", "dhcp4", "static6 with gateway",
        "dhcp4, dhcp6", "two addresses", "vlan", "vlan without address", "bond", "static4 on the same network",
    ),
    "third": ("none", "dhcp4", "static4 with gateway", "unused", "vlan twice"),
    "mtu": ("1500", "9000", "9000 below 1500", "1280"),
    "dns": ("none", "for all", "of a subnet", "both"),
    "accept-ra": ("not said", "yes", "no"),
    "datastores": ("none", "boot", "data", "two on a disk", "spanned", "boot and data", "boot spanned"),
    "names": ("plain", "blanks", "other scripts"),
    "extras": (
        "none", "route to an own network", "routes with metrics", "default route as a route", "unused odd bond",
        "unused NIC without driver", "link of a spare NIC down",
    ),
    "found": (
        "fresh", "other switch", "other stack", "earlier network", "static vmk0", "wrong VLAN", "machine on VM Network",
        "larger MTU", "team of VM Network",
    ),
    "booted": ("management", "another"),
}  # fmt: skip

# What the surroundings do. Most hosts have none of it, as one would hide the others.
TROUBLES = (
    "none", "second: no link", "second: no DHCP server", "second: lease without router",
    "management: lease without router", "management: slow DHCP server", "second: slow DHCP server",
    "management: member without link", "management: no link", "management: no DHCP server", "gateway dead",
    "VLAN missing", "no channel", "IPv6 duplicate on second", "IPv6 duplicate on management",
    "booted network without router",
)  # fmt: skip

# What makes a configuration one that ESXi, or this host, cannot have.
SABOTAGES = (
    "none", "bond mode", "bridge", "MTU too large", "MTU over carrier", "address twice", "gateway elsewhere",
    "network address", "no way to MAAS", "other family than MAAS", "no address", "no driver", "VLAN twice", "VLAN 4095",
    "NIC with small MTU", "small datastore", "two on the boot disk", "boot disk as extent", "long name",
    "slash in name", "own name", "no room on the boot disk", "disk missing", "mixed sectors", "4Kn SSD",
)  # fmt: skip
_OFTEN = 0.7  # how many hosts have no trouble, no sabotage, every answer readable
# How much of a host is at its first setting: near a plain one, one thing shows by itself.
_PLAIN = (0.95, 0.85, 0.5, 0.0)

SETTINGS: dict[str, tuple[str, ...]] = {
    **CONFIGURATION,
    **{name: tuple(dial.settings) for name, dial in DIALS.items()},
    "trouble": TROUBLES,
    "sabotage": SABOTAGES,
}
# Choices of which most settings make a deployment fail: two of them are seldom turned at once.
RARE = ("trouble", "sabotage", *[name for name, dial in DIALS.items() if dial.unreadable])


def drawn(rng: random.Random) -> dict[str, str]:
    """Choices at random, from hosts that are almost plain to hosts where everything is odd."""
    plain = rng.choice(_PLAIN)
    chosen = {
        name: settings[0] if rng.random() < plain else rng.choice(settings) for name, settings in SETTINGS.items()
    }
    for name in RARE:
        if rng.random() < _OFTEN:
            chosen[name] = SETTINGS[name][0]
    return chosen


def pairs_of(chosen: Chosen) -> set[Pair]:
    """The pairs of settings that one host shows."""
    return set(itertools.combinations(sorted(chosen.items()), 2))


def every_pair(names: Iterable[str] = SETTINGS) -> set[Pair]:
    """All pairs of settings of different choices."""
    found: set[Pair] = set()
    for one, other in itertools.combinations(sorted(names), 2):
        found |= {((one, a), (other, b)) for a in SETTINGS[one] for b in SETTINGS[other]}
    return found


def covering(rng: random.Random, desired: set[Pair], candidates: int = 30) -> dict[str, str]:
    """Choices that show many of the pairs ``desired``: the best of some that are drawn around one of these each."""
    best: dict[str, str] = {}
    most = -1
    seeds = rng.sample(sorted(desired), min(len(desired), candidates))
    for seed in seeds:
        chosen = drawn(rng)
        chosen.update(seed)
        count = sum(1 for pair in pairs_of(chosen) if pair in desired)
        if count > most:
            best, most = chosen, count
    return best

"""What a random host is made of: choices with their settings, the dials of the fake ESXi among them, and how sets of
settings are found in which every pair occurs.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping

from standin.esxi.dials import DIALS

Chosen = Mapping[str, str]

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
        "larger MTU", "team of VM Network", "uplinks elsewhere",
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
# What happens while the agent works. Rolling back is seen by it alone once all else is right.
ACCIDENTS = (
    "none", "late command fails", "command fails", "power cut", "saved, power cut", "late command fails, power cut",
    "late command fails, saved, power cut", "commands ignored",
)  # fmt: skip
_OFTEN = 0.7  # how many hosts have no trouble, no sabotage, every answer readable
# How much of a host is at its first setting: near a plain one, one thing shows by itself.
_PLAIN = (0.95, 0.85, 0.5, 0.0)

SETTINGS: dict[str, tuple[str, ...]] = {
    **CONFIGURATION,
    **{name: tuple(dial.settings) for name, dial in DIALS.items()},
    "trouble": TROUBLES,
    "sabotage": SABOTAGES,
    "accident": ACCIDENTS,
}
# Choices of which most settings make a deployment fail: two of them are seldom turned at once.
RARE = ("trouble", "sabotage", "accident", *[name for name, dial in DIALS.items() if dial.unreadable])


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


# Each setting of each choice has a number, and each pair of settings one made of two.
_NUMBERS = {pair: number for number, pair in enumerate((name, one) for name in SETTINGS for one in SETTINGS[name])}


def pairs_of(chosen: Chosen) -> set[int]:
    """The pairs of settings that one host shows."""
    numbers = [_NUMBERS[name, chosen[name]] for name in SETTINGS]
    return {one << 16 | other for one, other in itertools.combinations(numbers, 2)}


def every_pair() -> set[int]:
    """All pairs of settings of different choices."""
    found: set[int] = set()
    for one, other in itertools.combinations(SETTINGS, 2):
        found |= {_NUMBERS[one, a] << 16 | _NUMBERS[other, b] for a in SETTINGS[one] for b in SETTINGS[other]}
    return found


def covering(rng: random.Random, count: int, candidates: int = 4) -> Iterator[dict[str, str]]:
    """So many hosts. As long as a pair of settings has not occurred, each is made around one of these, and is the best
    of some candidates; afterwards they are drawn.
    """
    names = {number: pair for pair, number in _NUMBERS.items()}
    desired = every_pair()
    todo = sorted(desired)
    rng.shuffle(todo)
    for _ in range(count):
        while todo and todo[-1] not in desired:
            todo.pop()
        best = drawn(rng)
        for number in todo[-1:] * candidates:
            other = dict(drawn(rng), **dict((names[number >> 16], names[number & 0xFFFF])))
            if not pairs_of(best) & {number} or len(pairs_of(other) & desired) > len(pairs_of(best) & desired):
                best = other
        desired -= pairs_of(best)
        yield best

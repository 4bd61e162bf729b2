"""Versions of VIBs: which one is newer, and which release a platform's pattern means.

A version is ``VERSION-RELEASE`` such as ``1.2.3-4vmw.800.1.0.20613240``. Public material does not give ESXi's own rule
in full; this is the usual one: parts between dots and dashes from the left, numbers by value, letters by the
alphabet, a number above letters, and if all common parts are equal, the longer version is newer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_Key = tuple[tuple[tuple[int, int, str], ...], ...]


@lru_cache(maxsize=4096)
def key(version: str) -> _Key:
    """What versions are sorted by. Any text has one: that of an ISO may come from anybody."""
    return tuple(
        tuple(
            (1, int(part), "") if part[0] in "0123456789" else (0, 0, part)
            for part in re.findall("[0-9]+|[^0-9.]+", half)
        )
        for half in version.split("-")
    )


class Known:
    """Versions, sorted once, so that each constraint is held against all of them at the cost of one comparison."""

    def __init__(self, versions: Iterable[str]) -> None:
        whole = sorted(key(one) for one in versions)
        self._whole = whole, frozenset(whole)
        first = [one[:1] for one in whole]
        self._first = first, frozenset(first)

    def any_fits(self, relation: str, desired: str) -> bool:
        """Whether one is in this relation to the one ``desired``. Without a release part that means any release."""
        ordered, found = self._whole if "-" in desired else self._first
        right = key(desired)
        if not ordered:
            return False
        if "=" in relation and right in found:
            return True
        return (relation[0] == "<" and ordered[0] < right) or (relation[0] == ">" and ordered[-1] > right)


def fits(version: str, relation: str, desired: str) -> bool:
    """The same for one version."""
    return Known([version]).any_fits(relation, desired)


def is_for(pattern: str, release: str) -> bool:
    """Return whether a platform's version ("8.*", "8.0.0", "6.7.*", "": any) means this release ("8.0.3").

    Without ``*``, it means the release of its first two numbers: updates carry the drivers of their first release.
    """
    if not pattern:
        return True
    numbers = pattern.split(".")
    numbers = numbers[: numbers.index("*")] if "*" in numbers else numbers[:2]
    return release.split(".")[: len(numbers)] == numbers

"""Versions of VIBs: which one is newer, and which release a platform's pattern means.

A version is ``VERSION-RELEASE`` such as ``1.2.3-4vmw.800.1.0.20613240``. Public material does not give ESXi's own rule
in full; this is the usual one: parts between dots and dashes from the left, numbers by value, letters by the
alphabet, a number above letters, and if all common parts are equal, the longer version is newer.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_Key = tuple[tuple[tuple[int, int, str], ...], ...]
_COMPARE: dict[str, Callable[[_Key, _Key], bool]] = {
    "<": lambda left, right: left < right,
    "<<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    "=": lambda left, right: left == right,
    "==": lambda left, right: left == right,
    ">=": lambda left, right: left >= right,
    ">": lambda left, right: left > right,
    ">>": lambda left, right: left > right,
}


def key(version: str) -> _Key:
    """Return the sort key of a version."""
    return tuple(
        tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.findall("[0-9]+|[^0-9.]+", half))
        for half in version.split("-")
    )


def fits(version: str, relation: str, desired: str) -> bool:
    """Return whether ``version`` is in this relation to ``desired``; without a release part, any release matches."""
    left, right = key(version), key(desired)
    if "-" not in desired:
        left = left[:1]
    return _COMPARE[relation](left, right)


def is_for(pattern: str, release: str) -> bool:
    """Return whether a platform's version ("8.*", "8.0.0", "6.7.*", "": any) means this release ("8.0.3").

    Without ``*``, it means the release of its first two numbers: updates carry the drivers of their first release.
    """
    if not pattern:
        return True
    numbers = pattern.split(".")
    numbers = numbers[: numbers.index("*")] if "*" in numbers else numbers[:2]
    return release.split(".")[: len(numbers)] == numbers

"""What VIBs are called and what they provide: all that others can depend on or conflict with, indexed by name."""

from __future__ import annotations

from collections.abc import Iterable

from esxforge.addons import versions
from esxforge.addons.descriptor import Constraint, Descriptor

ISO = -1
"""The owner of what the ISO's VIBs offer; a VIB that is added is known by its place in the list."""


class Offers:
    """Names with their versions, by the owner that offers them."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[int, dict[str, None]]] = {}
        self._known: dict[tuple[str, int], versions.Known] = {}
        self._listed: dict[str, list[str]] = {}

    def add(self, owner: int, pairs: Iterable[tuple[str, str]]) -> None:
        """(name, version) of each; a version may be "": it is not known."""
        for name, version in pairs:
            self._versions.setdefault(name, {}).setdefault(owner, {})[version] = None
            self._known.pop((name, owner), None)
            self._listed.pop(name, None)

    def versions_of(self, name: str) -> list[str]:
        """All versions of that name, whoever offers them."""
        if name not in self._listed:
            found = self._versions.get(name, {}).values()
            self._listed[name] = list(dict.fromkeys(one for owned in found for one in owned))
        return self._listed[name]

    def has(self, name: str, owner: int) -> bool:
        """Whether another one than ``owner`` offers that name."""
        return any(other != owner for other in self._versions.get(name, ()))

    def meet(self, constraint: Constraint) -> bool:
        """Whether one of them fits. What is offered without a version fits any."""
        return any(
            "" in found or self._fits(owner, constraint)
            for owner, found in self._versions.get(constraint.name, {}).items()
        )

    def collide(self, constraint: Constraint, owner: int) -> bool:
        """Whether one of another owner than ``owner`` fits. What is offered without a version is not in the way of a
        constraint on versions."""
        others = self._versions.get(constraint.name, {})
        return any(self._fits(other, constraint) for other in others if other != owner)

    def _fits(self, owner: int, constraint: Constraint) -> bool:
        if not constraint.relation:
            return True
        place = constraint.name, owner
        if place not in self._known:
            self._known[place] = versions.Known(filter(None, self._versions[constraint.name][owner]))
        return self._known[place].any_fits(constraint.relation, constraint.version)


def offered_by(one: Descriptor) -> list[tuple[str, str]]:
    """(name, version) of a VIB and of what it provides."""
    return [(one.name, one.version), *((provided.name, provided.version) for provided in one.provides)]

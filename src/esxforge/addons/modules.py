"""Payloads as modules of the boot loader: how each is called, so that no module of the ISO has the same name.

Facts: VMware calls the modules of a VIB by the first eight characters of the payload's name and an extension of the
payload type's letter (v for vgz, t for tgz) and a number, which counts on where the rest is the same (lsi_msgp.v00,
lsi_msgp.v01). Names are 8.3, lower case in a boot bank.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from esxforge.addons.decide import KINDS
from esxforge.addons.vib import CheckedPayload, Vib

_NUMBERS = 100
# VMware's names for the modules that ESXi starts with and updates itself by, and those of esxforge's own.
_RESERVED = ("s", "sb", "esxcore", "esxupdt", "esxforge", "esxfiles")


@dataclass(frozen=True, slots=True)
class Module:
    """A payload and the name that it gets, lower case. ``path`` is that on the boot volume, upper case."""

    name: str
    vib: Vib
    payload: CheckedPayload

    @property
    def path(self) -> str:
        """The file on the boot volume."""
        return self.name.upper()


def name_modules(vibs: Sequence[Vib], taken: Collection[str]) -> list[Module]:
    """A module for each payload, in the order of the VIBs' names. ``taken`` are names in upper case.

    Of one prefix there are at most 100; ESXi's modules never come near. Raises ValueError beyond that, and for names
    that mean something to ESXi or to esxforge.
    """
    used = set(taken)
    modules = []
    for vib in sorted(vibs, key=lambda one: one.descriptor.vib_id):
        for payload in vib.payloads:
            stem = re.sub(r"[^a-z0-9_-]", "_", payload.name.lower())[:8]
            if stem in _RESERVED:
                raise ValueError(f"{vib.name}: its payload {payload.name} has a name that is reserved for ESXi's own")
            names = (f"{stem}.{KINDS[payload.kind]}{number:02}" for number in range(_NUMBERS))
            name = next((one for one in names if one.upper() not in used), None)
            if name is None:
                raise ValueError(f"there are {_NUMBERS} modules {stem}.{KINDS[payload.kind]}NN already")
            used.add(name.upper())
            modules.append(Module(name, vib, payload))
    return modules

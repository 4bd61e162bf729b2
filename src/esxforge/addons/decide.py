"""Which VIBs can be added to an ISO: a pure function, with all reasons against it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from esxforge.addons import versions
from esxforge.addons.descriptor import LEVELS, PRODUCT_LINE, Constraint, Descriptor
from esxforge.addons.offers import ISO, Offers, offered_by
from esxforge.addons.present import BASE, Present
from esxforge.addons.vib import CheckedPayload, Vib
from esxforge_target.contract.added_module import MOST

KINDS = {"tgz": "t", "vgz": "v"}
"""Types of payloads that ESXi unpacks; the letter begins the extension of their modules, as in VMware's names."""
# The agent's module, logs and journal (at most 12 MiB), and room to grow for the state that ESXi saves: a bank of 6.x
# that is full to the last MiB takes no configuration any more.
_OURS_IN_BANK = 24 << 20
# Modules are zipped again on the host, perhaps less well.
_ZIPPED_WORSE = 1.1
# What a VIB depends on to say for which releases it is made; esx-base provides esx-version, with its own version.
_VERSION_OF_ESXI = "esx-version"
_TELLS_RELEASE = (_VERSION_OF_ESXI, "esx-base", "vmkapi_")
_SHOWN, _MOST_REASONS = 5, 20
_REPLACED = (
    "Both would be loaded, and which one ESXi takes is not known. Build from an ISO that has it (a server vendor's, or "
    "one that Image Builder exported), or update it on the running host."
)


@dataclass(frozen=True, slots=True)
class Decision:
    """``added`` are those that the ISO lacks. With ``problems`` nothing may be built; ``warnings`` are sentences."""

    added: tuple[Vib, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def decide(vibs: Sequence[Vib], present: Present, allowed: str) -> Decision:
    """Hold the VIBs against the ISO and each other. ``allowed`` is the lowest acceptance level (one of LEVELS)."""
    unique = list({vib.sha256: vib for vib in vibs}.values())
    same = [vib for vib in unique if present.version_of(vib.descriptor.name) == vib.descriptor.version]
    added = [vib for vib in unique if vib not in same]
    warnings = [f"{vib.name}: the ISO has this version already; it is not added." for vib in same]
    problems: list[str] = []
    if added and not present.vibs:
        warnings.append(
            "The ISO does not say which VIBs it has: whether it has other versions of these is not checked."
        )
    for vib in added:
        own, doubts = _of_one(vib, present, allowed)
        problems += own
        warnings += doubts
    problems += _doubles(added)
    if len(added) > MOST:
        problems.append(f"{len(added)} VIBs are more than the {MOST} that can be added. Choose those that are needed.")
    else:
        related, unchecked = _relations([vib.descriptor for vib in added], present)
        problems += related
        warnings += unchecked
    crowded, tight = _room(added, present)
    return Decision(tuple(added), (*problems, *crowded), (*warnings, *tight))


def effective_level(vib: Vib) -> str:
    """The acceptance level that ESXi could believe: without a signature that is none but community."""
    return vib.descriptor.acceptance_level if vib.signed else "community"


def _of_one(vib: Vib, present: Present, allowed: str) -> tuple[list[str], list[str]]:
    told = vib.descriptor
    problems, warnings = [], []
    if told.kind != "bootbank":
        problems.append(f"{vib.name} is a VIB of type {told.kind}: only those of type bootbank can be added.")
    platforms = [one for one in told.platforms if one.product_line in ("", PRODUCT_LINE)]
    if told.platforms and not any(versions.is_for(one.version, present.release) for one in platforms):
        named = ", ".join(sorted(f"{one.product_line} {one.version}".strip() for one in told.platforms))
        problems.append(f"{vib.name} is for {named}, and the ISO is ESXi {present.release}.")
    elif not told.platforms and not any(one.name.startswith(_TELLS_RELEASE) for one in told.depends):
        warnings.append(f"{vib.name} does not say for which release it is made.")
    if told.hardware:
        warnings.append(f"{vib.name} is for hardware of {', '.join(told.hardware[:5])} only.")
    problems += _level(vib, allowed)
    installed = present.version_of(told.name)
    if told.name == BASE:
        problems.append(f"{vib.name} is ESXi itself, not a driver for it. Build from an ISO of that release.")
    elif installed is not None:
        age = "newer" if versions.key(told.version) > versions.key(installed) else "older"
        problems.append(
            f"{vib.name} is {age} than the ISO's own {told.name} {installed or '(version unknown)'}. {_REPLACED}"
        )
    for one in told.replaces:
        version = present.version_of(one.name)
        if version is not None and one.name != told.name and _meets(one, version):
            problems.append(f"{vib.name} replaces {one.name} {version}, which the ISO has. {_REPLACED}")
    for payload in vib.payloads:
        problems += _payload(vib, payload)
    if not vib.payloads:
        problems.append(f"{vib.name} has no payload: there is nothing that could be added.")
    return problems, warnings


def _level(vib: Vib, allowed: str) -> list[str]:
    level = effective_level(vib)
    if LEVELS.index(level) <= LEVELS.index(allowed):
        return []
    unsigned = (
        ""
        if vib.signed or level == vib.descriptor.acceptance_level
        else (f" (it says {vib.descriptor.acceptance_level}, but carries no signature)")
    )
    excludes = " It excludes Secure Boot and VMware's support." if level == "community" else ""
    text = f"{vib.name} has the acceptance level {level}{unsigned}, and {allowed} is the lowest allowed.{excludes}"
    return [f"{text} To allow it: --acceptance-level {level}, or acceptance_level under [install]."]


def _payload(vib: Vib, payload: CheckedPayload) -> list[str]:
    if payload.kind == "boot":
        return [f"{vib.name}: its payload {payload.name} is of type boot, a part of ESXi's kernel: it cannot be added."]
    if payload.kind not in KINDS:
        return [f"{vib.name}: its payload {payload.name} is of type {payload.kind}, which is unknown here."]
    if not payload.is_tar:
        return [f"{vib.name}: its payload {payload.name} does not unzip to a tar archive, so ESXi cannot load it."]
    return []


def _doubles(added: Sequence[Vib]) -> list[str]:
    by_name: dict[str, list[Vib]] = {}
    for vib in added:
        by_name.setdefault(vib.descriptor.name, []).append(vib)
    return [
        f"{name} is there {len(found)} times: {', '.join(sorted(one.descriptor.version for one in found))}. "
        f"Choose one, as “{name}:VERSION”."
        for name, found in sorted(by_name.items())
        if len(found) > 1
    ]


def _meets(constraint: Constraint, version: str) -> bool:
    return not constraint.relation or versions.fits(version, constraint.relation, constraint.version)


def _relations(added: Sequence[Descriptor], present: Present) -> tuple[list[str], list[str]]:
    """Problems and warnings of what they need, exclude and replace, between each other and with the ISO."""
    offers = Offers()
    offers.add(ISO, ((vib.name, vib.version) for vib in present.vibs))
    base = present.version_of(BASE)
    offers.add(ISO, [(_VERSION_OF_ESXI, base)] if base else [])
    for descriptor in present.descriptors or ():
        offers.add(ISO, offered_by(descriptor))
    for owner, one in enumerate(added):
        offers.add(owner, offered_by(one))
    problems, unchecked = [], []
    for owner, one in enumerate(added):
        missing, unknown = _dependencies(one, offers, present)
        problems += _few(missing, f"{one.name} {one.version} needs")
        unchecked += unknown
        found = [constraint for constraint in one.conflicts if offers.collide(constraint, owner)]
        problems += _conflicts(f"{one.name} {one.version}", found)
        unchecked += [
            f"{one.name} {one.version} conflicts with {constraint}"
            for constraint in one.conflicts
            if not offers.has(constraint.name, owner)
        ]
        problems += _replaced(one, added)
    for installed in present.descriptors or ():
        found = [constraint for constraint in installed.conflicts if offers.collide(constraint, ISO)]
        problems += _conflicts(f"The ISO's {installed.name} {installed.version}", found)
    return list(dict.fromkeys(problems)), _unchecked(unchecked, present)


def _dependencies(one: Descriptor, offers: Offers, present: Present) -> tuple[list[str], list[str]]:
    """Problems, and what nobody can check."""
    problems, unknown = [], []
    for constraint in one.depends:
        if offers.meet(constraint):
            continue
        needs = f"{one.name} {one.version} needs {constraint}"
        there = offers.versions_of(constraint.name)
        if there:
            more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
            problems.append(f"{needs}; there is {', '.join(there[:_SHOWN])}{more}.")
        elif present.descriptors is not None:
            problems.append(f"{needs}, which neither the ISO nor a VIB added has.")
        else:
            unknown.append(needs)
    return problems, unknown


def _replaced(one: Descriptor, added: Sequence[Descriptor]) -> list[str]:
    problems: list[str] = []
    problems += [
        f"{one.name} {one.version} replaces {other.name} {other.version}, and both would be loaded. Leave one out."
        for other in added
        if other.name != one.name
        and any(constraint.name == other.name and _meets(constraint, other.version) for constraint in one.replaces)
    ]
    return problems


def _conflicts(name: str, found: Sequence[Constraint]) -> list[str]:
    problems: list[str] = []
    problems += [f"{name} conflicts with {constraint}." for constraint in found]
    return _few(problems, f"{name} conflicts with")


def _few(sentences: list[str], text: str) -> list[str]:
    if len(sentences) <= _MOST_REASONS:
        return sentences
    return [*sentences[:_MOST_REASONS], f"{text} {len(sentences) - _MOST_REASONS} more."]


def _unchecked(parts: Sequence[str], present: Present) -> list[str]:
    """One warning for all, where the ISO does not say what its VIBs provide and exclude."""
    if present.descriptors is not None or not parts:
        return []
    more = f"; and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    text = f"{'; '.join(parts[:_SHOWN])}{more}"
    return [f"The ISO does not say what its VIBs provide, and what they conflict with. This is not checked: {text}."]


def _room(added: Sequence[Vib], present: Present) -> tuple[list[str], list[str]]:
    size = sum(int(payload.source.length * _ZIPPED_WORSE) for vib in added for payload in vib.payloads)
    needed = present.in_bank + size + _OURS_IN_BANK
    largest, smallest = present.banks
    if not size or needed <= smallest:
        return [], []
    text = (
        f"In a boot bank ESXi takes {present.in_bank >> 20} MiB, what is added about {size >> 20} MiB, and the agent "
        f"with ESXi's saved state {_OURS_IN_BANK >> 20} MiB, together {needed >> 20} MiB; "
    )
    if needed > largest:
        return [f"{text}a bank of ESXi {present.release} has {largest >> 20} MiB."], []
    return [], [f"{text}a bank has {smallest >> 20} MiB on boot disks below 10 GB, and 1 GiB on those below 32 GB."]

"""``descriptor.xml``: what a VIB says of itself.

Facts (public builders of VIBs; the database of an ESXi 7.0 with 84 VIBs, published): ``<vib>`` has type (bootbank,
locker), name, version, vendor, summary, acceptance-level (certified, accepted, partner, community), ``relationships``
with ``depends``, ``conflicts`` and ``replaces``, lists of ``constraint`` with name, and perhaps relation and version,
and ``provides``, a list of ``provide`` with name, and perhaps version; ``system-requires`` with
``maintenance-mode``, ``softwarePlatform`` (productLineID, version with ``*`` at its end) and ``hwplatform``; and
``payloads``: each with name, type (tgz, vgz, boot; VMware's own have others), size, and ``checksum`` of the file and,
with ``verify-process="gunzip"``, of what it unzips to. The metadata of a bundle has the same document with
relative-path, packed-size and a ``checksum`` of the file besides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from esxforge.addons.errors import AGAIN, AddOnError
from esxforge.errors import MediaError
from esxforge.media.xml import parse_xml, text_of
from esxforge_target.runtime.visible import one_line

LEVELS = ("certified", "accepted", "partner", "community")
"""VMware's acceptance levels, the strictest first."""
PRODUCT_LINE = "embeddedEsx"
"""ESXi on servers; others are on network cards (esxio)."""
_WORD = re.compile(r"[A-Za-z0-9._+:~-]{1,128}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_RELATIONS = ("<", "<=", "=", ">=", ">", "<<", ">>", "==")
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Constraint:
    """Another VIB, or something that one provides; ``relation`` and ``version`` are "" where any version will do."""

    name: str
    relation: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.relation} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Platform:
    """A release that a VIB is made for: "embeddedEsx", "8.*". Each may be "": any."""

    product_line: str
    version: str


@dataclass(frozen=True, slots=True)
class Payload:
    """``size`` in bytes (None: not said); ``sha256`` of the file, ``unzipped_sha256`` of its content, "": not said."""

    name: str
    kind: str
    size: int | None
    sha256: str
    unzipped_sha256: str


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One VIB. ``kind`` is "bootbank" or "locker"; ``platforms`` empty: it does not say; ``live_install`` and
    ``maintenance_mode`` are None where it does not say."""

    name: str
    version: str
    vendor: str
    kind: str
    summary: str
    acceptance_level: str
    depends: tuple[Constraint, ...]
    conflicts: tuple[Constraint, ...]
    replaces: tuple[Constraint, ...]
    provides: tuple[Constraint, ...]
    platforms: tuple[Platform, ...]
    hardware: tuple[str, ...]
    maintenance_mode: bool | None
    live_install: bool | None
    payloads: tuple[Payload, ...]

    @property
    def vib_id(self) -> str:
        """VENDOR_KIND_NAME_VERSION, as image profiles have it."""
        return f"{self.vendor}_{self.kind}_{self.name}_{self.version}"


def parse_descriptor(data: bytes, where: str) -> Descriptor:
    """Read a descriptor; ``where`` names it in errors. Raises :class:`AddOnError` with every problem."""
    return descriptor_of(parse(data, where, "vib"), where)


def parse(data: bytes, where: str, root: str) -> Element:
    """XML whose first element is ``root``. Raises :class:`AddOnError`."""
    try:
        element = parse_xml(data, where)
    except MediaError as error:
        raise AddOnError(error.message, AGAIN) from error
    if element.tag != root:
        raise AddOnError(f"{where} is not <{root}> but <{one_line(element.tag)[:40]}>.", AGAIN)
    return element


def descriptor_of(root: Element, where: str) -> Descriptor:
    """The same of a document that is parsed already."""
    problems: list[str] = []
    told = {name: text_of(root.find(name)) for name in ("name", "version", "vendor", "type", "acceptance-level")}
    for name, text in told.items():
        if not text:
            problems.append(f"it has no {name}")
        elif not _WORD.match(text):
            problems.append(f"its {name} is {text[:60]!r}")
    if told["acceptance-level"] and told["acceptance-level"] not in LEVELS:
        problems.append(f"its acceptance-level is none of {', '.join(LEVELS)}")
    if told["type"] not in ("", "bootbank", "locker"):
        problems.append(f"its type {told['type'][:40]!r} is neither bootbank nor locker")
    relations = {
        name: _constraints(root.find(f"relationships/{name}"), problems)
        for name in ("depends", "conflicts", "replaces")
    }
    relations["provides"] = _provides(root.find("relationships/provides"), problems)
    payloads = tuple(_payload(element, problems) for element in root.findall("payloads/payload")[:_MOST])
    names = [payload.name for payload in payloads]
    problems += [f"it has two payloads {name}" for name in sorted({name for name in names if names.count(name) > 1})]
    requires = root.find("system-requires")
    if problems:
        shown = "; ".join(problems[:10]) + (f"; and {len(problems) - 10} more" if len(problems) > 10 else "")
        raise AddOnError(f"{where} cannot be used: {shown}.", AGAIN)
    return Descriptor(
        name=told["name"],
        version=told["version"],
        vendor=told["vendor"],
        kind=told["type"],
        summary=text_of(root.find("summary")),
        acceptance_level=told["acceptance-level"],
        platforms=tuple(
            Platform(one_line(one.get("productLineID", ""))[:64], one_line(one.get("version", ""))[:64])
            for one in _all(requires, "softwarePlatform")
        ),
        hardware=tuple(
            one_line(" ".join(filter(None, (one.get("vendor"), one.get("model")))))[:200]
            for one in _all(requires, "hwplatform")
        ),
        maintenance_mode=_truth(requires.find("maintenance-mode") if requires is not None else None),
        live_install=_truth(root.find("live-install-allowed")),
        payloads=payloads,
        **relations,
    )


def _all(element: Element | None, name: str) -> list[Element]:
    return [] if element is None else element.findall(name)[:_MOST]


def _constraints(element: Element | None, problems: list[str]) -> tuple[Constraint, ...]:
    found = []
    for one in _all(element, "constraint"):
        name, relation, version = (one.get(key, "") for key in ("name", "relation", "version"))
        if not _WORD.match(name) or (version and not _WORD.match(version)) or relation not in ("", *_RELATIONS):
            problems.append(f"a constraint cannot be read: {one_line(f'{name} {relation} {version}')[:100]!r}")
        elif bool(version) != bool(relation):
            problems.append(f"the constraint on {name} has only one of relation and version")
        else:
            found.append(Constraint(name, relation, version))
    return tuple(found)


def _provides(element: Element | None, problems: list[str]) -> tuple[Constraint, ...]:
    found = []
    for one in _all(element, "provide"):
        name, version = one.get("name", ""), one.get("version", "")
        if not _WORD.match(name) or (version and not _WORD.match(version)):
            problems.append(f"what it provides cannot be read: {one_line(f'{name} {version}')[:100]!r}")
        else:
            found.append(Constraint(name, "=" if version else "", version))
    return tuple(found)


def _payload(element: Element, problems: list[str]) -> Payload:
    name, kind, size = (element.get(key, "") for key in ("name", "type", "size"))
    if not _WORD.match(name) or name in (".", ".."):
        problems.append(f"a payload's name is {one_line(name)[:60]!r}")
    if not re.fullmatch("[a-z0-9_]{1,32}", kind):
        problems.append(f"the type of payload {one_line(name)[:60]} is {one_line(kind)[:60]!r}")
    if size and not re.fullmatch("[0-9]{1,12}", size):
        problems.append(f"the size of payload {one_line(name)[:60]} is {one_line(size)[:60]!r}")
        size = ""
    sums: dict[str, str] = {}
    for one in element.findall("checksum"):
        if one.get("checksum-type", "").lower() != "sha-256":
            continue
        process, text = one.get("verify-process", ""), text_of(one).lower()
        if not _SHA256.match(text):
            problems.append(f"a SHA-256 of payload {one_line(name)[:60]} is {text[:80]!r}")
        elif sums.setdefault(process, text) != text:
            problems.append(f"payload {one_line(name)[:60]} has two SHA-256 that differ")
    return Payload(name, kind, int(size) if size else None, sums.get("", ""), sums.get("gunzip", ""))


def _truth(element: Element | None) -> bool | None:
    return {"true": True, "false": False}.get(text_of(element).lower())

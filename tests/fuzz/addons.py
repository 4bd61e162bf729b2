"""Readers of VIBs and bundles. What is changed inside an archive is packed again, to get past the container."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from xml.etree.ElementTree import ParseError, fromstring, tostring

from esxforge.addons.bundle import Bundle
from esxforge.addons.decide import decide
from esxforge.addons.descriptor import LEVELS, parse_descriptor
from esxforge.addons.present import BANKS_FROM_7, Present, PresentVib
from esxforge.addons.source import Source
from esxforge.addons.vib import Vib, read_vib
from esxforge_target.contract.added_module import MOST
from fuzz.mutate import mutate_bytes, mutate_in_place
from fuzz.structured import mutate_xml
from fuzz.target import Target
from standin.vibs import NewPayload, NewVib, bundle, tgz, zipped

_E = "esxforge/addons/"
_MAGIC = b"!<arch>\n"
_DESCRIPTOR = "descriptor.xml"


@cache
def _presents() -> tuple[Present, ...]:
    """What an ISO may have: nothing known, names alone, names with descriptors, and banks that are nearly full."""
    vibs = (PresentVib("esx-base", "8.0.3-0.35.1"), PresentVib("other", "1.0-1"), PresentVib("unknown", ""))
    own = NewVib("other", "1.0-1", conflicts=("net-drv", "b >= 1.0"), provides=("c = 1.0", "a"))
    descriptors = (parse_descriptor(own.descriptor().encode(), "imgdb"),)
    nearly, full = (24 << 20) + 100, (24 << 20) + 50
    return (
        Present("8.0.3", vibs, None, frozenset(("S.V00",)), 1, BANKS_FROM_7),
        Present("8.0.3", vibs, descriptors, frozenset(("S.V00",)), 1, ((24 << 20) + (1 << 20), nearly)),
        Present("7.0.3", (), None, frozenset(), 1, (nearly, full)),
    )


def _source(data: bytes) -> Source:
    return Source("x", Path("x"), 0, len(data), data)


def _decided(vibs: list[Vib]) -> str:
    decisions = [decide(vibs, one, level) for one in _presents() for level in LEVELS]
    return " ".join(text for one in decisions for text in (*one.problems, *one.warnings))


def _vib(data: bytes) -> str:
    """One VIB, or several behind each other, which are decided on together."""
    start, *more = data.split(_MAGIC)
    return _decided([read_vib(_source(_MAGIC + one if number or not start else one))
                     for number, one in enumerate(more if more and not start else [data])])  # fmt: skip


def _bundle(data: bytes) -> str:
    opened = Bundle(_source(data))
    return _decided([opened.read(one) for one in opened.vibs])


_TAR = tgz({"usr/lib/x": b"x" * 100})
_SMALL = NewPayload(data=_TAR)
_CONSTRAINTS = ("a >= 1.0-1", "esx-base", "esx-version > 7.0", "esx-base << 9", "unknown > 1", "c == 1.0", "vmkapi_2")


@cache
def _vib_seeds() -> list[bytes]:
    small = NewVib("p", payloads=(_SMALL,))
    vibs = [
        NewVib(depends=("a >= 1.0-1", "esx-base"), conflicts=("b",), replaces=("c << 2",)),
        NewVib(signature=b"", level="community", payloads=()),
        small.but(depends=_CONSTRAINTS, conflicts=_CONSTRAINTS, replaces=_CONSTRAINTS),
        small.but(provides=("x", "y = 1.0"), platforms=(), depends=("esx-version",)),
        small.but(platforms=("esxio 8.*", "embeddedEsx "), hardware='<hwplatform vendor="V" model="M"/>'),
        small.but(platforms=("embeddedEsx 6.7.0", "x *"), kind="locker", level="certified"),
        small.but(platforms=("embeddedEsx 8.0.0",), depends=("d > 1 ",), provides=("a b",), level="x"),
        NewVib("esx-base", payloads=(_SMALL,)), NewVib("other", "1.0-1", payloads=(_SMALL,)),
        NewVib("other", "0.9-1", payloads=(_SMALL,)), NewVib("other", "2.0-1", payloads=(_SMALL,), kind="x"),
        small.but(depends=[f"n{number}" for number in range(30)], conflicts=["other"] * 30),
        NewVib("unknown", "1", payloads=(NewPayload("b", b"kernel", "boot", {"unzipped": ""}),)),
        *(NewVib(payloads=(NewPayload(data=data, kind=kind, told=told),))
          for data, kind, told in (
              (_TAR, "vgz", {"size": ""}), (_TAR, "tgz", {"size": "x"}), (_TAR, "tgz", {"size": "5"}),
              (_TAR, "vgz", {"sha256": "", "unzipped": ""}), (_TAR, "vgz", {"sha256": "0" * 64}),
              (_TAR, "vgz", {"unzipped": "0" * 64}), (_TAR[:-9], "vgz", {"unzipped": ""}), (b"text", "other_2", {}),
              (_TAR + b"more", "vgz", {}), (gzip.compress(b"text", mtime=0), "tgz", {}), (_TAR, "?", {}))),
    ]  # fmt: skip
    plain = [one.to_bytes() for one in vibs]
    descriptor, signature, payload = (one for _, one in _members(plain[0]))
    table = b"descriptor.xml/\nsig.pkcs7/\n"
    unusual = [
        _archive([("/", b"index"), ("//", table), ("/0", descriptor), ("#1/12", b"sig.pkcs7\0\0\0" + signature),
                  ("netdrv/", payload)]),
        _archive([("#1/999", descriptor)]), _archive([("#1/12", b"x")]), _archive([("/99", descriptor)]),
        _archive([("//", bytes(1 + (1 << 20)))]), _archive([("x", b"")] * 2),
        _archive([(f"m{number}", b"") for number in range(1030)]), _archive([("netdrv", payload)]),
        _archive([(_DESCRIPTOR, descriptor), ("sig.pkcs7", bytes(1 + (1 << 20)))]),
        _archive([(_DESCRIPTOR, descriptor), ("other", b"x"), ("a/b", b"")]),
    ]  # fmt: skip
    together = [b"".join(plain[:3]), b"".join((plain[2], plain[2], plain[4], plain[8])),
                b"".join(NewVib(f"n{number}", payloads=()).to_bytes() for number in range(MOST + 1)),
                b"".join(NewVib("c", f"{number}.0-1", payloads=(), conflicts=("p",), replaces=("p", "net-drv"),
                                depends=("c > 90",)).to_bytes() for number in range(30))]  # fmt: skip
    return [*plain, *unusual, *together]


def _archive(members: list[tuple[str, bytes]]) -> bytes:
    """An ar archive, with the names as they are given."""
    return _MAGIC + b"".join(
        b"%-16.16s%-12d%-6d%-6d%-8o%-10d`\n" % (name.encode(), 0, 0, 0, 0o644, len(data))
        + data
        + b"\n" * (len(data) % 2)
        for name, data in members
    )


def _members(data: bytes) -> list[tuple[str, bytes]]:
    """(name as written, data) of each member, as far as they make sense."""
    found, at = [], len(_MAGIC)
    while at + 60 <= len(data) and data[at + 48 : at + 58].strip(b" ").isdigit():
        size = int(data[at + 48 : at + 58])
        found.append((data[at : at + 16].decode("utf-8", "replace").rstrip(" "), data[at + 60 : at + 60 + size]))
        at += 60 + size + size % 2
    return found


_NAMES = (_DESCRIPTOR, "sig.pkcs7", "netdrv", "other", "/", "//", "/0", "/9", "#1/4", "#1/300", "a/b", "..", "x" * 16)


def _mutate_vib(random: Random, data: bytes) -> bytes:
    """Changes anywhere, or in the descriptor, a payload or the archive's members, packed again. Mostly the descriptor
    then has the right sizes and hashes."""
    kind = random.random()
    if kind < 0.2:
        return mutate_bytes(random, data) if kind < 0.1 else mutate_in_place(random, data)
    start, *vibs = data.split(_MAGIC)
    if start or not vibs:
        return mutate_bytes(random, data)
    at = random.randrange(len(vibs))
    members = _members(_MAGIC + vibs[at])
    if not members or len(data) > 1 << 18:
        return mutate_in_place(random, data)
    place = random.randrange(len(members))
    name, content = members[place]
    if kind < 0.7:
        members = [(one, mutate_xml(random, inner) if one == _DESCRIPTOR else inner) for one, inner in members]
    elif kind < 0.8:
        members[place] = random.choice(_NAMES), content
    elif kind < 0.85:
        members.insert(place, random.choice(members))
    elif kind < 0.9:
        del members[place]
    else:
        members[place] = name, mutate_bytes(random, content)
    if random.random() < 0.6:
        members = _with_right_hashes(members)
    vibs[at] = _archive(members)[len(_MAGIC) :]
    return _MAGIC + _MAGIC.join(vibs)


def _with_right_hashes(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The same, with sizes and hashes of the payloads in the descriptor, where it has some."""
    by_name = dict(members)
    try:
        root = fromstring(by_name.get(_DESCRIPTOR, b""))  # noqa: S314  the fuzzer made it
    except (ParseError, ValueError, LookupError):
        return members
    for payload in root.iter("payload"):
        content = by_name.get(payload.get("name", ""))
        if content is None:
            continue
        unzipped = b""
        with suppress(Exception):
            unzipped = gzip.decompress(content)
        if payload.get("size"):
            payload.set("size", str(len(content)))
        for one in payload.iter("checksum"):
            if one.text and one.get("checksum-type") == "sha-256":
                one.text = hashlib.sha256(unzipped if one.get("verify-process") else content).hexdigest()
    return [(name, tostring(root) if name == _DESCRIPTOR else content) for name, content in members]


_EMPTY_VENDOR = b"<vendor><indexfile/><relativePath/></vendor>"


@cache
def _bundle_seeds() -> list[bytes]:
    vibs = [NewVib(payloads=(_SMALL,)), NewVib("other", payloads=(_SMALL,))]
    two = [bundle(vibs, method=method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
    place = "<relative-path>vib20/net-drv/ACME_bootbank_net-drv_1.2.0-1vmw.800.1.0.1.vib</relative-path>"
    first, one = [vibs[0]], bundle(vibs[:1])
    described = f"vibs/{vibs[0].name}-0.xml"
    index = _unzipped(one)["index.xml"]
    nested: dict[str, bytes | None] = {
        "sub/vendor-index.xml": _unzipped(one)["vendor-index.xml"],
        "sub/metadata.zip": _unzipped(one)["metadata.zip"],
        "index.xml": index.replace(b"<relativePath/>", b"<relativePath>sub</relativePath>"),
    }
    inner = _unzipped(_unzipped(one)["metadata.zip"])
    urls = b"".join(b"<metadata><url>m%d.zip</url></metadata>" % number for number in range(310))
    large = NewVib(payloads=(NewPayload(data=gzip.compress(bytes(1500), 0, mtime=0) + bytes(1_100_000)),))
    twice = bundle(first, files={"aaaa": b"", "bbbb": b""}).replace(b"bbbb", b"aaaa")
    archives: list[dict[str, bytes | None]] = [
        nested, {"index.xml": None}, {"vendor-index.xml": b"<metaList><metadata><url/></metadata></metaList>"},
        {"vendor-index.xml": b"<metaList>" + urls + b"</metaList>"}, {"index.xml": b"<vendorList/>"},
        {"index.xml": b"<vendorList>" + _EMPTY_VENDOR * 101 + b"</vendorList>"}, {"metadata.zip": zipped({})},
        {"index.xml": index.replace(b"<vendorList>", b"<vendorList>" + _EMPTY_VENDOR)}, {"a/": b"", "b/c/d": b""},
        {"index.xml": index.replace(b"<relativePath/>", b"<relativePath>../..</relativePath>")},
        {"index.xml": index.replace(b"<relativePath/>", b"<relativePath>http://x/</relativePath>")}, {"a/../b": b""},
        {"metadata.zip": zipped({**inner, "vibs/again.xml": inner[described].replace(b"ACME", b"Other")})},
        {f"f{number}": b"" for number in range(60)},
    ]  # fmt: skip
    tails = ("", place, f"{place}<packed-size>5</packed-size>", f"{place}<packed-size>x</packed-size>",
             f'{place}<checksum checksum-type="sha-256">{"0" * 64}</checksum>', "<relative-path>/x</relative-path>",
             f'{place}<checksum checksum-type="sha-1">x</checksum>', "<relative-path>x</relative-path>")  # fmt: skip
    return [*two, *(bundle(first, files=files) for files in archives), twice,
            *(bundle(first, tails={vibs[0].name: tail}) for tail in tails), _zip64(two[0], 0), _zip64(two[1], 8),
            _zip64(two[0], 0, entries=99_999), bundle([large], method=zipfile.ZIP_DEFLATED), two[0] + b"x",
            bundle([vibs[0], vibs[0].but(version="1.3", vendor="Other")])]  # fmt: skip


def _zip64(data: bytes, off: int, entries: int | None = None) -> bytes:
    """The same archive with ZIP64's records before its end, of which the locator points ``off`` bytes too far."""
    at = data.rfind(b"PK\5\6")
    count, size, start = struct.unpack_from("<HII", data, at + 10)
    count = entries or count
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at + off, 1)
    return data[:at] + record + locator + data[at:]


def _mutate_bundle(random: Random, data: bytes) -> bytes:
    """Changes anywhere, or in one file, also in one of the metadata; mostly what the metadata say is corrected."""
    kind = random.random()
    if kind < 0.3 or len(data) > 1 << 18:
        return mutate_bytes(random, data) if kind < 0.1 else mutate_in_place(random, data)
    files = _unzipped(data)
    if not files:
        return mutate_bytes(random, data)
    path = random.choice(sorted(files))
    inner = _unzipped(files[path])
    if kind < 0.35:
        del files[path]
    elif inner:
        name = random.choice(sorted(inner))
        change = mutate_xml if name.endswith(".xml") else mutate_bytes
        files[path] = zipped({**inner, name: change(random, inner[name])}, zipfile.ZIP_DEFLATED)
    elif path.endswith(".xml"):
        files[path] = mutate_xml(random, files[path])
    else:
        files[path] = _mutate_vib(random, files[path])
        if random.random() < 0.7:
            files = _with_right_metadata(files)
    method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    made = zipped(files, method)
    return _zip64(made, 0) if random.random() < 0.1 else made


def _with_right_metadata(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same, with the descriptor, size and hash of each VIB in its metadata, where they name its place."""
    changed = dict(files)
    for path, content in files.items():
        inner = _unzipped(content)
        for name in inner:
            try:
                root = fromstring(inner[name])  # noqa: S314  the fuzzer made it
                place = root.findtext("relative-path") or ""
                vib = files[place]
                own = fromstring(dict(_members(vib))[_DESCRIPTOR])  # noqa: S314
            except (ParseError, ValueError, LookupError):
                continue
            own.extend(one for one in root if one.tag in ("relative-path", "packed-size", "checksum"))
            for one in own:
                if one.tag == "packed-size":
                    one.text = str(len(vib))
                elif one.tag == "checksum":
                    one.text = hashlib.sha256(vib).hexdigest()
            inner[name] = tostring(own)
        if inner:
            changed[path] = zipped(inner, zipfile.ZIP_DEFLATED)
    return changed


def _unzipped(data: bytes) -> dict[str, bytes]:
    """The files of a ZIP archive that is whole and small; else none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > 50 or sum(entry.file_size for entry in entries) > 1 << 20:
                return {}
            return {entry.filename: archive.read(entry) for entry in entries}
    except Exception:
        return {}


def small_add_ons() -> list[bytes]:
    """A VIB and a bundle, for readers that take other files besides."""
    return [_vib_seeds()[2], _bundle_seeds()[2]]


TARGETS = (
    Target("vib", _vib, _vib_seeds, _mutate_vib,
           (_E + "ar.py", _E + "descriptor.py", _E + "vib.py", _E + "decide.py", _E + "offers.py",
            _E + "versions.py"), "vib"),
    Target("bundle", _bundle, _bundle_seeds, _mutate_bundle, (_E + "archive.py", _E + "bundle.py"), "zip"),
)  # fmt: skip

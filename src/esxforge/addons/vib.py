"""A VIB, read and checked: its descriptor, its signature, and each payload compared with its hashes.

Facts: an ar archive with ``descriptor.xml``, ``sig.pkcs7`` (empty: unsigned) and then one member for each payload,
named as in the descriptor.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from esxforge.addons.ar import read_members
from esxforge.addons.descriptor import Descriptor, Payload, parse_descriptor
from esxforge.addons.errors import AGAIN, AddOnError
from esxforge.addons.source import Source
from esxforge.media.xml import MAX_XML_BYTES

DESCRIPTOR, SIGNATURE = "descriptor.xml", "sig.pkcs7"
LARGEST_PAYLOAD = 2 << 30
"""Bytes, unzipped too. A payload lies in the host's memory."""
_LARGEST_SIGNATURE = 1 << 20
_CHUNK = 1 << 20
_MAGIC_OFFSET = 257
_ZIPPED = ("tgz", "vgz")
# A tar of POSIX and GNU; ESXi's own variant, which vmtar makes (public readers of it: magic at byte 257, as in tar).
_TARS = (b"ustar", b"visor ")


@dataclass(frozen=True, slots=True)
class CheckedPayload:
    """A payload whose bytes match the descriptor. ``unzipped_size`` in bytes; ``is_tar``: a tar, or VMware's
    variant of one; the hashes are the computed ones."""

    name: str
    kind: str
    source: Source
    sha256: str
    unzipped_sha256: str
    unzipped_size: int
    is_tar: bool


@dataclass(frozen=True, slots=True)
class Vib:
    """``signed``: it carries a signature, which esxforge cannot verify. ``sha256`` of the entire file."""

    descriptor: Descriptor
    source: Source
    sha256: str
    signed: bool
    payloads: tuple[CheckedPayload, ...]

    @property
    def name(self) -> str:
        """Name and version, for messages."""
        return f"{self.descriptor.name} {self.descriptor.version}"


def read_vib(source: Source) -> Vib:
    """Read a VIB to its last byte. Raises :class:`AddOnError` if it is not a VIB, is damaged, or has wrong hashes."""
    members = read_members(source)
    if DESCRIPTOR not in members:
        raise AddOnError(f"{source.name} is not a VIB: it has no {DESCRIPTOR}.", "Name a .vib file.")
    descriptor = parse_descriptor(_small(members[DESCRIPTOR], MAX_XML_BYTES), f"{source.name}: {DESCRIPTOR}")
    signature = _small(members[SIGNATURE], _LARGEST_SIGNATURE) if SIGNATURE in members else b""
    problems = [
        f"the member {name} is not listed in its descriptor"
        for name in members
        if name not in (DESCRIPTOR, SIGNATURE) and name not in [one.name for one in descriptor.payloads]
    ]
    payloads = []
    for payload in descriptor.payloads:
        member = members.get(payload.name)
        if member is None:
            problems.append(f"the payload {payload.name} is missing")
            continue
        checked, wrong = _check(payload, member)
        problems += wrong
        payloads.append(checked)
    if problems:
        raise AddOnError(f"{source.name} is damaged: {'; '.join(problems[:10])}.", AGAIN)
    return Vib(descriptor, source, _sha256(source), bool(signature.strip()), tuple(payloads))


def _small(source: Source, most: int) -> bytes:
    if source.length > most:
        raise AddOnError(f"{source.name} has {source.length} bytes, more than such a file ever has.", AGAIN)
    return source.read()


def _sha256(source: Source) -> str:
    digest = hashlib.sha256()
    for chunk in source.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _check(payload: Payload, member: Source) -> tuple[CheckedPayload, list[str]]:
    """Return the payload, and a part of a sentence for each mismatch with the descriptor."""
    problems = []
    stored, unzipped, unzip = hashlib.sha256(), hashlib.sha256(), _Unzip()
    for chunk in member.chunks():
        stored.update(chunk)
        for piece in unzip.feed(chunk):
            unzipped.update(piece)
    if payload.size is not None and payload.size != member.length:
        problems.append(f"payload {payload.name} has {member.length} bytes, and its descriptor says {payload.size}")
    if not payload.sha256 and not payload.unzipped_sha256:
        problems.append(f"payload {payload.name} has no SHA-256 in the descriptor")
    if payload.sha256 not in ("", stored.hexdigest()):
        problems.append(f"payload {payload.name} has another SHA-256 than its descriptor says")
    elif payload.kind not in _ZIPPED and not payload.unzipped_sha256:
        unzipped, unzip.size = stored, member.length  # such as texts and boot loaders in ESXi's own VIBs
    elif unzip.finish():
        problems.append(f"payload {payload.name} {unzip.finish()}")
    elif payload.unzipped_sha256 not in ("", unzipped.hexdigest()):
        problems.append(f"payload {payload.name}, unzipped, has another SHA-256 than its descriptor says")
    checked = CheckedPayload(
        payload.name, payload.kind, member, stored.hexdigest(), unzipped.hexdigest(), unzip.size, unzip.is_tar
    )
    return checked, problems


class _Unzip:
    """Unzip a stream of one gzip member, up to ``LARGEST_PAYLOAD``; stops once ``problem`` is set."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._problem = ""
        self._head = b""
        self.size = 0

    @property
    def is_tar(self) -> bool:
        """Return whether the content starts as a tar does."""
        return self._head[_MAGIC_OFFSET:].startswith(_TARS)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return the unzipped ``data``, in pieces of at most one MiB."""
        while data and not self._problem:
            if self._inflate.eof:
                self._problem = "goes on after the end of its gzip member"
                break
            try:
                piece = self._inflate.decompress(data, _CHUNK)
            except zlib.error:
                self._problem = "is not a gzip file, or damaged"
                break
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
            self.size += len(piece)
            self._head += piece[: max(0, 512 - len(self._head))]
            if self.size > LARGEST_PAYLOAD:
                self._problem = f"unzips to more than {LARGEST_PAYLOAD >> 30} GiB"
            yield piece

    def finish(self) -> str:
        """Return the problem, as the end of a sentence, or ""."""
        return self._problem or ("" if self._inflate.eof else "ends before its gzip member does")

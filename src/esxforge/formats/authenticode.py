"""Authenticode: who signed an EFI program, and the hash of it that firmware compares with its databases.

Sources: Microsoft's "PE Format" (headers, attribute certificate table) and "Windows Authenticode Portable Executable
Signature Format" (what is hashed, SpcIndirectDataContent); RFC 2315, 9 (SignedData). No signature is verified here:
that the hash in it is the program's is checked, and so that it belongs to this program.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from esxforge.errors import FormatError
from esxforge_target.formats.der import (
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    Element,
    Fields,
    context,
    read_element,
)
from esxforge_target.formats.x509 import Certificate, parse_certificate

_PE_OFFSET = 0x3C
_COFF = struct.Struct("<4sHHIIIHH")
# By the optional header's magic: where it keeps the number of data directories, and the directories themselves.
_DIRECTORIES = {0x10B: (92, 96), 0x20B: (108, 112)}
_SIZE_OF_HEADERS, _CHECKSUM = 60, 64
_SECURITY = 4
_SECTION_BYTES = 40
_MOST_SECTIONS = 96
_CERTIFICATE = struct.Struct("<IHH")
_PKCS_SIGNED_DATA = 0x0002
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_INDIRECT_DATA = bytes.fromhex("2b060104018237020104")
_ALGORITHMS = {
    bytes.fromhex("2b0e03021a"): "sha1",
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
_WHAT = "Its signature"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Places in the file, in bytes. ``table`` (offset, length) is the attribute certificate table."""

    checksum: int
    directory: int
    headers: int
    sections: tuple[tuple[int, int], ...]
    table: tuple[int, int]


def authenticode_hash(program: bytes, algorithm: str) -> bytes:
    """The hash of a PE file without checksum and signatures, by hashlib's name of the algorithm. Raises FormatError."""
    return _hash(program, _layout(program), algorithm)


@dataclass(frozen=True, slots=True)
class ProgramSignature:
    """``certificates`` are those in it, the signer's first; it covers a program's ``digest`` by ``algorithm``."""

    certificates: tuple[Certificate, ...]
    algorithm: str
    digest: bytes

    @property
    def signer(self) -> Certificate:
        """The certificate of whoever made it."""
        return self.certificates[0]


def signatures(program: bytes) -> tuple[ProgramSignature, ...]:
    """The signatures in the file's order; none for an unsigned program.

    Raises FormatError for what is not a PE file, for signatures that cannot be read, and for one that is not for this
    program.
    """
    layout = _layout(program)
    found = [parse_signature(data) for data in _signatures(program, layout)]
    if any(_hash(program, layout, one.algorithm) != one.digest for one in found):
        raise FormatError(f"{_WHAT} is not for this program: the hash differs.")
    return tuple(found)


def parse_signature(data: bytes) -> ProgramSignature:
    """Read SignedData of Authenticode; zeros may follow it. Raises FormatError."""
    fields = Fields(read_element(data, SEQUENCE, _WHAT, padded=True), _WHAT)
    if fields.take(OID).content != _SIGNED_DATA:
        raise FormatError(f"{_WHAT} is not SignedData.")
    fields = Fields(_inside(fields.take(context(0))), _WHAT)
    fields.take(INTEGER)
    fields.take(SET)
    algorithm, digest = _content(fields.take(SEQUENCE))
    if not fields.has(context(0)):
        raise FormatError(f"{_WHAT} holds no certificate.")
    certificates = [parse_certificate(element.whole) for element in fields.take(context(0)).children()]
    fields.skip(context(1))
    signer = _signer(certificates, fields.take(SET))
    return ProgramSignature((signer, *(one for one in certificates if one != signer)), algorithm, digest)


def _layout(program: bytes) -> _Layout:
    try:
        return _parse(program)
    except struct.error:
        raise FormatError("It is not an EFI program: its headers are cut short.") from None


def _parse(program: bytes) -> _Layout:
    (at,) = struct.unpack_from("<I", program, _PE_OFFSET)
    mark, _, count, _, _, _, optional_size, _ = _COFF.unpack_from(program, at)
    optional = at + _COFF.size
    (magic,) = struct.unpack_from("<H", program, optional)
    if program[:2] != b"MZ" or mark != b"PE\0\0" or magic not in _DIRECTORIES or count > _MOST_SECTIONS:
        raise FormatError("It is not an EFI program: it has no PE header.")
    number_at, directories = _DIRECTORIES[magic]
    (number,) = struct.unpack_from("<I", program, optional + number_at)
    (headers,) = struct.unpack_from("<I", program, optional + _SIZE_OF_HEADERS)
    directory = optional + directories + 8 * _SECURITY
    if number <= _SECURITY:
        raise FormatError("It has no place for a signature.")
    table_at, table_length = struct.unpack_from("<II", program, directory)
    sections = []
    for index in range(count):
        raw_size, raw_at = struct.unpack_from("<II", program, optional + optional_size + index * _SECTION_BYTES + 16)
        if raw_size:
            sections.append((raw_at, raw_size))
    end = table_at if table_length else len(program)
    if (
        directory + 8 > headers
        or headers > len(program)
        or any(raw_at + raw_size > len(program) for raw_at, raw_size in sections)
        or end + table_length > len(program)
    ):
        raise FormatError("It is not an EFI program: its headers name places outside it.")
    return _Layout(optional + _CHECKSUM, directory, headers, tuple(sorted(sections)), (table_at, table_length))


def _hash(program: bytes, layout: _Layout, algorithm: str) -> bytes:
    """As Authenticode says: headers, sections in the file's order, then what stands behind them."""
    digest = hashlib.new(algorithm)
    digest.update(program[: layout.checksum])
    digest.update(program[layout.checksum + 4 : layout.directory])
    digest.update(program[layout.directory + 8 : layout.headers])
    hashed = layout.headers
    for offset, length in layout.sections:
        digest.update(program[offset : offset + length])
        hashed += length
    digest.update(program[hashed : len(program) - layout.table[1]])
    return digest.digest()


def _signatures(program: bytes, layout: _Layout) -> Iterator[bytes]:
    offset, left = layout.table
    while left >= _CERTIFICATE.size:
        length, _, kind = _CERTIFICATE.unpack_from(program, offset)
        if not _CERTIFICATE.size < length <= left:
            raise FormatError(f"{_WHAT} has a length that cannot be.")
        if kind == _PKCS_SIGNED_DATA:
            yield program[offset + _CERTIFICATE.size : offset + length]
        step = length + -length % 8
        offset, left = offset + step, left - step


def _content(content: Element) -> tuple[str, bytes]:
    """(algorithm, hash) of the program that SpcIndirectDataContent is for."""
    fields = Fields(content, _WHAT)
    if fields.take(OID).content != _INDIRECT_DATA:
        raise FormatError(f"{_WHAT} is not one of a program.")
    fields = Fields(_inside(fields.take(context(0))), _WHAT)
    fields.take(SEQUENCE)
    fields = Fields(fields.take(SEQUENCE), _WHAT)
    algorithm = _ALGORITHMS.get(Fields(fields.take(SEQUENCE), _WHAT).take(OID).content)
    if algorithm is None:
        raise FormatError(f"{_WHAT} uses a hash algorithm that is not known here.")
    return algorithm, fields.take(OCTET_STRING).content


def _signer(certificates: Sequence[Certificate], infos: Element) -> Certificate:
    made = infos.children()
    if len(made) != 1:
        raise FormatError(f"{_WHAT} has {len(made)} signers, not one.")
    fields = Fields(made[0], _WHAT)
    fields.take(INTEGER)
    name = Fields(fields.take(SEQUENCE), _WHAT)
    issuer, serial = name.take(SEQUENCE).whole, name.take(INTEGER).content
    for certificate in certificates:
        if (certificate.issuer, certificate.serial) == (issuer, serial):
            return certificate
    raise FormatError(f"{_WHAT} does not hold its signer's certificate.")


def _inside(explicit: Element) -> Element:
    """The SEQUENCE in an explicit tag."""
    return Fields(explicit, _WHAT).take(SEQUENCE)

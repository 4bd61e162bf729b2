"""Targets: what firmware and signers write; certificates, signature lists, signed programs."""

from __future__ import annotations

import struct
from contextlib import suppress
from random import Random

from esxforge.formats.authenticode import authenticode_hash, parse_signature, signatures
from esxforge.standin_iso.efi_program import build_efi_program
from esxforge_target.formats.efi_signatures import HASHES, X509, parse_signature_lists
from esxforge_target.formats.x509 import name_text, parse_certificate
from esxforge_target.runtime.errors import FormatError
from fuzz.mutate import mutate_bytes, mutate_in_place
from fuzz.structured import mutate_der
from fuzz.target import DATA, Target, read_all

_SAMPLES = DATA / "secure-boot"


_CERTIFICATE = struct.Struct("<IHH")
_REVISION, _PKCS, _X509_KIND = 0x200, 2, 1
# Of PE32 and PE32+: where the optional header has the number of data directories, and the fifth of them.
_DIRECTORIES = {0x10B: (92, 128), 0x20B: (108, 144)}


def _databases() -> list[bytes]:
    return [path.read_bytes() for path in sorted(_SAMPLES.glob("*.esl"))]


def _database_seeds() -> list[bytes]:
    return [*_databases(), b"".join(_databases()), b"", bytes(1 + (1 << 20))]


def _certificates() -> list[bytes]:
    return [one.data for data in _databases() for one in parse_signature_lists(data) if one.kind == X509]


def _certificate_seeds() -> list[bytes]:
    embedded = [one.whole for data in _signatures() for one in parse_signature(data).certificates]
    return [*_certificates(), *embedded, _certificates()[0] + bytes(64 << 10)]


def _signatures() -> list[bytes]:
    return [path.read_bytes() for path in sorted(_SAMPLES.glob("*.p7"))]


def _program_seeds() -> list[bytes]:
    """Programs without, with one and with two signatures, of which the hash is right or not, and a PE32."""
    program = build_efi_program()
    first, second = _signatures()
    seeds = [program]
    for entries in ([(_PKCS, first)], [(_X509_KIND, b"x"), (_PKCS, second), (_PKCS, first)]):
        signed = _with_signatures(program, entries)
        seeds += [signed, _with_right_hash(signed)]
    short = bytearray(program)
    optional = _optional(program)
    struct.pack_into("<H", short, optional, 0x10B)
    struct.pack_into("<I", short, optional + 92, 16)
    return [*seeds, bytes(short), program[:200]]


def _optional(program: bytes) -> int:
    """Where the optional header begins."""
    return int.from_bytes(program[0x3C:0x40], "little") + 24


def _directory(program: bytes) -> int:
    """Where the place and the length of the signatures stand; 0 in what is no program."""
    optional = _optional(program)
    _, directory = _DIRECTORIES.get(int.from_bytes(program[optional : optional + 2], "little"), (0, 0))
    return optional + directory if directory and optional + directory + 8 <= len(program) else 0


def _with_signatures(program: bytes, entries: list[tuple[int, bytes]]) -> bytes:
    """A program that has none yet, with these (kind, content) behind it."""
    directory = _directory(program)
    table = b""
    for kind, content in entries:
        table += _CERTIFICATE.pack(_CERTIFICATE.size + len(content), _REVISION, kind) + content
        table += bytes(-len(table) % 8)
    if not directory:
        return program + table
    changed = bytearray(program)
    struct.pack_into("<II", changed, directory, len(program), len(table))
    return bytes(changed) + table


def _entries(data: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """(the program without its signatures, (kind, content) of each)."""
    directory = _directory(data)
    at, length = struct.unpack_from("<II", data, directory) if directory else (0, 0)
    if not length or at + length > len(data):
        return data, []
    found = []
    place = at
    while place + _CERTIFICATE.size <= at + length:
        size, _, kind = _CERTIFICATE.unpack_from(data, place)
        if size < _CERTIFICATE.size:
            break
        found.append((kind, data[place + _CERTIFICATE.size : place + size]))
        place += size + -size % 8
    return data[:at], found


def _with_right_hash(data: bytes) -> bytes:
    """The same, with the program's hash in each signature."""
    program, entries = _entries(data)
    right = []
    for kind, content in entries:
        changed = content
        with suppress(FormatError):
            found = parse_signature(content)
            digest = authenticode_hash(data, found.algorithm)
            if found.digest and len(digest) == len(found.digest):
                changed = content.replace(found.digest, digest)
        right.append((kind, changed))
    return _with_signatures(program, right) if entries else data


def _mutate_program(random: Random, data: bytes) -> bytes:
    """Headers, or a signature with the lengths before it; mostly the hash in the signatures is corrected."""
    program, entries = _entries(data)
    if entries and random.random() < 0.4:
        at = random.randrange(len(entries))
        kind, content = entries[at]
        entries[at] = kind, mutate_der(random, content)
        data = _with_signatures(program, entries)
    else:
        reach = random.choice((512, len(program), len(data)))
        data = mutate_in_place(random, data[:reach]) + data[reach:]
        if random.random() < 0.1:
            data = mutate_bytes(random, data)
    return _with_right_hash(data) if random.random() < 0.7 else data


def _certificate(data: bytes) -> None:
    found = parse_certificate(data)
    assert found.issued(found) == (found.subject == found.issuer and found.key_id == found.authority_key_id != b"")
    name_text(found.subject)


def _database(data: bytes) -> None:
    for one in parse_signature_lists(data):
        assert one.data
        assert one.kind not in HASHES or one.data in data


def _program(data: bytes) -> None:
    read_all(lambda: signatures(data), lambda: authenticode_hash(data, "sha256"))


def _signature(data: bytes) -> None:
    parse_signature(data)


_T, _E = "esxforge_target/", "esxforge/"
TARGETS = (
    Target("efi-signatures", _database, _database_seeds, mutate_bytes, (_T + "formats/efi_signatures.py",)),
    Target("x509", _certificate, _certificate_seeds, mutate_der, (_T + "formats/x509.py", _T + "formats/der.py")),
    # What is around a signature in a program is read by efi-program alone, which reads both.
    Target("signed-data", _signature, _signatures, mutate_der,
           (_E + "formats/authenticode.py:parse_signature,_content,_signer,_inside",)),
    Target("efi-program", _program, _program_seeds, _mutate_program, (_E + "formats/authenticode.py",)),
)  # fmt: skip

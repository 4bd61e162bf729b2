"""Targets: what firmware and signers write; certificates, signature lists, signed programs."""

from __future__ import annotations

from esxforge.formats.authenticode import authenticode_hash, parse_signature, signatures
from esxforge.standin_iso.efi_program import build_efi_program
from esxforge_target.formats.efi_signatures import HASHES, X509, parse_signature_lists
from esxforge_target.formats.x509 import name_text, parse_certificate
from fuzz.mutate import mutate_bytes, mutate_in_place
from fuzz.target import DATA, Target, read_all

_SAMPLES = DATA / "secure-boot"


def _databases() -> list[bytes]:
    return [path.read_bytes() for path in sorted(_SAMPLES.glob("*.esl"))]


def _certificates() -> list[bytes]:
    return [one.data for data in _databases() for one in parse_signature_lists(data) if one.kind == X509]


def _signatures() -> list[bytes]:
    return [path.read_bytes() for path in sorted(_SAMPLES.glob("*.p7"))]


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
    Target("efi-signatures", _database, _databases, mutate_bytes, (_T + "formats/efi_signatures.py",)),
    Target("x509", _certificate, _certificates, mutate_bytes, (_T + "formats/x509.py", _T + "formats/der.py")),
    Target("signed-data", _signature, _signatures, mutate_bytes, (_E + "formats/authenticode.py",)),
    Target("efi-program", _program, lambda: [build_efi_program()], mutate_in_place,
           (_E + "formats/authenticode.py",)),
)  # fmt: skip

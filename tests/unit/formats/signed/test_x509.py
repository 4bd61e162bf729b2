"""Certificates, as the library cryptography reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge_target.formats.der import SEQUENCE, read_element
from esxforge_target.formats.efi_signatures import X509, parse_signature_lists
from esxforge_target.formats.x509 import Certificate, name_text, parse_certificate
from esxforge_target.runtime.errors import FormatError
from standin.signing import make_key

DATA = Path(__file__).parents[3] / "data/secure-boot"
MICROSOFTS = [one.data for one in parse_signature_lists((DATA / "ovmf-ms-db.esl").read_bytes()) if one.kind == X509]


def check(data: bytes) -> Certificate:
    found, judge = parse_certificate(data), x509.load_der_x509_certificate(data)
    extensions = judge.extensions
    key_id = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert found.subject == judge.subject.public_bytes()
    assert found.issuer == judge.issuer.public_bytes()
    assert (found.key_id, found.authority_key_id) == (key_id, authority)
    assert found.signed == judge.tbs_certificate_bytes
    assert int.from_bytes(found.serial, "big") == judge.serial_number
    return found


@pytest.mark.parametrize("data", MICROSOFTS)
def test_microsofts_certificates_are_read_as_cryptography_reads_them(data: bytes) -> None:
    assert name_text(check(data).subject) in (
        "Microsoft Windows Production PCA 2011",
        "Microsoft Corporation UEFI CA 2011",
    )


def test_an_issuer_is_known_by_name_and_key_identifier(tmp_path: Path) -> None:
    authority = make_key(tmp_path, "authority")
    leaf = check(make_key(tmp_path, "leaf", authority).der)
    issuer = check(authority.der)
    assert issuer.issued(leaf)
    assert not leaf.issued(issuer)
    assert not issuer.replace(key_id=b"other").issued(leaf)
    assert not issuer.replace(subject=leaf.subject).issued(leaf)
    assert not issuer.replace(key_id=b"").issued(leaf.replace(authority_key_id=b""))


@settings(deadline=None)
@given(at=st.integers(0, len(MICROSOFTS[0]) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_certificate_is_read_or_refused(at: int, byte: int, cut: bool) -> None:
    data = MICROSOFTS[0][:at] if cut else MICROSOFTS[0][:at] + bytes([byte]) + MICROSOFTS[0][at + 1 :]
    try:
        name_text(parse_certificate(data).subject)
    except FormatError:
        return
    assert not cut


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_an_element_or_refused(data: bytes) -> None:
    try:
        element = read_element(data, SEQUENCE, "It")
        assert element.whole == data
        assert b"".join(one.whole for one in element.children()) == element.content
    except FormatError:
        pass


@pytest.mark.parametrize(
    "data",
    [b"", b"\x30", b"\x30\x80\x00\x00", b"\x30\x81\x7f" + bytes(127), b"\x30\x82\x00\x80" + bytes(128), b"\x30\x01",
     b"\x30\x00\x00", b"\x30\x85\x00\x00\x00\x00\x01\x00", b"\x1f\x81\x01\x00", b"\x31\x00"],
)  # fmt: skip
def test_what_is_not_der_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_element(data, SEQUENCE, "It")


def test_a_name_without_common_name_is_called_by_its_organisation(tmp_path: Path) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "SnakeOil")])
    assert name_text(name.public_bytes()) == "SnakeOil"
    country = x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "US")]).public_bytes()
    assert name_text(country) == country.hex()


def test_pem_and_der_are_the_same_certificate(tmp_path: Path) -> None:
    key = make_key(tmp_path, "one")
    assert x509.load_der_x509_certificate(key.der).public_bytes(Encoding.PEM) == key.certificate.read_bytes()

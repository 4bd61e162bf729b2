"""Authenticode: signatures that sbsign and Microsoft made, and what is not one."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.errors import FormatError
from esxforge.formats.authenticode import authenticode_hash, parse_signature, signatures
from esxforge.standin_iso.efi_program import build_efi_program
from esxforge_target.formats.x509 import name_text
from standin.signing import make_key, run, signed_program

DATA = Path(__file__).parents[3] / "data/secure-boot"
SHIM = "80a66d53a945d2286fcadd780fae1c225aa732079cd67b5225dc78aaab4e2ff8"


@pytest.mark.parametrize(("year", "issuer"), [("2011", "Microsoft Corporation UEFI CA 2011"),
                                              ("2023", "Microsoft UEFI CA 2023")])  # fmt: skip
def test_microsofts_signatures_name_their_issuer(year: str, issuer: str) -> None:
    found = parse_signature((DATA / f"shim-16.1-microsoft-{year}.p7").read_bytes())
    assert name_text(found.signer.issuer) == issuer
    assert found.signer.authority_key_id
    assert (found.algorithm, found.digest.hex()) == ("sha256", SHIM)


def test_sbsigns_hash_is_ours_and_the_signer_is_found(tmp_path: Path) -> None:
    authority = make_key(tmp_path, "authority")
    first, second = make_key(tmp_path, "first", authority), make_key(tmp_path, "second")
    program = signed_program(tmp_path, first, second)
    found = signatures(program)  # compares the hash that sbsign put into the signature with ours
    assert [one.signer.whole for one in found] == [first.der, second.der]
    assert name_text(found[0].signer.issuer) == "authority"
    assert authenticode_hash(program, "sha256") == authenticode_hash(build_efi_program(), "sha256")
    (tmp_path / "signed.efi").write_bytes(program)
    assert "OK" in run("sbverify", "--cert", str(second.certificate), str(tmp_path / "signed.efi"))


def test_an_unsigned_program_has_no_signer() -> None:
    assert signatures(build_efi_program()) == ()


def test_a_signature_of_another_program_is_refused(tmp_path: Path) -> None:
    program = bytearray(signed_program(tmp_path, make_key(tmp_path, "key")))
    changed = len(build_efi_program()) - 1
    program[changed] ^= 1
    with pytest.raises(FormatError, match="not for this program"):
        signatures(bytes(program))


def test_the_checksum_is_not_hashed() -> None:
    program = bytearray(build_efi_program())
    before = authenticode_hash(bytes(program), "sha256")
    at = int.from_bytes(program[0x3C:0x40], "little") + 24 + 64
    program[at : at + 4] = b"\xaa\xbb\xcc\xdd"
    assert authenticode_hash(bytes(program), "sha256") == before
    program[at + 4] ^= 1
    assert authenticode_hash(bytes(program), "sha256") != before


@pytest.mark.parametrize("data", [b"", b"MZ", b"MZ" + bytes(200), hashlib.sha256(b"").digest() * 100])
def test_what_is_not_a_program_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="not an EFI program"):
        signatures(data)


@settings(deadline=None)
@given(at=st.integers(0, 9783), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_signature_is_read_or_refused(at: int, byte: int, cut: bool) -> None:
    data = (DATA / "shim-16.1-microsoft-2011.p7").read_bytes()
    data = data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :]
    with contextlib.suppress(FormatError):
        parse_signature(data)


@settings(deadline=None)
@given(at=st.integers(0, 1023), byte=st.integers(0, 255))
def test_a_damaged_program_is_read_or_refused(at: int, byte: int) -> None:
    program = bytearray(build_efi_program())
    program[at % len(program)] = byte
    try:
        signatures(bytes(program))
        authenticode_hash(bytes(program), "sha1")
    except FormatError:
        pass

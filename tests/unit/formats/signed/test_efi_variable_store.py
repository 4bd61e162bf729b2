"""The variables in OVMF's flash images: Debian's, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.errors import FormatError
from esxforge.formats.efi_variable_store import read_variable
from esxforge.selftest.file_host import GLOBAL_VARIABLE, IMAGE_SECURITY
from esxforge_target.formats.efi_signatures import X509, parse_signature_lists
from standin.signing import SNAKEOIL, SigningKey

DIRECTORY = Path("/usr/share/OVMF")
SAMPLES = Path(__file__).parents[3] / "data/secure-boot"
STORE = (DIRECTORY / "OVMF_VARS_4M.snakeoil.fd").read_bytes()


def test_the_snakeoil_key_is_in_db() -> None:
    store = (DIRECTORY / "OVMF_VARS_4M.snakeoil.fd").read_bytes()
    db = parse_signature_lists(read_variable(store, IMAGE_SECURITY, "db") or b"")
    assert SigningKey(SNAKEOIL, SNAKEOIL.with_suffix(".pem")).der in [one.data for one in db if one.kind == X509]


def test_microsofts_database_is_as_it_was_recorded() -> None:
    store = (DIRECTORY / "OVMF_VARS_4M.ms.fd").read_bytes()
    assert read_variable(store, IMAGE_SECURITY, "db") == (SAMPLES / "ovmf-ms-db.esl").read_bytes()
    assert read_variable(store, IMAGE_SECURITY, "nothing") is None
    assert read_variable(store, GLOBAL_VARIABLE, "db") is None


def test_an_empty_store_has_no_variable() -> None:
    assert read_variable((DIRECTORY / "OVMF_VARS_4M.fd").read_bytes(), IMAGE_SECURITY, "db") is None


@pytest.mark.parametrize("data", [b"", b"QFI\xfb" + bytes(4096), STORE[:100], STORE[:4096]])
def test_what_is_not_a_store_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_variable(data, IMAGE_SECURITY, "db")


@settings(deadline=None)
@given(at=st.integers(0, 4095), byte=st.integers(0, 255))
def test_a_damaged_store_is_read_or_refused(at: int, byte: int) -> None:
    store = bytearray(STORE)
    store[at] = byte
    try:
        read_variable(bytes(store), IMAGE_SECURITY, "db")
    except FormatError:
        return

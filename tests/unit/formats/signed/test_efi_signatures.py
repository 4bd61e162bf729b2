"""EFI signature lists: recorded ones, made ones, and damaged ones."""

from __future__ import annotations

import contextlib
import struct
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge_target.formats.efi_signatures import (
    HASHES,
    LARGEST_DATABASE,
    X509,
    Signature,
    parse_signature_lists,
)
from esxforge_target.runtime.errors import FormatError

DATA = Path(__file__).parents[3] / "data/secure-boot"
SHA256 = next(kind for kind, name in HASHES.items() if name == "sha256")


def signature_list(kind: uuid.UUID, *entries: bytes, header: bytes = b"") -> bytes:
    """A list as the specification writes one; its entries are of one size."""
    size = 16 + len(entries[0])
    body = header + b"".join(uuid.UUID(int=7).bytes_le + entry for entry in entries)
    return kind.bytes_le + struct.pack("<III", 28 + len(body), len(header), size) + body


def test_ovmfs_own_databases_are_read() -> None:
    db = parse_signature_lists((DATA / "ovmf-ms-db.esl").read_bytes())
    assert [(one.kind, len(one.data)) for one in db] == [(X509, 1499), (X509, 1556)]
    (only,) = parse_signature_lists((DATA / "ovmf-ms-dbx.esl").read_bytes())
    assert HASHES[only.kind] == "sha256"
    assert only.data.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_no_bytes_hold_no_signatures() -> None:
    assert parse_signature_lists(b"") == []


@settings(deadline=None)
@given(
    lists=st.lists(
        st.tuples(
            st.sampled_from([X509, *HASHES]),
            st.integers(1, 40).flatmap(
                lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=4)
            ),
            st.binary(max_size=5),
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read(lists: list[tuple[uuid.UUID, list[bytes], bytes]]) -> None:
    data = b"".join(signature_list(kind, *entries, header=header) for kind, entries, header in lists)
    expected = [Signature(kind, entry) for kind, entries, _ in lists for entry in entries]
    assert parse_signature_lists(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        signature_list(SHA256, bytes(32))[:-1],
        signature_list(SHA256, bytes(32)) + b"\0",
        SHA256.bytes_le + struct.pack("<III", 28, 0, 0),
        SHA256.bytes_le + struct.pack("<III", 27, 0, 48),
        SHA256.bytes_le + struct.pack("<III", 28 + 48, 0, 16) + bytes(48),
        SHA256.bytes_le + struct.pack("<III", 28 + 48, 49, 48) + bytes(48),
        SHA256.bytes_le + struct.pack("<III", 28 + 49, 0, 48) + bytes(49),
        SHA256.bytes_le + struct.pack("<III", 0, 0, 48),
    ],
)
def test_sizes_that_cannot_be_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_signature_lists(data)


def test_more_than_firmware_keeps_is_refused_unread() -> None:
    with pytest.raises(FormatError, match="more than firmware keeps"):
        parse_signature_lists(bytes(LARGEST_DATABASE + 1))


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        parse_signature_lists(data)

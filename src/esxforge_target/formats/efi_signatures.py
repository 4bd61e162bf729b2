"""Signature lists of UEFI's variables db and dbx: which certificates and hashes the firmware trusts and refuses.

Source: UEFI specification 2.10, 32.4.1 (EFI_SIGNATURE_LIST, EFI_SIGNATURE_DATA and the GUIDs of the types).
"""

import struct
import uuid
from typing import List

from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

LARGEST_DATABASE = 1 << 20
"""More than any firmware keeps in one variable, in bytes."""
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
# The hash of a program, by hashlib's name of the algorithm.
HASHES = {
    uuid.UUID("826ca512-cf10-4ac9-b187-be01496631bd"): "sha1",
    uuid.UUID("0b6e5233-a65c-44c9-9407-d9ab83bfc8bd"): "sha224",
    uuid.UUID("c1c41626-504c-4092-aca9-41f936934328"): "sha256",
    uuid.UUID("ff3e5307-9fd0-48c9-85f1-8ad56c701e01"): "sha384",
    uuid.UUID("093e0fae-a6c4-4f50-9f1b-d41e2b89c19a"): "sha512",
}
# The hash of a certificate's signed part, then the time from which on it is revoked (16 bytes).
CERTIFICATE_HASHES = {
    uuid.UUID("3bd2a492-96c0-4079-b420-fcf98ef103ed"): "sha256",
    uuid.UUID("7076876e-80c2-4ee6-aad2-28b349a6865b"): "sha384",
    uuid.UUID("446dbf63-2502-4cda-bcfa-2465d2b0fe9d"): "sha512",
}
# RSA keys and what they sign: the specification keeps them for other uses than the start of a program.
KEYS = (
    uuid.UUID("3c5766e8-269c-4e34-aa14-ed776e85b3b6"),
    uuid.UUID("e2b36190-879b-4a3d-ad8d-f2e7bba32784"),
    uuid.UUID("67f8444f-8743-48f1-a328-1eaab8736080"),
)
_HEADER = struct.Struct("<16sIII")
_OWNER = 16


class Signature(Value):
    """``kind`` is the type's GUID, ``data`` the certificate or hash."""

    __slots__ = ("kind", "data")

    def __init__(self, kind: uuid.UUID, data: bytes) -> None:
        self.kind = kind
        self.data = data


def parse_signature_lists(data: bytes) -> "List[Signature]":
    """All entries of all lists, in their order; none of no bytes. Raises FormatError."""
    if len(data) > LARGEST_DATABASE:
        raise FormatError("It has {} bytes, more than firmware keeps in a variable.".format(len(data)))
    found = []  # type: List[Signature]
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise FormatError("A signature list is cut short.")
        kind, size, header, each = _HEADER.unpack_from(data, at)
        entries = size - _HEADER.size - header
        if size > len(data) - at or entries < 0 or each <= _OWNER or entries % each:
            raise FormatError("A signature list has sizes that cannot be.")
        start = at + _HEADER.size + header
        places = range(start, at + size, each)
        found += [Signature(uuid.UUID(bytes_le=kind), data[one + _OWNER : one + each]) for one in places]
        at += size
    return found

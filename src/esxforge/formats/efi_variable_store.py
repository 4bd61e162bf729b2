"""UEFI variables in a flash image of OVMF: what the firmware of a virtual machine will trust, read without starting it.

Source: EDK2, MdePkg/Include/Pi/PiFirmwareVolume.h (EFI_FIRMWARE_VOLUME_HEADER) and
MdeModulePkg/Include/Guid/VariableFormat.h (VARIABLE_STORE_HEADER, AUTHENTICATED_VARIABLE_HEADER).
"""

from __future__ import annotations

import struct
import uuid

from esxforge.errors import FormatError

LARGEST_STORE = 64 << 20
_VOLUME_MARK = b"_FVH"
_VOLUME_MARK_AT, _VOLUME_HEADER_AT = 40, 48
_AUTHENTICATED = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792").bytes_le
_STORE = struct.Struct("<16sIBBHI")
_VARIABLE = struct.Struct("<HBBIQ16sIII16s")
_START, _ADDED = 0x55AA, 0x3F


def read_variable(store: bytes, vendor: str, name: str) -> bytes | None:
    """Return the value of a variable; None if there is none. Raises FormatError for what is not such an image."""
    try:
        return _read(store, uuid.UUID(vendor).bytes_le, name)
    except struct.error:
        raise FormatError("The firmware's variables are cut short.") from None


def _read(store: bytes, vendor: bytes, name: str) -> bytes | None:
    if store[_VOLUME_MARK_AT : _VOLUME_MARK_AT + 4] != _VOLUME_MARK:
        raise FormatError("It is not a flash image with the firmware's variables.")
    (at,) = struct.unpack_from("<H", store, _VOLUME_HEADER_AT)
    kind, size, *_ = _STORE.unpack_from(store, at)
    if kind != _AUTHENTICATED or at + size > len(store):
        raise FormatError("The firmware's variables are not kept as OVMF with Secure Boot keeps them.")
    end, at, found = at + size, at + _STORE.size, None
    while at + _VARIABLE.size <= end:
        start, state, _, _, _, _, _, name_bytes, data_bytes, owner = _VARIABLE.unpack_from(store, at)
        if start != _START:
            break
        value_at = at + _VARIABLE.size + name_bytes
        if value_at + data_bytes > end:
            raise FormatError("A variable of the firmware ends outside their store.")
        text = store[at + _VARIABLE.size : value_at].decode("utf-16-le", "replace").rstrip("\0")
        if state == _ADDED and owner == vendor and text == name:
            found = store[value_at : value_at + data_bytes]
        at = value_at + data_bytes
        at += -at % 4
    return found

"""One EFI program out of a kernel, an initramfs and a command line: sections added to systemd's EFI stub.

Facts: systemd-stub(7) (sections ``.linux``, ``.initrd``, ``.cmdline``, ``.osrel``); Microsoft PE format, 3 (headers)
and 4 (section table). The stub also tells Linux where it was started from, in the EFI variables
``LoaderDevicePartUUID`` and ``LoaderImageIdentifier`` of vendor 4a67b082-0a4c-41cf-b6c7-440b29bb8c4f.
"""

from __future__ import annotations

import struct

_SECTION = struct.Struct("<8sIIIIIIHHI")
_INITIALISED_READABLE = 0x40000040


def unified_program(stub: bytes, *, kernel: bytes, initramfs: bytes, command_line: str) -> bytes:
    """The program. Raises ValueError for a stub that is not a PE file with room for three more section headers."""
    sections = ((b".cmdline", command_line.encode() + b"\0"), (b".linux", kernel), (b".initrd", initramfs))
    return add_sections(stub, sections)


def add_sections(program: bytes, sections: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """``program`` with read-only sections behind its own."""
    pe = struct.unpack_from("<I", program, 0x3C)[0]
    if program[:2] != b"MZ" or program[pe : pe + 4] != b"PE\0\0":
        raise ValueError("not a PE file")
    count, _, _, _, optional_size = struct.unpack_from("<HIIIH", program, pe + 6)
    optional = pe + 24
    section_alignment, file_alignment = struct.unpack_from("<II", program, optional + 32)
    headers_size = struct.unpack_from("<I", program, optional + 60)[0]
    table = optional + optional_size
    end_of_table = table + (count + len(sections)) * _SECTION.size
    own = [_SECTION.unpack_from(program, table + number * _SECTION.size) for number in range(count)]
    if end_of_table > min(headers_size, *(section[4] for section in own if section[4])):
        raise ValueError("no room for more section headers")
    out = bytearray(program)
    address = max(_up(section[2] + section[1], section_alignment) for section in own)
    for number, (name, content) in enumerate(sections, start=count):
        out += bytes(-len(out) % file_alignment)
        raw_size = _up(len(content), file_alignment)
        header = (name, len(content), address, raw_size, len(out), 0, 0, 0, 0, _INITIALISED_READABLE)
        _SECTION.pack_into(out, table + number * _SECTION.size, *header)
        out += content + bytes(raw_size - len(content))
        address = _up(address + len(content), section_alignment)
    struct.pack_into("<H", out, pe + 6, count + len(sections))
    struct.pack_into("<I", out, optional + 56, address)  # SizeOfImage
    return bytes(out)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step

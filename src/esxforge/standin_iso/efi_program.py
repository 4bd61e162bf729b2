"""A tiny EFI application, written byte by byte: it says a line on the EFI console and powers the machine off.

Facts: Microsoft PE format (PE32+, machine 0x8664, subsystem 10); UEFI specification 2.10, 4.3 (EFI_SYSTEM_TABLE), 12.4
(EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL), 4.5 and 8.5 (EFI_RUNTIME_SERVICES, ResetSystem). Calls follow the Microsoft x64
convention: arguments in rcx, rdx, r8, r9, and 32 bytes of stack for the callee.
"""

from __future__ import annotations

import struct

STARTED = "esxforge stand-in: EFI program started"
STARTED_FROM_EFIBOOT = "esxforge stand-in: EFI program started (from EFIBOOT.IMG)"

_FILE_ALIGNMENT = 0x200
_SECTION_ALIGNMENT = 0x1000


def build_efi_program(text: str = STARTED) -> bytes:
    """An x86-64 EFI application that prints ``text`` as a line of its own and shuts the machine down."""
    code = _code()
    section = code + f"\r\n{text}\r\n\0".encode("utf-16-le")
    raw_size = -(-len(section) // _FILE_ALIGNMENT) * _FILE_ALIGNMENT
    headers = _headers(len(section), raw_size)
    return headers.ljust(_FILE_ALIGNMENT, b"\0") + section.ljust(raw_size, b"\0")


def _code() -> bytes:
    # On entry: rcx = image handle, rdx = system table, rsp = 8 modulo 16.
    head = bytes.fromhex(
        "4883EC28"  # sub rsp, 40           room for the callee, and rsp a multiple of 16
        "4889D3"  #   mov rbx, rdx          system table
        "488B4B40"  # mov rcx, [rbx+64]     ConOut: the first argument is the protocol itself
    )
    tail = bytes.fromhex(
        "FF5108"  #   call [rcx+8]          ConOut->OutputString(ConOut, text)
        "488B4358"  # mov rax, [rbx+88]     RuntimeServices
        "B902000000"  # mov ecx, 2          EfiResetShutdown
        "31D2"  #     xor edx, edx          EFI_SUCCESS
        "4531C0"  #   xor r8d, r8d          no data
        "4531C9"  #   xor r9d, r9d
        "FF5068"  #   call [rax+104]        ResetSystem: does not return
        "EBFE"  #     jmp to itself         should it return all the same
    )
    # lea rdx, [rip+…]: the text lies right behind the code, so its distance from here is the length of the tail.
    return head + b"\x48\x8d\x15" + struct.pack("<I", len(tail)) + tail


def _headers(section_size: int, raw_size: int) -> bytes:
    entry = base = _SECTION_ALIGNMENT
    image_size = _SECTION_ALIGNMENT * (1 + -(-section_size // _SECTION_ALIGNMENT))
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    directories = 16
    optional = struct.pack(
        "<HBBIIIII" + "QII" + "HHHHHH" + "IIII" + "HH" + "QQQQ" + "II",
        0x20B,  # PE32+
        *(1, 0),  # linker version
        *(raw_size, 0, 0),  # sizes of code, initialised and other data
        *(entry, base),
        *(0, _SECTION_ALIGNMENT, _FILE_ALIGNMENT),  # desired address: none, the code runs anywhere
        *(0, 0, 0, 0, 0, 0),  # versions of system, image, subsystem
        *(0, image_size, _FILE_ALIGNMENT, 0),  # reserved, sizes of image and headers, checksum (not used by UEFI)
        *(10, 0x0100),  # subsystem: EFI application; data is not executed
        *(0, 0, 0, 0),  # stack and heap: the firmware's
        *(0, directories),
    )
    optional += bytes(8 * directories)  # none of the directories (imports, relocations, …) is needed
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, len(optional), 0x0022)  # executable, any address
    text = struct.pack(
        "<8sIIIIIIHHI",
        b".text",
        *(section_size, base, raw_size, _FILE_ALIGNMENT),
        *(0, 0, 0, 0),
        0x60000020,  # code, executable, readable
    )
    return dos + b"PE\0\0" + coff + optional + text

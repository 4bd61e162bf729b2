"""A Multiboot kernel of a few hundred bytes: it names its modules on the first serial port, and powers off.

A line for each module: its command line, a blank, the sum of its bytes as eight hexadecimal digits. Multiboot
Specification 0.6.96; the program stands at 1 MiB (the header's address fields), in 32-bit protected mode.
"""

from __future__ import annotations

import struct

_LOAD = 0x100000
_MAGIC, _ADDRESSES = 0x1BADB002, 1 << 16
_HEADER = struct.Struct("<8I")
# A label of three letters in < > stands for the distance to it, one byte, in > < for four bytes (a call).
_PROGRAM = """
    bc 00 00 09 00        | mov esp, 0x90000
    8b 4b 14              | mov ecx, [ebx + 20]     modules: how many
    8b 73 18              | mov esi, [ebx + 24]     and where
mod:
    85 c9                 | test ecx, ecx
    74 <end>
    8b 7e 08              | mov edi, [esi + 8]      command line
str:
    8a 07                 | mov al, [edi]
    84 c0                 | test al, al
    74 <nam>
    e8 >put<
    47                    | inc edi
    eb <str>
nam:
    b0 20                 | mov al, ' '
    e8 >put<
    8b 3e                 | mov edi, [esi]          first byte
    31 ed                 | xor ebp, ebp
sum:
    3b 7e 04              | cmp edi, [esi + 4]      end
    73 <tot>
    0f b6 07              | movzx eax, byte [edi]
    01 c5                 | add ebp, eax
    47                    | inc edi
    eb <sum>
tot:
    51                    | push ecx
    b9 08 00 00 00        | mov ecx, 8
hex:
    c1 c5 04              | rol ebp, 4
    89 e8                 | mov eax, ebp
    24 0f                 | and al, 15
    04 30                 | add al, '0'
    3c 39                 | cmp al, '9'
    76 <dig>
    04 27                 | add al, 'a' - '0' - 10
dig:
    e8 >put<
    e2 <hex>
    59                    | pop ecx
    b0 0a                 | mov al, 10
    e8 >put<
    83 c6 10              | add esi, 16
    49                    | dec ecx
    eb <mod>
end:
    66 ba 04 06           | mov dx, 0x604           PM1a control
    66 b8 00 20           | mov ax, 0x2000
    66 ef                 | out dx, ax
    f4                    | hlt
    eb <end>
put:
    52                    | push edx
    50                    | push eax
    66 ba fd 03           | mov dx, 0x3fd
tst:
    ec                    | in al, dx
    a8 20                 | test al, 0x20
    74 <tst>
    58                    | pop eax
    66 ba f8 03           | mov dx, 0x3f8
    ee                    | out dx, al
    5a                    | pop edx
    c3                    | ret
"""


def kernel() -> bytes:
    """The program with its header."""
    lines = [line.partition("|")[0].strip() for line in _PROGRAM.strip().splitlines()]
    labels: dict[str, int] = {}
    at = 0
    for line in lines:
        if line.endswith(":"):
            labels[line[:-1]] = at
        else:
            at += sum(4 if word.startswith(">") else 1 for word in line.split())
    code = bytearray()
    for line in lines:
        for word in [] if line.endswith(":") else line.split():
            if word.startswith("<"):
                code += struct.pack("<b", labels[word[1:-1]] - len(code) - 1)
            elif word.startswith(">"):
                code += struct.pack("<i", labels[word[1:-1]] - len(code) - 4)
            else:
                code.append(int(word, 16))
    end = _LOAD + _HEADER.size + len(code)
    checksum = -(_MAGIC + _ADDRESSES) & 0xFFFFFFFF
    addresses = (_LOAD, _LOAD, end, end, _LOAD + _HEADER.size)
    return _HEADER.pack(_MAGIC, _ADDRESSES, checksum, *addresses) + bytes(code)

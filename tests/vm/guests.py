"""Guests of 512 bytes: boot sectors that speak on the first serial port and then do one thing."""

from __future__ import annotations

from pathlib import Path

from esxforge.vm.hardware import Accelerator, Chipset, Disk, Machine, SeaBios, SerialToFile

POWER_OFF = bytes.fromhex("ba0406 b80020 ef f4 ebfd")  # mov dx, 0x604 (PM1a control); mov ax, 0x2000; out dx, ax; hlt
HANG = bytes.fromhex("fa f4 ebfd")  # cli; hlt; jmp back to it
RESTART = bytes.fromhex("b0fe e664 f4 ebfd")  # mov al, 0xfe; out 0x64, al: the keyboard controller resets the machine
_ORIGIN = 0x7C00
_PROLOGUE = bytes.fromhex("31c0 8ed8 fc")  # xor ax, ax; mov ds, ax; cld


def boot_sector(text: str, ending: bytes, *, write_disk: bool = False) -> bytes:
    """Print ``text``, then, if desired, write 20 MiB to the boot disk from 1 MiB on, then do ``ending``."""
    code = _PROLOGUE
    code += _print(text.encode(), _ORIGIN + len(code))
    if write_disk:
        code += _write_disk(_ORIGIN + len(code))
    code += ending
    assert len(code) <= 510
    return code.ljust(510, b"\0") + b"\x55\xaa"


def machine(directory: Path, sector: bytes, *, chipset: Chipset = Chipset.Q35) -> Machine:
    """A machine without KVM that boots ``sector`` from a sparse disk of 64 MiB in ``directory``."""
    disk = directory / "disk.raw"
    with disk.open("wb") as stream:
        stream.write(sector)
        stream.truncate(64 << 20)
    return Machine(
        "tiny guest",
        chipset,
        Accelerator.TCG,
        cpus=1,
        memory_mib=64,
        firmware=SeaBios(),
        disks=(Disk(disk, boot_index=0),),
        serial=SerialToFile(directory / "serial.log"),
    )


def _print(text: bytes, origin: int) -> bytes:
    #  mov dx, 0x3fd; in al, dx; test al, 0x20; jz to in; mov dx, 0x3f8; lodsb; out dx, al; loop
    loop = bytes.fromhex("bafd03 ec a820 74fb baf803 ac ee e2f1")
    place = origin + 3 + 3 + len(loop) + 3
    return (
        (b"\xbe" + place.to_bytes(2, "little"))  # mov si, text
        + (b"\xb9" + len(text).to_bytes(2, "little"))  # mov cx, length
        + loop
        + (b"\xe9" + len(text).to_bytes(2, "little"))  # jmp behind the text
        + text
    )


def _write_disk(origin: int) -> bytes:
    packet = origin + 3
    address = packet.to_bytes(2, "little")
    counter = (packet + 8).to_bytes(2, "little")
    return (
        bytes.fromhex("e91000")  # jmp over the disk address packet: 127 sectors from 0:0x7c00 to sector 2048
        + bytes.fromhex("10007f00 007c0000 0008000000000000")
        + bytes.fromhex("b94001 51 be")  # mov cx, 320; push cx; mov si, packet
        + address
        + bytes.fromhex("b80043 b280 cd13 8306")  # mov ax, 0x4300; mov dl, 0x80; int 0x13; add word [packet + 8], 127
        + counter
        + bytes.fromhex("7f 59 e2ed")  # pop cx; loop to push
    )

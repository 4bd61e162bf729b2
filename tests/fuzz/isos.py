"""The reader of installer ISOs: descriptors, directories in three trees, and what they lead to."""

from __future__ import annotations

import io
import os
import struct
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from esxforge.media.installer import open_installer
from esxforge.standin_iso.efi_program import build_efi_program
from esxforge.standin_iso.mastering import write_iso
from fuzz.mutate import mutate_bytes, mutate_in_place
from fuzz.target import Target

_SECTOR = 2048
_DESCRIPTORS = 16 * _SECTOR
_MEMORY = Path("/dev/shm")
_DIRECTORY = tempfile.TemporaryDirectory(
    prefix="esxforge-fuzz-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None
)  # gone with the process
_CFG = (
    b"bootstate=0\ntitle=Loading ESXi installer\ntimeout=5\nprefix=\nkernel=/b.b00\nkernelopt=runweasel\n"
    b"modules=/jumpstrt.gz --- /s.v00\nbuild=7.0.3-0.0.1\nupdated=0\n"
)
_FILES = {
    "BOOT.CFG": _CFG, "EFI/BOOT/BOOT.CFG": _CFG, "EFI/BOOT/BOOTX64.EFI": build_efi_program(), "B.B00": b"kernel",
    "JUMPSTRT.GZ": b"x" * 100, "S.V00": b"y" * 3000, "PART.A": b"z" * 2048, "PART.B": b"z" * 5, "EMPTY": b"",
    "UPGRADE/METADATA.XML": b"<vum><product><esxVersion>7.0.3</esxVersion><esxRelease>1</esxRelease></product></vum>",
}  # fmt: skip
_STARTABLE = {**_FILES, "ISOLINUX.BIN": bytes(_SECTOR), "EFIBOOT.IMG": bytes(_SECTOR)}


def _iso(files: Mapping[str, bytes], *, joliet: bool = False, rock_ridge: bool = False, lower: bool = False) -> bytes:
    made = io.BytesIO()
    opened = {path: (io.BytesIO(data), len(data)) for path, data in files.items()}
    write_iso(made, opened, volume_id="ESXI", joliet=joliet, rock_ridge=rock_ridge, lower_case=lower)
    return made.getvalue()


@cache
def iso_seeds() -> list[bytes]:
    """ISOs of each kind of names, with and without boot entries, and what people take for ISOs."""
    plain = _iso(_FILES)
    deep = {f"{'/'.join('ABCDEFGHIJK')}/X": b"x"}
    alike = {name: b"" for number in range(9) for name in (f"b{number}.v00", f"B{number}.V00")}
    return [
        _iso(_STARTABLE, joliet=True, rock_ridge=True), _iso(_STARTABLE, joliet=True), plain,
        _iso(_STARTABLE, lower=True), _iso(_FILES, rock_ridge=True), _iso({**_FILES, **deep}),
        _iso({"README.TXT": b"x"}), _in_pieces(plain), _iso({**_FILES, **alike, "boot.cfg": b"x", "efi": b"x"}),
        _with_link(), plain[:_DESCRIPTORS], plain[:-_SECTOR], b"", b"PK\3\4" + bytes(600),
        b"<!doctype html>" + bytes(99), b"QFI\xfb" + bytes(40_000), bytes(512) + b"EFI PART" + bytes(40_000),
        bytes(40_000),
    ]  # fmt: skip


def _in_pieces(data: bytes) -> bytes:
    """With PART.A and PART.B as the two extents of one file."""
    changed = bytearray(data)
    at = data.index(b"PART.A") - 33
    changed[at + 25] |= 0x80
    return bytes(changed).replace(b"PART.B", b"PART.A")


def _with_link() -> bytes:
    from pycdlib import PyCdlib

    iso: Any = PyCdlib()
    iso.new(rock_ridge="1.09")
    iso.add_symlink("/LINK", "link", "target")
    made = io.BytesIO()
    iso.write_fp(made)
    iso.close()
    return _without_times(made.getvalue())


def _without_times(data: bytes) -> bytes:
    """pycdlib writes the present moment into descriptors, directory records and Rock Ridge's TF."""
    changed = bytearray(data)
    changed[_DESCRIPTORS + 813 : _DESCRIPTORS + 881] = b"0" * 68
    for at in _records(data):
        changed[at + 18 : at + 25] = bytes(7)
        stamps = changed.find(b"TF", at, at + changed[at])
        if stamps >= 0:
            changed[stamps + 5 : stamps + changed[stamps + 2]] = bytes(changed[stamps + 2] - 5)
    return bytes(changed)


def _media(data: bytes) -> None:
    path = Path(_DIRECTORY.name, "changed.iso")
    path.write_bytes(data)
    media = open_installer(path)
    assert all(file.content.offset + file.content.length <= media.size for file in media.files)


def _records(data: bytes) -> list[int]:
    """Where the directory records are, of all trees; those of the roots in the descriptors come first."""
    found = [
        at + 156
        for at in range(_DESCRIPTORS, _DESCRIPTORS + 4 * _SECTOR, _SECTOR)
        if data[at : at + 1] in (b"\1", b"\2")
    ]
    seen: set[int] = set()
    for record in found:
        if len(found) > 300 or record + 34 > len(data) or not data[record + 25] & 2:
            continue
        start, size = (int.from_bytes(data[record + n : record + n + 4], "little") for n in (2, 10))
        start *= _SECTOR
        if start in seen or start + size > len(data) or size > 8 * _SECTOR:
            continue
        seen.add(start)
        at = start
        while at < start + size:
            if not data[at]:
                at += _SECTOR - at % _SECTOR
                continue
            if data[at + 33 : at + 34] not in (b"\0", b"\1"):  # itself, and the one above
                found.append(at)
            at += data[at]
    return found


def _mutate_iso(random: Random, data: bytes) -> bytes:
    """A field of a directory record, in both byte orders, a record as a whole, or a descriptor's bytes."""
    kind = random.random()
    records = _records(data) if len(data) > _DESCRIPTORS + 4 * _SECTOR else []
    if kind < 0.05 or not records:
        return mutate_bytes(random, data)
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        at, other = random.choice(records), random.choice(records)
        length = changed[at]
        match random.randrange(10):
            case 0 | 1:
                _both_orders(
                    changed,
                    at + 2,
                    random.choice(
                        (
                            0,
                            1,
                            16,
                            17,
                            19,
                            len(data) // _SECTOR,
                            2**32 - 1,
                            int.from_bytes(changed[other + 2 : other + 6], "little"),
                        )
                    ),
                )
            case 2 | 3:
                _both_orders(changed, at + 10, random.choice((0, 1, 2047, 2048, 2049, 6000, 2**32 - 1, 2**32 - 2048)))
            case 4:
                changed[at + 25] = random.choice((0, 1, 2, 4, 0x80, 0x82, changed[at + 25] ^ 4))
            case 5:
                name = at + 33
                size = min(changed[at + 32], changed[other + 32])
                changed[name : name + size] = changed[other + 33 : other + 33 + size]
            case 6:
                changed[at + 33 + random.randrange(max(1, changed[at + 32]))] = random.choice(b"\0 ./:*;a\x7f\xff")
            case 7:  # Rock Ridge's fields follow the name
                start = at + 33 + changed[at + 32]
                changed[start : at + length] = mutate_in_place(random, bytes(changed[start : at + length]))
            case 8:
                changed[at + random.choice((0, 1, 26, 28, 32))] = random.randrange(256)
            case _:
                place = random.choice((_DESCRIPTORS, _DESCRIPTORS + _SECTOR, random.randrange(_DESCRIPTORS, len(data))))
                reach = random.choice((200, 64))
                changed[place : place + reach] = mutate_in_place(random, bytes(changed[place : place + reach]))
    if random.random() < 0.05:
        del changed[random.randrange(len(changed)) :]
    return bytes(changed)


def _both_orders(changed: bytearray, at: int, number: int) -> None:
    changed[at : at + 8] = struct.pack("<I", number) + struct.pack(">I", number)


_E = "esxforge/"
TARGETS = (
    Target(
        "media", _media, iso_seeds, _mutate_iso, (_E + "media/isotree.py", _E + "media/volume.py:read_volume"), "iso"
    ),
)

"""Small disks and images for the fuzzer: the same bytes whenever they are made, and as small as the readers accept."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any
from uuid import UUID

from esxforge.formats.fat_layout import layout
from esxforge.formats.segments import Bytes, ImageFile, Zeros
from esxforge_target.formats import tar_module
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import BASIC_DATA, EFI_SYSTEM, VMFS, VMFS_L, VMK_DIAGNOSTIC, GptPartition, Table
from esxforge_target.formats.manifest import MANIFEST_PATH, FileRecord, Manifest
from esxforge_target.runtime.blocks import MemoryBlocks

_KIB = 1024
_PROGRAM = "EFI/BOOT/BOOTX64.EFI"
# What a BIOS needs besides the boot sector: bios_start.
_LOADERS = {"ldlinux.sys": b"x", "safeboot.c32": b"x", "mboot.c32": b"x"}
_MODULES = ("jumpstrt.gz", "s.v00", "useropts.gz")
_MANIFEST_BYTES = 8 * _KIB


@dataclass(frozen=True)
class Part:
    """A partition of ``kib`` KiB: a FAT volume with ``files``, or ``data``. ``bank``: it has VMware's marker;
    ``syslinux``: its boot sector names that."""

    number: int
    kind: UUID
    kib: int
    files: Mapping[str, bytes] | None = None
    data: bytes = b""
    attributes: int = 0
    bank: bool = False
    syslinux: bool = False


def disk(parts: Sequence[Part], *, boot_code: str = "", sector: int = 512, spare_kib: int = 0) -> bytes:
    """A disk with these partitions behind each other. ``boot_code``: "guid", "attribute", "lost" or none."""
    sectors = sum(part.kib for part in parts) * _KIB // sector + 128 + spare_kib * _KIB // sector
    table = Table.empty(UUID(int=1), sector, sectors)
    first = 64
    placed = []
    for part in parts:
        length = part.kib * _KIB // sector
        guid = UUID(int=100 + part.number)
        entry = GptPartition(part.kind, guid, first, first + length - 1, f"part {part.number}", part.attributes)
        table = table.with_partition(part.number, entry)
        placed.append((first * sector, part))
        first += length
    made = bytearray(sectors * sector)
    made[: len(table.primary_bytes())] = table.primary_bytes()
    if boot_code:
        named = UUID(int=101 if boot_code == "guid" else 999).bytes_le
        made[:440] = b"\xeb\xfe boot code".ljust(424, b"\1") + named
    for offset, part in placed:
        content = part.data if part.files is None else _volume(part, sector)
        made[offset : offset + len(content)] = content
    made[table.backup_offset : table.backup_offset + len(table.backup_bytes())] = table.backup_bytes()
    return bytes(made)


def _volume(part: Part, sector: int) -> bytes:
    made = layout(
        [ImageFile(path, Bytes(data)) for path, data in (part.files or {}).items()],
        volume_bytes=part.kib * _KIB,
        fat_bits=12,
        cluster_size=max(_KIB, sector),
        sector_size=sector,
        root_entries=128,
        vmware_uuid=UUID(int=part.number).bytes if part.bank else b"",
    )
    volume = b"".join(
        piece.data if isinstance(piece, Bytes) else bytes(piece.length)
        for piece in made.segments
        if isinstance(piece, Bytes | Zeros)
    )
    return volume[:3] + b"SYSLINUX" + volume[11:] if part.syslinux else volume


def _boot_cfg(**changes: str) -> bytes:
    keys = {
        "bootstate": "0", "title": "Loading VMware ESXi", "timeout": "5", "prefix": "", "kernel": "b.b00",
        "kernelopt": "no-auto-partition", "modules": " --- ".join(_MODULES), "build": "8.0.3-0.35.24280767",
        "updated": "1", **changes,
    }  # fmt: skip
    return "".join(f"{key}={value}\n" for key, value in keys.items()).encode()


def _bank(more: Mapping[str, bytes] | None = None, **changes: str) -> dict[str, bytes]:
    noise = Random(5)  # noqa: S311
    files = {name: noise.randbytes(600) for name in ("b.b00", *_MODULES)}
    return {"boot.cfg": _boot_cfg(**changes), **files, **(more or {})}


def _tar(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()[: 512 * (len(packed.getvalue()) // 512)]


def _state(*names: str) -> dict[str, bytes]:
    return {"state.tgz": _tar({"local.tgz": _tar(dict.fromkeys(names, b"x"))})}


_ESP = Part(1, EFI_SYSTEM, 200, {_PROGRAM: b"MZ" * 500})
_NO_PROGRAM = Part(1, EFI_SYSTEM, 200, _LOADERS, syslinux=True)
_BIOS_ESP = Part(1, EFI_SYSTEM, 200, {_PROGRAM: b"MZ", **_LOADERS}, attributes=4, syslinux=True)
_SECOND = Part(6, BASIC_DATA, 100, {"boot.cfg": _boot_cfg(bootstate="3", updated="0")}, bank=True)
_OSDATA = Part(7, VMFS_L, 192, data=bytes(70 * _KIB) + b"osdata" * 2000)


def _first(files: Mapping[str, bytes], kib: int = 1300) -> Part:
    return Part(5, BASIC_DATA, kib, files, bank=True)


@cache
def installed_disks() -> tuple[bytes, ...]:
    """Disks as VMware's installer, or a host, leaves them, and such as nobody should capture."""
    module = tar_module.build(
        [tar_module.directory("esxforge"), tar_module.file("esxforge/installed.json", b'{"a": 1}')]
    )
    fresh = _first(_bank(_state("etc/hosts")))
    six = [
        _BIOS_ESP, _first(_bank(build="6.7.0-3.77.14320388")), _SECOND, Part(7, VMK_DIAGNOSTIC, 16, data=b"core"),
        Part(8, BASIC_DATA, 100, {"packages/tools.iso": b"x" * 3000}, bank=True), Part(3, VMFS, 64, data=b"datastore"),
    ]  # fmt: skip
    uuid = UUID(int=6)
    return (
        disk([_ESP, fresh, _SECOND, _OSDATA], boot_code="guid"),
        disk(six, boot_code="attribute", spare_kib=2048),
        disk([_BIOS_ESP, _first(_bank(_state("etc/ssh/ssh_host_rsa_key"), kernelopt="a bootUUID=0123")), _SECOND,
              _OSDATA], boot_code="lost"),
        disk([_NO_PROGRAM, _first(_bank({"state.tgz": _tar({"local.tgz.ve": b"x"})})), _SECOND, _OSDATA],
             boot_code="guid"),
        disk([Part(1, EFI_SYSTEM, 40, {_PROGRAM: b"MZ"}), _first(_bank({"state.tgz": b""})), _SECOND, _OSDATA]),
        disk([_ESP, _first(_bank({"esxforge.tgz": module, "esxforge.log": b"log", "esxfacts.inv": b"{}"})),
              Part(6, BASIC_DATA, 100, _bank({"state.tgz": b"x"}, quickboot="1"), bank=True), _OSDATA]),
        disk([_ESP, _first(_bank({"esxforge.tgz": tar_module.build([tar_module.directory("x")])})), _SECOND, _OSDATA]),
        disk([_ESP, _first(_bank(kernelopt=f"x={uuid}")), _SECOND, _OSDATA]),
        disk([_ESP, _first(_bank(), 300), _SECOND, _OSDATA]), disk([_ESP, _first(_bank(build="5.5.0-1")), _SECOND]),
        disk([_ESP, _first(_bank(build="x")), _SECOND, Part(7, VMFS_L, 64)]), disk([_ESP]),
        disk([Part(1, EFI_SYSTEM, 200, {"curtin/x": b"", **_LOADERS}), fresh, _SECOND, Part(7, VMFS_L, 64)],
             boot_code="guid"),
        disk([Part(1, EFI_SYSTEM, 40, {}), _first(_bank({"f": b"x" * (50 * _KIB)}), 1200), _SECOND, _OSDATA]),
    )  # fmt: skip


_RELEASE = {"version": "8.0.3", "build": "24280767", "update": "8.0U3b", "profile": "p", "vendor": "v", "source": "s"}
_DETAILS: dict[str, Any] = {
    "tool": {"name": "esxforge", "version": "0.1.0"}, "iso": {"name": "esxi.iso", "size": 5, "sha256": "0" * 64},
    "release": _RELEASE, "vibs": [{"name": "esx-base", "version": "8.0.3", "vendor": "VMware"}], "recipe": {},
    "maas": {"name": "esxi/8.0.3", "title": "VMware ESXi 8.0U3b"},
}  # fmt: skip
_INSTALLER_FILES = {
    _PROGRAM: b"MZ" * 2000, "BOOT.CFG": _boot_cfg(), "B.B00": b"kernel" * 300, "EMPTY.V00": b"",
    "NET.V00": b"vib" * 200, "curtin/curtin-hooks": b"#!/bin/sh\n", MANIFEST_PATH: bytes(_MANIFEST_BYTES),
}  # fmt: skip


@cache
def installer_images() -> tuple[bytes, ...]:
    """Images as ``esxforge build`` makes them, for both sizes of sectors, and with a VIB's module."""
    module = {"path": "NET.V00", "sha256": hashlib.sha256(b"vib" * 200).hexdigest()}
    added = {"add_ons": [{"name": "net", "version": "1", "vendor": "v", "modules": [module]}]}
    made = []
    for sector, kib, more in ((512, 64, {}), (512, 64, added), (4096, 256, {})):
        raw = disk([Part(1, EFI_SYSTEM, kib, _INSTALLER_FILES)], sector=sector)
        offset, volume = _fat_of(raw, 1, sector)
        files = [
            FileRecord(path.upper(), offset + volume.extents(path)[0][0] if entry.size else 0, entry.size, "0" * 64)
            for path, entry in volume.walk()
            if not entry.is_directory and path.upper() != MANIFEST_PATH.upper()
        ]
        made.append(_with_manifest(raw, "installer", sector, files, {**_DETAILS, **more}))
    return tuple(made)


@cache
def golden_images() -> tuple[bytes, ...]:
    """Images as ``esxforge capture`` makes them: with the hook on partition 1 or in a bank, for UEFI and for BIOS."""
    made = []
    hook = {"curtin/curtin-hooks": b"#!/bin/sh\n", MANIFEST_PATH: bytes(_MANIFEST_BYTES)}
    for on_esp, boot_code, bios in ((True, "guid", "guid"), (False, "attribute", "attribute"), (True, "", "none")):
        esp = Part(1, EFI_SYSTEM, 64, {_PROGRAM: b"MZ", **(hook if on_esp else {})})
        bank = Part(5, BASIC_DATA, 64, _bank({"esxforge.tgz": b"slot", **({} if on_esp else hook)}), bank=True)
        parts = [esp, Part(6, BASIC_DATA, 8), bank, Part(7, VMFS_L, 32, data=b"osdata" * 100)]
        raw = disk(parts, boot_code=boot_code)
        files = []
        for number in (1, 5):
            offset, volume = _fat_of(raw, number, 512)
            files += [
                FileRecord(f"{number}/{path}", offset + volume.extents(path)[0][0], entry.size, "0" * 64,
                           path.lower() == "esxforge.tgz")
                for path, entry in volume.walk()
                if entry.size and path.upper() != MANIFEST_PATH.upper()
            ]  # fmt: skip
        structures = [{"path": "boot record", "offset": 0, "length": 512, "sha256": "0" * 64}]
        facts = {"starts": True, "reason": "r", "boot_code": bios, "partition": 1}
        golden = {
            "firmware": ["UEFI", "BIOS"], "renewed_volumes": [5], "structures": structures, "build": "8.0.3-1",
            "life": "never-started", "boot_bank": 5, "shared_by_all_hosts": ["x"],
            **({"bios": facts} if bios != "none" else {}),
        }  # fmt: skip
        made.append(_with_manifest(raw, "golden", 512, files, {**_DETAILS, "golden": golden}))
    return tuple(made)


def _fat_of(raw: bytes, number: int, sector: int) -> tuple[int, FatVolume]:
    """(offset on the disk, the volume) of a partition."""
    entry = 2 * sector + 128 * (number - 1)
    first = int.from_bytes(raw[entry + 32 : entry + 40], "little") * sector
    last = int.from_bytes(raw[entry + 40 : entry + 48], "little") * sector
    return first, FatVolume(MemoryBlocks(raw[first : last + sector]))


def _with_manifest(raw: bytes, kind: str, sector: int, files: list[FileRecord], details: dict[str, Any]) -> bytes:
    for number in (1, 5):
        with suppress(Exception):  # not on this one
            offset, volume = _fat_of(raw, number, sector)
            ((start, length),) = volume.extents(MANIFEST_PATH)
            break
    place = offset + start
    manifest = Manifest(kind, "8.0.3", sector, len(raw), str(UUID(int=1)), offset, volume.blocks.size, files, details)
    return with_right_hashes(raw[:place] + manifest.to_bytes(length) + raw[place + length :])


MARK = b"ESXFORGE-MANIFEST 1 "


def manifest_in(raw: bytes) -> tuple[int, int]:
    """(offset, length) of the manifest with its padding; the length is 0 where there is none."""
    at = raw.find(MARK)
    end = raw.find(b"\0", at) if at >= 0 else 0
    return max(0, at), min((end if end >= 0 else len(raw)) - max(0, at), _MANIFEST_BYTES)


def with_text(raw: bytes, text: bytes) -> bytes:
    """The same with another manifest, if there is room for it; with the right hash before it."""
    at, length = manifest_in(raw)
    first = MARK + b"%010d %s\n" % (len(text), hashlib.sha256(text).hexdigest().encode())
    new = (first + text).ljust(max(0, length - 1)) + b"\n"
    return raw[:at] + new + raw[at + length :] if len(new) == length else raw


def with_right_hashes(raw: bytes) -> bytes:
    """The same, where the manifest has the right size and GUID of the disk, and the right hash of each file."""
    at, length = manifest_in(raw)
    _, _, text = raw[at : at + length].partition(b"\n")
    try:
        document = json.loads(text)
        if len(json.dumps(document)) > length:
            return raw
    except (ValueError, RecursionError):
        return raw
    with suppress(Exception):
        document["disk"]["raw_size"] = len(raw)
        document["disk"]["guid"] = str(UUID(bytes_le=raw[568:584] if raw[512:520] == b"EFI PART" else raw[4152:4168]))
    for names in (("files",), ("details", "golden", "structures")):
        with suppress(Exception):  # whatever an earlier change made of it
            records = document
            for name in names:
                records = records[name]
            for record in records:
                content = raw[record["offset"] : record["offset"] + record["length"]]
                record["sha256"] = hashlib.sha256(content).hexdigest()
    return with_text(raw, json.dumps(document, separators=(",", ":")).encode("utf-8", "surrogatepass"))

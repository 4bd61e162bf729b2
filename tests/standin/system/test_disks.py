"""Volumes, tables and boot entries of the stand-in's installer, judged by sgdisk, fsck.fat and mtools."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from esxforge.local.processes import run
from standin.esxi import label as labels
from standin.esxi.presets import boot_table
from standin.system.efi_variables import load_option
from standin.system.fat16 import bank_uuid, format_volume, volume_name

GIB = 1 << 30
MIB = 1 << 20


@pytest.mark.parametrize("mebibytes", [4, 100, 250, 500, 1024, 4095])
def test_a_bank_is_a_sound_fat16_volume(tmp_path: Path, mebibytes: int) -> None:
    size = mebibytes * MIB
    path = tmp_path / "volume"
    path.touch()
    with path.open("r+b") as stream:
        stream.truncate(size)
        format_volume(stream, 0, size // 512, serial=0x1234ABCD, label="BOOTBANK1", uuid=bytes(range(16)))
        assert bank_uuid(stream) == bytes(range(16))
    checked = run(["fsck.fat", "-n", "-v", str(path)], timeout=60).stdout
    assert "FATs, 16 bit entries" in checked
    (tmp_path / "boot.cfg").write_text("updated=1\n")
    run(["mcopy", "-i", str(path), str(tmp_path / "boot.cfg"), "::boot.cfg"], timeout=60)
    assert "boot" in run(["mdir", "-i", str(path), "::"], timeout=60).stdout
    assert "BOOTBANK1" in run(["mlabel", "-s", "-i", str(path), "::"], timeout=60).stdout
    run(["fsck.fat", "-n", str(path)], timeout=60)
    assert path.stat().st_blocks * 512 < 4 * MIB


def test_the_loader_looks_for_the_marker_in_the_second_sector(tmp_path: Path) -> None:
    path = tmp_path / "volume"
    path.write_bytes(bytes(64 * MIB))
    with path.open("r+b") as stream:
        format_volume(stream, 0, 64 * MIB // 512, serial=1, label="", uuid=b"U" * 16)
        stream.seek(512)
        assert stream.read(32) == b"VMWARE FAT16    " + b"U" * 16
        format_volume(stream, 0, 64 * MIB // 512, serial=1, label="", uuid=None)
        assert bank_uuid(stream) is None
    assert volume_name(bytes.fromhex("f482a158316bd4f853dc16f91543c729")) == "f482a158-316bd4f8-53dc-16f91543c729"


@pytest.mark.parametrize(
    ("release", "size", "media", "desired"),
    [
        # tests/data/esxi/partedUtil-getptbl.txt: A, C, D
        ("6.7.0", 33554432, "default", {1: (64, 8191), 5: (8224, 520191), 3: (15472640, 33554398)}),
        ("8.0.3", 2343043072, "default", {1: (64, 204863), 5: (208896, 8595455), 6: (8597504, 16984063)}),
        ("8.0.3", 2343043072, "default", {7: (16986112, 268435455), 8: (268437504, 2343043038)}),
        ("7.0.3", 20971520, "default", {5: (208896, 2306047), 6: (2308096, 4405247), 7: (4407296, 20971486)}),
        # documentation: 500 MB banks below 10 GB; systemMediaSize
        ("8.0.3", 17825792, "default", {5: (208896, 1232895), 6: (1234944, 2258943)}),
        ("8.0.3", 400 << 20, "min", {7: (16986112, (1 << 26) - 1), 8: ((1 << 26) + 2048, (400 << 20) - 34)}),
        ("8.0.3", 400 << 20, "max", {7: (16986112, (400 << 20) - 34)}),
        ("8.0.3", 80 << 20, "default", {7: (16986112, (80 << 20) - 34)}),
    ],
)  # fmt: skip
def test_tables_are_those_of_the_release_and_the_disk(
    tmp_path: Path, release: str, size: int, media: str, desired: dict[int, tuple[int, int]]
) -> None:
    path = tmp_path / "disk"
    path.touch()
    with path.open("r+b") as stream:
        stream.truncate(size * 512)
    label = labels.Label(size)
    for partition in boot_table(release, size, media):
        label.add(partition)
    labels.write_label(str(path), label)
    assert "No problems found" in run(["sgdisk", "--verify", str(path)], timeout=60).stdout
    found = {number: (one.first, one.last) for number, one in label.partitions.items()}
    assert desired.items() <= found.items()


def test_a_boot_entry_names_partition_and_program() -> None:
    guid = "b74d6b50-5644-4515-b6df-3e2fc9b7f6bc"
    option = load_option("VMware ESXi", (1, 64, 204800, guid), "/EFI/VMware/safeboot64.efi")
    attributes, length = struct.unpack_from("<IH", option)
    assert attributes == 1
    name, _, paths = option[6:].partition("VMware ESXi".encode("utf-16-le") + b"\0\0")
    assert name == b""
    assert len(paths) == length
    assert paths[:4] == b"\x04\x01\x2a\x00"
    assert struct.unpack_from("<IQQ", paths, 4) == (1, 64, 204800)
    assert "\\EFI\\VMware\\safeboot64.efi".encode("utf-16-le") in paths
    assert paths[-4:] == b"\x7f\xff\x04\x00"

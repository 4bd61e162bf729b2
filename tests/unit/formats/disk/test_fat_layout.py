"""A new FAT volume: fsck.fat has nothing to say, mtools reads every byte, and what FAT cannot hold is refused."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from esxforge.errors import FormatError
from esxforge.formats.fat_layout import FatLayout, layout, smallest_volume_bytes
from esxforge.formats.segments import Bytes, FileRange, ImageFile, Segment, Zeros
from esxforge_target.formats.fat_names import ShortNames, folded
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.runtime.blocks import FileBlocks
from unit.formats.disk.disk_oracles import fsck_complaints, mtools_read, must, render

MIB = 1 << 20
NOISE = random.Random(5)  # noqa: S311  filler, the same every time


def installer_files() -> list[ImageFile[Segment]]:
    contents = {
        "EFI/BOOT/BOOTX64.EFI": NOISE.randbytes(90_001),
        "EFI/BOOT/BOOT.CFG": b"bootstate=0\n",
        "BOOT.CFG": b"title=x\n" * 64,
        "B.B00": NOISE.randbytes(200_000),
        "EMPTY.V00": b"",
        "curtin/curtin-hooks": b"#!/usr/bin/env python3\n",
        "curtin/A file with a very long name, which spans several slots of its directory.text": b"long",
        "curtin/A file with a very long name, which ends in another way.text": b"longer",
        "Ünïcode ☃ 日本.txt": b"unicode",
        "lower.cfg": b"l",
        "UPGRADE/METADATA.XML": NOISE.randbytes(4096),
        "esxforge.manifest": b"{}".ljust(8192),
    }
    return [ImageFile(path, Bytes(data)) for path, data in contents.items()]


def data_of(file: ImageFile[Segment]) -> bytes:
    assert isinstance(file.content, Bytes)
    return file.content.data


@pytest.mark.parametrize("fat_bits", [12, 16, 32])
@pytest.mark.parametrize("sector_size", [512, 1024, 2048, 4096])
def test_other_implementations_read_every_byte(tmp_path: Path, sector_size: int, fat_bits: int) -> None:
    files = installer_files()
    size = smallest_volume_bytes(
        files, sector_size=sector_size, fat_bits=fat_bits, label="ESXI", directories=["nothing/in here"]
    )
    made = layout(
        files,
        volume_bytes=size,
        sector_size=sector_size,
        fat_bits=fat_bits,
        label="ESXI",
        volume_id=0xCAFE1234,
        hidden_sectors=2048,
        directories=["nothing/in here"],
    )
    image = tmp_path / "volume"
    render(made.segments, image)
    assert image.stat().st_size == size
    assert fsck_complaints(image) == []
    assert made.geometry.fat_bits == fat_bits
    with FileBlocks(str(image)) as blocks:
        volume = FatVolume(blocks)
        assert volume.geometry == made.geometry
        assert volume.free_bytes() == made.free_clusters * made.cluster_size
        assert {path for path, _ in volume.walk()} >= {file.path for file in files} | {"nothing/in here"}
        for file in files:
            data = data_of(file)
            assert mtools_read(image, file.path) == data
            assert volume.read_file(file.path.swapcase()) == data
            assert blocks.read_at(made.offsets[file.path], len(data)) == data
            assert volume.extents(file.path) == ([(made.offsets[file.path], len(data))] if data else [])
    info = must("minfo", "-i", image, "::").decode()
    assert "CAFE1234" in info.upper()
    assert "hidden sectors: 2048" in info
    assert "ESXI" in must("mlabel", "-s", "-i", image, "::").decode()


def test_a_volume_inside_a_disk_is_read_at_its_offset(tmp_path: Path) -> None:
    made = layout(installer_files(), volume_bytes=40 * MIB, fat_bits=32, hidden_sectors=2048)
    image = tmp_path / "disk"
    render([Zeros(MIB), *made.segments], image)
    for file in installer_files():
        if file.path.isascii():
            assert len(mtools_read(image, file.path, MIB)) == file.size


def test_the_last_file_stands_last_and_is_followed_by_zeros_alone() -> None:
    made = layout(installer_files(), volume_bytes=64 * MIB)
    assert max(made.offsets.values()) == made.offsets["esxforge.manifest"]
    assert made.segments[-2:][0] == Bytes(b"{}".ljust(8192))
    assert isinstance(made.segments[-1], Zeros)
    assert list(made.offsets) == [file.path for file in installer_files()]


def test_the_same_content_gives_the_same_bytes() -> None:
    def digest(made: FatLayout) -> str:
        return hashlib.sha256(repr(made.segments).encode()).hexdigest()

    files = [ImageFile(f"F{number % 7}/name {number}.dat", Bytes(b"x" * number)) for number in range(200)]
    one = layout(files, volume_bytes=40 * MIB, fat_bits=32, volume_id=7)
    assert digest(one) == digest(layout(files, volume_bytes=40 * MIB, fat_bits=32, volume_id=7))
    # Any change of this number changes every image: it belongs into the changelog.
    assert digest(one) == "aee4691df08be8363bb20e9f5c06826eea996fe6a8c4a9f91a32c1412d578189"


def test_a_boot_bank_with_vmwares_marker_and_more_reserved_sectors(tmp_path: Path) -> None:
    marker = bytes(range(16))
    made = layout(
        installer_files(), volume_bytes=32 * MIB, fat_bits=16, reserved_sectors=4, vmware_uuid=marker, fat_count=1
    )
    image = tmp_path / "bank"
    render(made.segments, image)
    assert fsck_complaints(image) == []
    assert image.read_bytes()[512:544] == b"VMWARE FAT16    " + marker
    assert made.geometry.reserved_sectors == 4
    with pytest.raises(FormatError, match="FAT16 volume with at least two reserved sectors"):
        layout([], volume_bytes=40 * MIB, fat_bits=32, vmware_uuid=marker)
    with pytest.raises(FormatError, match="16 bytes long, not 3"):
        layout([], volume_bytes=32 * MIB, fat_bits=16, vmware_uuid=b"abc")


def test_fat32_always_has_the_clusters_it_needs() -> None:
    for sector_size in (512, 1024, 2048, 4096):
        size = smallest_volume_bytes([], sector_size=sector_size, fat_bits=32)
        made = layout([], volume_bytes=size, sector_size=sector_size, fat_bits=32)
        assert made.geometry.cluster_count >= 65525 + 16
        assert size <= 65525 * sector_size + 3 * MIB
        with pytest.raises(FormatError, match=r"65541 to .* needed"):
            layout([], volume_bytes=65525 * sector_size, sector_size=sector_size, fat_bits=32)
    with pytest.raises(FormatError, match="clusters, 4101 to 65508 needed"):
        layout([], volume_bytes=1 * MIB, fat_bits=16)


def test_a_large_tree_takes_little_more_than_its_bytes() -> None:
    files = [
        ImageFile(f"F{number}.V00", FileRange(Path("iso"), number * 6_000_000, 6_000_000)) for number in range(100)
    ]
    size = smallest_volume_bytes(files, slack_bytes=10 * MIB)
    assert 610 * MIB * 0.95 < size < 600_000_000 + 20 * MIB
    made = layout(files, volume_bytes=size)
    assert sum(segment.length for segment in made.segments) == size
    assert made.free_clusters * made.cluster_size >= 10 * MIB
    assert made.cluster_size == 4096


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["EFI/BOOT/Boot.cfg", "efi/boot/BOOT.CFG"], r"/EFI and /efi are one name"),
        (["EFI/Boot.cfg", "EFI/BOOT.CFG"], r"/EFI/Boot\.cfg and /EFI/BOOT\.CFG are one name"),
        (["é.txt", "É.TXT"], r"are one name"),
        (["a", "a/b"], "are one name"),
        (["a/b", "a"], "are one name"),
        (["a", "a"], "are one name"),
        (["x:y"], "':' is not allowed"),
        (["a\tb"], r"'\\t' is not allowed"),
        (["dot."], "may not end in"),
        (["blank "], "may not end in"),
        ([" blank"], "may not begin"),
        (["a//b"], "not a name"),
        (["../x"], "not a name"),
        ([""], "not a name"),
        (["x" * 256], "256 units of UTF-16 long"),
        (["\udc80"], "not valid text"),
    ],
)
def test_names_that_fat_cannot_hold_are_refused(paths: list[str], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        layout([ImageFile(path, Bytes(b"")) for path in paths], volume_bytes=MIB)


def test_what_does_not_fit_is_refused_with_its_size() -> None:
    with pytest.raises(FormatError, match=r"HUGE is 4294967296 bytes long"):
        layout([ImageFile("HUGE", Zeros(1 << 32))], volume_bytes=1 << 33)
    layout([ImageFile("LARGE", Zeros((1 << 32) - 1))], volume_bytes=5 << 30)
    many = [ImageFile(f"{number}.TXT", Bytes(b"")) for number in range(513)]
    with pytest.raises(FormatError, match="room for 512 slots: 513 files and directories need 513"):
        layout(many, volume_bytes=32 * MIB, fat_bits=16)
    layout(many[:512], volume_bytes=32 * MIB, fat_bits=16)
    with pytest.raises(FormatError, match=r"need 768 clusters .* has \d+"):
        layout([ImageFile("A", Zeros(3 * MIB))], volume_bytes=2 * MIB)
    with pytest.raises(FormatError, match="cannot be 1000 bytes long"):
        layout([], volume_bytes=1000)
    with pytest.raises(FormatError, match="label"):
        layout([], volume_bytes=MIB, label="lower")
    too_many = [ImageFile(f"D/{number}", Bytes(b"")) for number in range(65537)]
    with pytest.raises(FormatError, match="too many files for FAT: 65537"):
        layout(too_many, volume_bytes=64 * MIB)


def test_short_names_are_unique_and_never_take_one_that_a_file_has() -> None:
    names = ShortNames({"LONGNA~1.TXT"})
    assert names.take("long name.txt") == "LONGNA~2.TXT"
    assert names.take("Long.txt") == "LONG.TXT"
    assert names.take(".profile") == "PROFIL~1"
    assert names.take("a+b.c d.html") == "A_BCD~1.HTM"
    assert len({names.take(f"something {number}") for number in range(1200)}) == 1200


def test_deep_directories_do_no_harm(tmp_path: Path) -> None:
    path = "/".join(["d"] * 1500) + "/file"
    made = layout([ImageFile(path, Bytes(b"deep"))], volume_bytes=40 * MIB, fat_bits=32)
    image = tmp_path / "deep"
    render(made.segments, image)
    with FileBlocks(str(image)) as blocks:
        assert FatVolume(blocks).read_file(path) == b"deep"


part = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='"*/:<>?\\|'), min_size=1, max_size=30
).map(lambda text: text.strip(". ") or "x")
trees = st.dictionaries(st.lists(part, min_size=1, max_size=3).map("/".join), st.binary(max_size=3000), max_size=12)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees, fat_bits=st.sampled_from([12, 16]))
def test_any_tree_survives(tmp_path: Path, tree: dict[str, bytes], fat_bits: int) -> None:
    files = [ImageFile(path, Bytes(data)) for path, data in tree.items()]
    try:
        made = layout(files, volume_bytes=6 * MIB, fat_bits=fat_bits)
    except FormatError as error:
        assume("one name" not in error.message)
        raise
    image = tmp_path / "volume"
    render(made.segments, image)
    assert fsck_complaints(image) == []
    with FileBlocks(str(image)) as blocks:
        volume = FatVolume(blocks)
        read = {path: volume.read_file(path) for path, entry in volume.walk() if not entry.is_directory}
    assert {folded(path): data for path, data in read.items()} == {folded(p): d for p, d in tree.items()}
    assert len(read) == len(tree)

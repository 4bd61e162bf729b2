"""Volumes made by mkfs.fat, changed in place: fsck.fat has nothing to say, mtools reads what was meant."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esxforge.errors import FormatError
from esxforge.formats.fat_layout import layout
from esxforge.formats.segments import Bytes, ImageFile
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.fat_names import folded
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.runtime.blocks import Blocks, DiskError, FileBlocks, MemoryBlocks
from unit.formats.disk.disk_oracles import fsck_complaints, mkfs, mtools_read, must, render

MIB = 1 << 20
VOLUMES = [
    (1, "-F12"),
    (2, "-F12 -f1 -s8 -R3"),
    (1, "-F12 -S1024 -r64"),
    (16, "-F16"),
    (20, "-F16 -f1 -s1 -R4"),
    (64, "-F16 -S4096 -s1 -R2"),
    (36, "-F32 -s1"),
    (70, "-F32 -s2 -R64 -f1"),
    (70, "-F32 -S1024 -s1"),
]
noise = random.Random(9)  # noqa: S311  filler, the same every time


def content(length: int) -> bytes:
    return noise.randbytes(length)


@pytest.fixture(params=VOLUMES, ids=[f"{size}MiB{options}".replace(" ", "") for size, options in VOLUMES])
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A volume of mkfs.fat with files that mtools put there."""
    size, options = request.param
    image = tmp_path / "volume"
    mkfs(image, size * MIB, *options.split(), "-i", "1234abcd", "-n", "BANK")
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 40)
    for name in ("BOOT.CFG", "lower.cfg", "A long name.text", "gone.txt", "kept.txt"):
        must("mcopy", "-i", image, source, f"::/{name}")
    must("mmd", "-i", image, "::/EFI", "::/EFI/Boot")
    must("mcopy", "-i", image, source, "::/EFI/Boot/bootx64.efi")
    must("mdel", "-i", image, "::/gone.txt")
    return image


def edited(image: Path, change: Callable[[FatEditor], None]) -> None:
    with FileBlocks(str(image), writable=True) as blocks:
        change(FatEditor(blocks))


def test_what_mtools_wrote_is_read(volume: Path) -> None:
    with FileBlocks(str(volume)) as blocks:
        fat = FatVolume(blocks)
        found = {path for path, _ in fat.walk()}
        assert found == {
            "BOOT.CFG", "lower.cfg", "A long name.text", "kept.txt", "EFI", "EFI/Boot", "EFI/Boot/bootx64.efi",
        }  # fmt: skip
        assert fat.read_file("efi/BOOT/BOOTX64.EFI") == bytes(range(256)) * 40
        assert fat.read_file("ALONGN~1.TEX") == fat.read_file("/a LONG name.TEXT")
        assert b"".join(blocks.read_at(*extent) for extent in fat.extents("kept.txt")) == bytes(range(256)) * 40
        assert fat.find("gone.txt") is None
        assert [entry.name for entry in fat.list_directory("EFI")] == ["Boot"]


def test_every_change_is_what_mtools_and_fsck_see(volume: Path) -> None:
    new = {
        "BOOT.CFG": content(30_000),
        "lower.cfg": b"",
        "A LONG NAME.text": content(1),
        "EFI/boot/another file with a name.dat": content(70_000),
        "EFI/NEW.TXT": b"new",
        "new directory/in it": content(5000),
    }

    def change(fat: FatEditor) -> None:
        fat.make_directory("new directory")
        fat.make_directory("NEW DIRECTORY")
        for path, data in new.items():
            fat.write_file(path, data)
        fat.remove("kept.txt")
        fat.make_directory("for a moment")
        fat.remove("for a moment")
        assert FatVolume(fat.blocks).free_bytes() == fat.free_bytes()

    edited(volume, change)
    assert fsck_complaints(volume) == []
    for path, data in new.items():
        assert mtools_read(volume, path) == data
    assert mtools_read(volume, "EFI/Boot/bootx64.efi") == bytes(range(256)) * 40
    listed = must("mdir", "-b", "-/", "-i", volume, "::").decode()
    assert "kept.txt" not in listed
    assert "for a moment" not in listed
    assert "::/A long name.text" in listed


def test_many_files_make_a_directory_grow(volume: Path) -> None:
    names = [
        f"EFI/file number {number} with a rather long name, so that several slots are needed" for number in range(40)
    ]

    def change(fat: FatEditor) -> None:
        for name in names:
            fat.write_file(name, name.encode())
        for name in names[::3]:
            fat.remove(name)
        for name in names[::3]:
            fat.write_file(name + " again", name.encode())

    edited(volume, change)
    assert fsck_complaints(volume) == []
    for number, name in enumerate(names):
        assert mtools_read(volume, name if number % 3 else name + " again") == name.encode()


def test_overwriting_in_place_touches_nothing_else(volume: Path) -> None:
    before = volume.read_bytes()
    with FileBlocks(str(volume)) as blocks:
        ((start, length),) = FatVolume(blocks).extents("BOOT.CFG")
        cluster = FatVolume(blocks).geometry.cluster_size
    edited(volume, lambda fat: fat.overwrite("BOOT.CFG", b"secret"))
    after = volume.read_bytes()
    end = start + -(-length // cluster) * cluster
    assert after[start:end] == b"secret".ljust(end - start, b"\0")
    assert after[:start] + after[end:] == before[:start] + before[end:]
    with pytest.raises(FormatError, match="10240 bytes long: 10241 bytes do not fit"):
        edited(volume, lambda fat: fat.overwrite("BOOT.CFG", bytes(10241)))


def test_wiped_content_is_nowhere_on_the_volume_any_more(volume: Path) -> None:
    secret = b"the root password of this host"
    edited(volume, lambda fat: fat.write_file("SECRET.TXT", secret * 1000))
    edited(volume, lambda fat: fat.write_file("OTHER.TXT", secret * 1000))
    assert secret in volume.read_bytes()
    edited(volume, lambda fat: fat.remove("secret.txt", wipe=True))
    edited(volume, lambda fat: fat.write_file("other.txt", b"harmless", wipe_old=True))
    assert secret not in volume.read_bytes()
    assert fsck_complaints(volume) == []


def test_a_mark_of_an_unclean_unmount_stays(tmp_path: Path) -> None:
    image = tmp_path / "volume"
    mkfs(image, 36 * MIB, "-F32", "-s1")
    marked = bytearray(image.read_bytes())
    marked[0x41] |= 1
    image.write_bytes(marked)
    edited(image, lambda fat: fat.write_file("A.TXT", b"a"))
    assert image.read_bytes()[0x41] & 1
    assert any("Dirty bit is set" in line for line in fsck_complaints(image))


def test_fragments_are_used_when_no_run_is_long_enough(tmp_path: Path) -> None:
    image = tmp_path / "volume"
    mkfs(image, MIB // 2, "-F12", "-s1")

    def change(fat: FatEditor) -> None:
        count = 0
        while fat.free_bytes() >= 4096:
            fat.write_file(f"{count}.BIN", bytes([count % 256]) * 4096)
            count += 1
        for number in range(0, count, 2):
            fat.remove(f"{number}.BIN")
        fat.write_file("WHOLE.BIN", bytes(range(250)) * 400)
        assert len(fat.extents("WHOLE.BIN")) > 10

    edited(image, change)
    assert fsck_complaints(image) == []
    assert mtools_read(image, "WHOLE.BIN") == bytes(range(250)) * 400


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    image = tmp_path / "volume"
    mkfs(image, MIB, "-F12", "-r16")
    edited(image, lambda fat: fat.write_file("A.TXT", b"a" * 600_000))
    before = image.read_bytes()
    for path, data, message in (
        ("A.TXT", bytes(600_000), "bytes free, 600064 are needed"),
        ("x:y", b"", "':' is not allowed"),
        ("NO/FILE", b"", "There is no /NO "),
        ("A.TXT/FILE", b"", "A.TXT is a file, not a directory"),
        ("x" * 200, b"", "root directory of the FAT volume is full"),
    ):
        with pytest.raises(FormatError, match=message):
            edited(image, lambda fat, path=path, data=data: fat.write_file(path, data))  # type: ignore[misc]
    for wrong in ("NOTHING", "NO/FILE", ""):
        with pytest.raises(FormatError, match="There is no /"):
            edited(image, lambda fat, wrong=wrong: fat.remove(wrong))  # type: ignore[misc]
    assert image.read_bytes() == before


def test_directories_and_files_do_not_take_each_others_place(tmp_path: Path) -> None:
    image = tmp_path / "volume"
    mkfs(image, MIB, "-F12")

    def change(fat: FatEditor) -> None:
        fat.make_directory("D")
        fat.write_file("D/F", b"f")
        with pytest.raises(FormatError, match="/d is a directory"):
            fat.write_file("d", b"")
        with pytest.raises(FormatError, match="/D/F is a file"):
            fat.make_directory("D/F")
        with pytest.raises(FormatError, match="/D is a directory that is not empty"):
            fat.remove("D")
        with pytest.raises(FormatError, match="/D is a directory, not a file"):
            fat.read_file("D")
        with pytest.raises(FormatError, match="1 bytes long, at most 0"):
            fat.read_file("D/F", most=0)

    edited(image, change)
    assert fsck_complaints(image) == []


def test_the_uuid_in_vmwares_marker_is_read_and_renewed() -> None:
    made = layout([ImageFile("BOOT.CFG", Bytes(b"x"))], volume_bytes=32 * MIB, fat_bits=16, vmware_uuid=bytes(16))
    disk = MemoryBlocks(b"".join(s.data if isinstance(s, Bytes) else bytes(s.length) for s in made.segments))
    before = bytes(disk.data)
    bank = FatEditor(disk)
    assert bank.vmware_uuid() == bytes(16)
    bank.set_vmware_uuid(bytes(range(16)))
    assert FatVolume(disk).vmware_uuid() == bytes(range(16))
    assert bytes(disk.data) == before[:528] + bytes(range(16)) + before[544:]
    disk.data[512] = 0
    with pytest.raises(FormatError, match="not a boot bank"):
        bank.set_vmware_uuid(bytes(16))


def test_a_new_serial_number_is_what_other_tools_read_and_the_backup_has_it_too(volume: Path) -> None:
    assert must("fatlabel", "-i", volume).split()[-1] == b"1234abcd"
    before = volume.read_bytes()
    edited(volume, lambda fat: fat.set_serial(bytes.fromhex("04030201")))
    assert must("fatlabel", "-i", volume).split()[-1] == b"01020304"
    assert fsck_complaints(volume) == []
    with FileBlocks(str(volume)) as blocks:
        assert FatVolume(blocks).serial() == bytes.fromhex("04030201")
    after = volume.read_bytes()
    changed = [at for at in range(0, len(after), 512) if after[at : at + 512] != before[at : at + 512]]
    assert len(changed) == (2 if b"FAT32" in before[:512] else 1)


def test_a_volume_without_a_serial_number_is_left_as_it_is() -> None:
    made = layout([ImageFile("BOOT.CFG", Bytes(b"x"))], volume_bytes=32 * MIB, fat_bits=16)
    disk = MemoryBlocks(b"".join(s.data if isinstance(s, Bytes) else bytes(s.length) for s in made.segments))
    disk.data[38] = 0
    before = bytes(disk.data)
    FatEditor(disk).set_serial(b"abcd")
    assert bytes(disk.data) == before
    assert FatVolume(disk).serial() == b""


class FailingDisk(MemoryBlocks):
    """Fails at the n-th write, like a disk with a bad sector."""

    def __init__(self, data: bytes, writes_left: int) -> None:
        super().__init__(data)
        self.writes_left = writes_left

    def write_at(self, offset: int, data: bytes) -> None:
        self.writes_left -= 1
        if self.writes_left == 0:
            raise DiskError("disk: writing failed.")
        super().write_at(offset, data)


def test_after_a_failed_write_the_same_editor_goes_on(tmp_path: Path) -> None:
    image = tmp_path / "volume"
    mkfs(image, 36 * MIB, "-F32", "-s1")
    start = image.read_bytes()
    for writes in range(1, 9):
        disk = FailingDisk(start, writes)
        fat = FatEditor(disk)
        with pytest.raises(DiskError):
            for _ in range(3):
                fat.write_file("A long name.cfg", b"first" * 500)
        fat.write_file("A long name.cfg", b"second" * 500)
        assert FatVolume(disk).read_file("A long name.cfg") == b"second" * 500


# -- any sequence of changes against a dictionary -----------------------------------------------------------------

names = st.sampled_from(
    [
        "BOOT.CFG",
        "boot.cfg",
        "a",
        "A longer name of a file.text",
        "A longer name of a file.data",
        "D/x",
        "D/" + "y" * 230,
    ]
)
steps = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "overwrite"]), names, st.binary(max_size=2000)), max_size=25
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, options=st.sampled_from(["-F12 -s1", "-F12 -s4 -f1", "-F16 -s1", "-F32 -s1"]))
def test_any_changes_give_what_a_dictionary_gives(
    tmp_path: Path, steps: list[tuple[str, str, bytes]], options: str
) -> None:
    image = tmp_path / "volume"
    mkfs(image, (1 if "12" in options else 3 if "16" in options else 36) * MIB, *options.split())
    known: dict[str, bytes] = {}
    with FileBlocks(str(image), writable=True) as blocks:
        fat = FatEditor(blocks)
        fat.make_directory("D")
        for verb, path, data in steps:
            key = folded(path)
            if verb == "write":
                fat.write_file(path, data)
                known[key] = data
            elif key in known and verb == "remove":
                fat.remove(path)
                del known[key]
            elif key in known:
                fat.overwrite(path, data[: len(known[key])])
                known[key] = data[: len(known[key])].ljust(len(known[key]), b"\0")
    assert fsck_complaints(image) == []
    with FileBlocks(str(image)) as blocks:
        again = FatVolume(blocks)
        assert {folded(p): again.read_file(p) for p, entry in again.walk() if not entry.is_directory} == known


# -- damaged volumes ----------------------------------------------------------------------------------------------


def read_everything(disk: Blocks) -> None:
    """What a curious caller does; FormatError is the only error it may meet."""
    fat = FatEditor(disk)
    fat.free_bytes()
    fat.vmware_uuid()
    for path, entry in fat.walk():
        if not entry.is_directory:
            fat.read_file(path, most=1 << 20)
    fat.write_file("NEW.TXT", b"new")
    fat.remove("NEW.TXT")


@pytest.fixture(scope="module")
def small_volumes() -> list[bytes]:
    files = [ImageFile(path, Bytes(content(3000))) for path in ("A.TXT", "D/a long name.txt", "D/E/F")]
    made = [
        layout(files, volume_bytes=MIB, fat_bits=12),
        layout(files, volume_bytes=3 * MIB, fat_bits=16, vmware_uuid=bytes(16)),
    ]
    return [b"".join(s.data if isinstance(s, Bytes) else bytes(s.length) for s in one.segments) for one in made]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 1), changes=st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 255)), max_size=30))
def test_damage_is_a_format_error_or_harmless(
    small_volumes: list[bytes], which: int, changes: list[tuple[int, int]]
) -> None:
    disk = MemoryBlocks(small_volumes[which])
    for offset, value in changes:
        disk.data[offset] = value
    with contextlib.suppress(FormatError):
        read_everything(disk)


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_garbage_is_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        FatVolume(MemoryBlocks(data))
    with pytest.raises(FormatError):
        FatVolume(MemoryBlocks(data.ljust(510, b"\0")[:510] + b"\x55\xaa" + bytes(10_000))).read_file("A")


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (11, b"\x01\x02", "513 bytes a sector"),
        (13, b"\x03", "3 sectors a cluster"),
        (14, b"\x00\x00", "no reserved sectors"),
        (16, b"\x09", "9 FATs"),
        (17, b"\x00\x00", "0 entries in the root"),
        (19, b"\xff\xff", "65535 sectors on 3145728 bytes"),
        (21, b"\x00", "media 0x0"),
        (22, b"\x01\x00", "a FAT of 1 sectors has no room"),
        (22, b"\x00\x00", "FAT"),
        (22, b"\x00\x20", "no room for data"),
        (510, b"\x00", "does not end in 55 AA"),
    ],
)
def test_a_boot_sector_that_cannot_be_true_says_why(
    small_volumes: list[bytes], offset: int, value: bytes, message: str
) -> None:
    disk = MemoryBlocks(small_volumes[1])
    disk.write_at(offset, value)
    with pytest.raises(FormatError, match=message):
        FatVolume(disk)


def test_loops_and_chains_that_leave_the_volume_are_named(small_volumes: list[bytes]) -> None:
    def damaged(cluster: int, value: int) -> FatEditor:
        disk = MemoryBlocks(small_volumes[1])
        fat = FatVolume(disk)
        for copy in range(2):
            disk.write_at(fat.geometry.fat_offset(copy) + cluster * 2, value.to_bytes(2, "little"))
        return FatEditor(disk)

    first = FatVolume(MemoryBlocks(small_volumes[1])).entry("A.TXT").cluster
    for value, message in (
        (first, "/A.TXT: its chain of clusters is a loop"),
        (0, "goes on after cluster .* to a free one"),
        (0xFFF0, "goes to cluster 65520"),
        (0xFFF7, "goes to cluster 65527"),
        (0xFFFF, "is 3000 bytes long, but has 1 clusters"),
    ):
        with pytest.raises(FormatError, match=message):
            damaged(first, value).read_file("A.TXT")
    directory = FatVolume(MemoryBlocks(small_volumes[1])).entry("D").cluster
    with pytest.raises(FormatError, match="/D: its chain of clusters is a loop"):
        damaged(directory, directory).list_directory("D")


def test_directories_in_a_circle_end(small_volumes: list[bytes]) -> None:
    disk = MemoryBlocks(small_volumes[1])
    fat = FatVolume(disk)
    entry = fat.entry("D/E")
    slot = fat.directory("D").slot_offset(entry.slot)
    disk.write_at(slot + 26, fat.entry("D").cluster.to_bytes(2, "little"))
    with pytest.raises(FormatError, match="directories lead in a circle"):
        list(FatVolume(disk).walk())


def test_a_volume_laid_out_here_can_be_changed(tmp_path: Path) -> None:
    made = layout([ImageFile("BOOT.CFG", Bytes(b"old"))], volume_bytes=257 * MIB, sector_size=4096, fat_bits=32)
    image = tmp_path / "volume"
    render(made.segments, image)
    edited(image, lambda fat: fat.write_file("boot.cfg", b"new" * 5000))
    assert fsck_complaints(image) == []
    assert mtools_read(image, "BOOT.CFG") == b"new" * 5000

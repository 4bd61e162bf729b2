"""Power is cut at every write, in its middle, and with unflushed writes out of order: old or new, nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.runtime.blocks import MemoryBlocks
from unit.formats.disk.disk_oracles import RecordingDisk, fsck_complaints, mkfs

MIB = 1 << 20
# What may be left: clusters that nobody has, copies of the FAT that differ in them, a number that is not set.
HARMLESS = re.compile(
    r"Reclaimed \d+ unused clusters? \(\d+ bytes\)|Leaving filesystem unchanged|"
    r"FATs differ but appear to be intact|Using first FAT|Free cluster summary uninitialized \(should be \d+\)|"
    r"Automatically|1\) |2\) |\? 1"
)
VOLUMES = {"FAT12": (1, "-F12 -s1"), "FAT16": (3, "-F16 -s1 -f1"), "FAT32": (3, "-F32 -s1")}
OLD = b"old" * 400
NEW = b"new!" * 700
LONG = "A name that takes more than one slot.text"
CROWD = [f"{number:03}.TXT" for number in range(14)]


def start(image: Path, kind: str) -> bytes:
    size, options = VOLUMES[kind]
    mkfs(image, size * MIB, *options.split())
    disk = MemoryBlocks(image.read_bytes())
    fat = FatEditor(disk)
    fat.make_directory("D")
    for path in ("BOOT.CFG", LONG, "D/BOOT.CFG", "D/" + LONG):
        fat.write_file(path, OLD)
    for name in CROWD[:8]:
        fat.write_file("D/" + name, b"crowd")
    return bytes(disk.data)


def states(disk: RecordingDisk) -> Iterator[bytes]:
    seen: set[int] = set()
    for state in disk.cut_everywhere():
        key = hash(state)
        if key not in seen:
            seen.add(key)
            yield state


CHANGES: dict[str, tuple[str, Callable[[FatEditor], None], bytes | None, bytes | None]] = {
    "replace": ("BOOT.CFG", lambda fat: fat.write_file("BOOT.CFG", NEW), OLD, NEW),
    "replace and wipe": (LONG, lambda fat: fat.write_file(LONG, NEW, wipe_old=True), OLD, NEW),
    "replace in a directory": ("D/" + LONG, lambda fat: fat.write_file("D/" + LONG, NEW), OLD, NEW),
    "empty": ("D/BOOT.CFG", lambda fat: fat.write_file("D/BOOT.CFG", b""), OLD, b""),
    "new": ("D/NEW.TXT", lambda fat: fat.write_file("D/NEW.TXT", NEW), None, NEW),
    "new with a long name": ("D/new " + LONG, lambda fat: fat.write_file("D/new " + LONG, NEW), None, NEW),
    "new in a directory that grows": (
        "D/" + "n" * 180,
        lambda fat: fat.write_file("D/" + "n" * 180, NEW),
        None,
        NEW,
    ),
    "remove": ("BOOT.CFG", lambda fat: fat.remove("BOOT.CFG"), OLD, None),
    "remove a long name": (LONG, lambda fat: fat.remove(LONG), OLD, None),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("kind", sorted(VOLUMES))
def test_a_power_cut_leaves_the_old_file_or_the_new_one(tmp_path: Path, kind: str, change: str) -> None:
    image = tmp_path / "volume"
    whole = start(image, kind)
    image.write_bytes(whole)
    disk = RecordingDisk(whole)
    # fsck.fat always warns of so small a FAT32; a real one would only make every state slow to write.
    before = fsck_complaints(image)
    assert kind == "FAT32" or before == []
    path, make, old, new = CHANGES[change]
    make(FatEditor(disk))
    found = []
    for state in states(disk):
        fat = FatVolume(MemoryBlocks(state))
        entry = fat.find(path)
        found.append(None if entry is None else fat.read_file(path))
        assert found[-1] in (old, new)
        for other in {"BOOT.CFG", LONG, "D/BOOT.CFG", "D/" + LONG} - {path}:
            assert fat.read_file(other) == OLD
        assert [fat.read_file("D/" + name) for name in CROWD[:8]] == [b"crowd"] * 8
        image.write_bytes(state)
        assert [line for line in fsck_complaints(image) if line not in before and not HARMLESS.search(line)] == []
    assert found[0] == old
    assert found[-1] == new
    image.write_bytes(bytes(disk.data))
    assert fsck_complaints(image) == before


@pytest.mark.parametrize("kind", sorted(VOLUMES))
def test_after_a_power_cut_the_change_can_be_made_again(tmp_path: Path, kind: str) -> None:
    disk = RecordingDisk(start(tmp_path / "volume", kind))
    FatEditor(disk).write_file(LONG, NEW)
    for state in states(disk):
        again = MemoryBlocks(state)
        FatEditor(again).write_file(LONG, NEW)
        assert FatVolume(again).read_file(LONG) == NEW


def test_wiped_content_is_gone_from_the_moment_that_the_entry_is(tmp_path: Path) -> None:
    disk = RecordingDisk(start(tmp_path / "volume", "FAT16"))
    fat = FatEditor(disk)
    fat.write_file("SECRET", b"password of this host" * 50)
    disk.before, disk.groups = bytes(disk.data), [[]]
    fat.remove("SECRET", wipe=True)
    for state in states(disk):
        if FatVolume(MemoryBlocks(state)).find("SECRET") is None:
            assert b"password of this host" not in state

"""The target's disk code really runs on the Pythons that targets have."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import esxforge_target
from standin.pythons import find_python, run_on
from unit.formats.disk.disk_oracles import fsck_complaints, mkfs, mtools_read, must

PACKAGE = Path(esxforge_target.__file__).parent

SCRIPT = """
import sys, uuid
from esxforge_target.runtime.blocks import FileBlocks, Window
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.gpt import EFI_SYSTEM, GptPartition, Table
from esxforge_target.formats.gpt_disk import read_table, disk_identities, write_table

with FileBlocks(sys.argv[1], writable=True) as disk:
    table = Table.empty(uuid.uuid4(), 512, disk.size // 512)
    table = table.with_partition(1, GptPartition(EFI_SYSTEM, uuid.uuid4(), 2048, 2048 + 4096 - 1, "ESP"))
    write_table(disk, table)
    assert read_table(disk).table == table
    assert disk_identities(disk.read_at(0, 65536))[0].disk_guid == table.disk_guid
    fat = FatEditor(Window(disk, *read_table(disk).table.byte_range(1)))
    fat.make_directory("EFI")
    fat.write_file("EFI/a long name.cfg", b"first" * 1000)
    fat.write_file("EFI/a long name.cfg", b"second" * 1000)
    fat.write_file("gone", b"x")
    fat.remove("gone", wipe=True)
    assert [path for path, _ in fat.walk()] == ["EFI", "EFI/a long name.cfg"]
"""


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.13"])
def test_a_disk_is_edited_on_an_old_python(tmp_path: Path, version: str) -> None:
    program = find_python(version)
    volume, disk, script = tmp_path / "volume", tmp_path / "disk", tmp_path / "script.py"
    mkfs(volume, 2 << 20, "-F12")
    disk.write_bytes(bytes(1 << 20) + volume.read_bytes() + bytes(1 << 20))
    script.write_text(SCRIPT)
    done = run_on(program, script, str(disk), path=[PACKAGE.parent])
    assert (done.returncode, done.stderr) == (0, "")
    assert mtools_read(disk, "EFI/a long name.cfg", 1 << 20) == b"second" * 1000
    assert "No problems found" in must("sgdisk", "-v", disk).decode()
    volume.write_bytes(disk.read_bytes()[1 << 20 : 3 << 20])
    assert fsck_complaints(volume) == []


def test_the_syntax_is_that_of_python_3_5() -> None:
    for path in [PACKAGE / "runtime/blocks.py", *PACKAGE.glob("formats/gpt*.py"), *PACKAGE.glob("formats/fat_*.py")]:
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 5))

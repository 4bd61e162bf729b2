"""Stamps are read of each disk once, and a disk that hangs costs its own time only."""

from __future__ import annotations

import os
import select
import uuid
from pathlib import Path
from typing import Any

import pytest

from esxforge_target.formats.gpt import Table
from esxforge_target.inventory.disk_identities import DeviceDirectory

ONE, TWO = uuid.UUID(int=0x11), uuid.UUID(int=0x22)


def disk(path: Path, disk_guid: uuid.UUID, sector_size: int = 512) -> None:
    """A disk image of its own: sgdisk's view of it is checked where the GPT code is tested."""
    table = Table.empty(disk_guid, sector_size, 4096)
    path.write_bytes(table.primary_bytes().ljust(4096 * sector_size, b"\0"))


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_stamps_are_read_at_either_sector_size(tmp_path: Path, sector_size: int) -> None:
    disk(tmp_path / "naa.1", ONE, sector_size)
    (tmp_path / "empty").write_bytes(bytes(100000))
    (tmp_path / "short").write_bytes(b"x")
    assert DeviceDirectory(str(tmp_path)).stamps() == {"naa.1": (str(ONE),), "empty": (), "short": ()}


def test_symlinks_partitions_and_second_names_are_left_out(tmp_path: Path) -> None:
    disk(tmp_path / "mpx.vmhba0:C0:T0:L0", ONE)
    (tmp_path / "mpx.vmhba0:C0:T0:L0:1").write_bytes(b"")
    (tmp_path / "vml.0000").symlink_to("mpx.vmhba0:C0:T0:L0")
    os.link(tmp_path / "mpx.vmhba0:C0:T0:L0", tmp_path / "t10.second-name")
    (tmp_path / "directory").mkdir()
    assert DeviceDirectory(str(tmp_path)).names() == ["mpx.vmhba0:C0:T0:L0"]


def test_a_disk_that_hangs_is_left_behind(tmp_path: Path) -> None:
    disk(tmp_path / "a", ONE)
    os.mkfifo(tmp_path / "b")  # opening it waits for a writer, who never comes
    disk(tmp_path / "c", TWO)
    assert DeviceDirectory(str(tmp_path), seconds=0.5).stamps() == {"a": (str(ONE),), "c": (str(TWO),)}


def test_many_disks_that_hang_cost_no_more_than_one_and_less_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    real = select.select

    def count(*given: Any) -> Any:
        found = real(*given)
        if not found[0]:
            waits.append(given[3])
        return found

    monkeypatch.setattr("esxforge_target.inventory.disk_identities.select.select", count)
    monkeypatch.setattr("esxforge_target.inventory.disk_identities._AGAIN_SECONDS", 0.1)
    for number in range(40):
        os.mkfifo(tmp_path / f"dead{number}")
    disk(tmp_path / "zz", TWO)
    directory = DeviceDirectory(str(tmp_path), seconds=0.5)
    assert directory.stamps() == {"zz": (str(TWO),)}
    assert len(waits) == 1
    disk(tmp_path / "new", ONE)
    assert directory.stamps() == {"new": (str(ONE),), "zz": (str(TWO),)}
    assert len(waits) == 2
    assert waits[1] <= 0.1
    (tmp_path / "dead7").unlink()
    disk(tmp_path / "dead7", ONE)
    assert directory.stamps()["dead7"] == (str(ONE),)


def test_a_directory_that_is_not_there_has_no_disks(tmp_path: Path) -> None:
    assert DeviceDirectory(str(tmp_path / "nowhere")).stamps() == {}

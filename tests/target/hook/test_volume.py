"""The volume that the hook runs from: what can be said of it where nothing is mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from esxforge_target.hook.machine import LinuxHost
from esxforge_target.hook.volume import FatBlocksVolume, MountedVolume
from esxforge_target.runtime.blocks import DiskError, MemoryBlocks
from target.hook.conftest import Deployed
from unit.formats.disk.disk_oracles import fsck_complaints, mkfs, must


@pytest.mark.parametrize(("size", "kind"), [(16 << 20, "-F16"), (40 << 20, "-F32")])
def test_a_mounted_volume_gets_its_serial_number_through_its_own_device(tmp_path: Path, size: int, kind: str) -> None:
    directory = tmp_path / "mounted"
    number = tmp_path.stat().st_dev
    nodes = tmp_path / "sys/dev/block"
    for one in (directory, nodes, tmp_path / "sys/devices/sdx/sdx1", tmp_path / "dev"):
        one.mkdir(parents=True)
    (nodes / f"{os.major(number)}:{os.minor(number)}").symlink_to("../../devices/sdx/sdx1")
    device = tmp_path / "dev/sdx1"
    mkfs(device, size, kind, "-i", "1234abcd")
    LinuxHost(str(tmp_path)).open_volume(str(directory), MemoryBlocks(b"")).set_serial(bytes.fromhex("04030201"))
    assert must("fatlabel", "-i", device).split()[-1] == b"01020304"
    assert fsck_complaints(device) == []


def test_a_serial_number_that_cannot_be_written_is_told_and_stops_nothing(
    tmp_path: Path, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = MountedVolume(str(tmp_path), str(tmp_path / "no-such-device"))
    with pytest.raises(DiskError, match="no-such-device"):
        mounted.set_serial(b"abcd")
    monkeypatch.setattr(FatBlocksVolume, "set_serial", lambda _, serial: mounted.set_serial(serial))
    bench, config = deployed()
    assert bench.run(config) == 0, bench.output
    assert "the volume of the hook keeps the image's serial number: The serial number cannot be written" in bench.output

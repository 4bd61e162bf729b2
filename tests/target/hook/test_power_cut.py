"""A disk that fails, and a machine that loses its power, at every write."""

from __future__ import annotations

import gzip
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.formats.tar_module import read_tar
from esxforge_target.runtime.blocks import FileBlocks, Window
from target.hook.bench import CREDENTIALS, Overlay
from target.hook.conftest import Deployed

INTERACTIVE = "boots the interactive installer"
COMPLETE = "is complete"


def state_of(disk: Overlay) -> str:
    """What this disk does when UEFI starts it; AssertionError where it is neither of the two that may be."""
    volume = FatVolume(Window(disk, *read_table(disk).table.byte_range(1)))
    root, uefi = (BootCfg.parse(volume.read_file(path)) for path in ("BOOT.CFG", "EFI/BOOT/BOOT.CFG"))
    assert "runweasel" in root.kernelopt
    assert "runweasel" in uefi.kernelopt
    module = volume.read_file("ESXFORGE.TGZ")
    if module[:2] == b"\x1f\x8b":
        names = {entry.name for entry in read_tar(gzip.decompress(module))}
    else:
        assert not any(module[:512]), "the loader would stop at this module"
        names = set()
    if "ks=file:///esxforge/ks.cfg" not in uefi.kernelopt:
        return INTERACTIVE
    assert "esxforge/ks.cfg" in names
    assert "ks=file:///esxforge/ks.cfg" in root.kernelopt
    assert volume.find("curtin") is None
    assert volume.find(CREDENTIALS) is None
    return COMPLETE


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_a_power_cut_after_every_write_leaves_the_interactive_installer_or_a_complete_host(
    sector_size: int, deployed: Deployed, image_of: Callable[..., Path], tmp_path: Path
) -> None:
    bench, config = deployed(sector_size=sector_size)
    before = tmp_path / "before"
    (bench.root / "dev/sda").rename(before)

    subprocess.run(["cp", "--sparse=always", str(before), str(bench.root / "dev/sda")], check=True)
    assert bench.run(config) == 0, bench.output
    assert {name for name, _, _ in bench.writes} == {"sda"}
    with FileBlocks(str(before), False, sector_size) as blocks:
        disk = Overlay(blocks)
        states = [state_of(disk)]
        for _, offset, data in bench.writes:
            torn = len(data) // 2 // sector_size * sector_size
            if torn:
                disk.write_at(offset, data[:torn])
                states.append(state_of(disk))
            disk.write_at(offset, data)
            states.append(state_of(disk))
    assert states[0] == INTERACTIVE
    assert states[-1] == COMPLETE
    assert states == sorted(states, key=[INTERACTIVE, COMPLETE].index)
    assert states.count(COMPLETE) == 1, "the boot.cfg that UEFI reads was not the last write"


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_a_failed_write_fails_the_deployment_and_says_where(share: float, deployed: Deployed, tmp_path: Path) -> None:
    whole, config = deployed()
    assert whole.run(config) == 0, whole.output
    (tmp_path / "machine").rename(tmp_path / "whole")
    bench, config = deployed()
    bench.fail_at = int((len(whole.writes) - 1) * share)
    assert bench.run(config) == 1
    assert "NOT prepared" in bench.output
    assert "writing at byte" in bench.said
    assert len(bench.writes) == bench.fail_at


def test_power_lost_while_data_disks_are_stamped_leaves_a_table_or_none(deployed: Deployed) -> None:
    bench, config = deployed("vmfs7-bond")
    with FileBlocks(str(bench.root / "dev/sdb"), True) as disk:
        disk.write_at(8 << 20, b"old")
    assert bench.run(config) == 0, bench.output
    own = [(offset, data) for name, offset, data in bench.writes if name == "sdb"]
    headers = [index for index, (_, data) in enumerate(own) if b"EFI PART" in data]
    zeros = [index for index, (_, data) in enumerate(own) if not any(data)]
    assert headers
    assert max(zeros) < min(headers), "a disk had its stamp before old datastores were gone"
    names = [name for name, _, _ in bench.writes]
    assert names.index("sda") > max(index for index, name in enumerate(names) if name != "sda")


def test_stamps_are_fresh_at_each_deployment(deployed: Deployed) -> None:
    bench, config = deployed()
    with FileBlocks(str(bench.root / "dev/sda"), False) as disk:
        built = read_table(disk).table.disk_guid
    assert bench.run(config) == 0
    with FileBlocks(str(bench.root / "dev/sda"), False) as disk:
        stamped = read_table(disk).table.disk_guid
    assert stamped != built
    assert stamped.variant == uuid.RFC_4122

"""The install line of a golden build names the one blank disk that carries the build's stamp."""

from __future__ import annotations

import io
import uuid
from pathlib import Path

import pytest

from esxforge_target.contract.golden_record import GoldenRecord
from esxforge_target.contract.names import GOLDEN_RECORD
from esxforge_target.formats.gpt import Table
from esxforge_target.formats.gpt_disk import write_table
from esxforge_target.installer.environment import Installer
from esxforge_target.installer.golden_pre import main
from esxforge_target.runtime.blocks import FileBlocks
from esxforge_target.runtime.clock import Clock

STAMP = uuid.UUID("0d5f6f3e-9b1b-4a55-8f5e-3c7c0f6a1b2d")
MIB = 1 << 20


class NoWaiting(Clock):
    """A clock that does not wait."""

    def __init__(self) -> None:
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def installer(root: Path, **disks: uuid.UUID | None) -> tuple[Installer, io.StringIO, NoWaiting]:
    """The installer's RAM disk, with these disks and the build's file."""
    directory = root / "vmfs/devices/disks"
    directory.mkdir(parents=True)
    for name, stamp in disks.items():
        path = directory / name
        path.write_bytes(bytes(4 * MIB))
        if stamp is not None:
            with FileBlocks(str(path), writable=True) as blocks:
                write_table(blocks, Table.empty(stamp, 512, 4 * MIB // 512))
    for needed in ("esxforge", "var/log", "tmp"):
        (root / needed).mkdir(parents=True)
    (root / GOLDEN_RECORD.lstrip("/")).write_text(GoldenRecord(str(STAMP), ["--ignoreprereqwarnings"]).to_json())
    said, clock = io.StringIO(), NoWaiting()
    return Installer(str(root), clock=clock, stream=said), said, clock


def line_of(root: Path) -> str:
    path = root / "esxforge/run/install.cfg"
    return path.read_text() if path.exists() else ""


def test_the_stamped_disk_is_named_whatever_else_is_there(tmp_path: Path) -> None:
    found, said, _ = installer(tmp_path, medium=None, target=STAMP, other=uuid.uuid4())
    assert main(found) == 0, said.getvalue()
    assert line_of(tmp_path) == "install --disk=target --overwritevmfs --novmfsondisk --ignoreprereqwarnings\n"


@pytest.mark.parametrize(
    ("disks", "count"),
    [({"medium": None}, "0 disks"), ({"one": STAMP, "two": STAMP}, "2 disks")],
)
def test_without_exactly_one_nothing_is_installed(
    disks: dict[str, uuid.UUID | None], count: str, tmp_path: Path
) -> None:
    found, said, clock = installer(tmp_path, **disks)
    assert main(found) == 1
    text = " ".join(said.getvalue().replace("esxforge: ", "").split())
    assert "ESXi was NOT installed" in text
    assert f"{count} carry the stamp" in text
    assert "MAAS" not in text
    assert line_of(tmp_path) == ""
    assert bool(clock.slept) == (count == "0 disks")


def test_a_disk_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    found, said, clock = installer(tmp_path, late=None)

    def appear(seconds: float) -> None:
        with FileBlocks(str(tmp_path / "vmfs/devices/disks/late"), writable=True) as blocks:
            write_table(blocks, Table.empty(STAMP, 512, 4 * MIB // 512))

    clock.sleep = appear  # type: ignore[method-assign]
    assert main(found) == 0, said.getvalue()
    assert "--disk=late " in line_of(tmp_path)

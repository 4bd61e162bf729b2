"""Disks: unpacked sparsely and exactly, and whatever may be wrong with a file."""

from __future__ import annotations

import gzip
import importlib
import json
import resource
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esxforge.errors import ImageError, InputError, OutputError
from esxforge.events import BytesDone, Event, ignore
from esxforge.vm import disks

BLOCK = 1 << 20


@pytest.fixture(params=["with isal", "without isal"])
def _unpacker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without isal":
        real = importlib.import_module

        def fake(name: str, package: str | None = None) -> ModuleType:
            if name.startswith("isal"):
                raise ImportError(name)
            return real(name, package)

        monkeypatch.setattr(importlib, "import_module", fake)


@given(parts=st.lists(st.tuples(st.booleans(), st.integers(1, 2 * BLOCK)), max_size=4))
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_unpacked_bytes_are_the_same(tmp_path: Path, parts: list[tuple[bool, int]]) -> None:
    data = b"".join((b"\0" if empty else b"x") * size for empty, size in parts)
    packed, target = tmp_path / "a.gz", tmp_path / "a"
    packed.write_bytes(gzip.compress(data, 1))
    target.unlink(missing_ok=True)
    disks.unpack(packed, target, ignore)
    assert target.read_bytes() == data


@pytest.mark.usefixtures("_unpacker")
def test_zeros_become_holes_and_progress_is_told(tmp_path: Path) -> None:
    data = b"x" * 4096 + bytes(64 * BLOCK)
    packed, target = tmp_path / "a.gz", tmp_path / "a"
    packed.write_bytes(gzip.compress(data, 1))
    told: list[Event] = []
    disks.unpack(packed, target, told.append)
    assert target.stat().st_size == len(data)
    assert target.stat().st_blocks * 512 < 4 * BLOCK
    done = [event.done for event in told if isinstance(event, BytesDone)]
    assert done == sorted(done)
    assert done[-1] <= packed.stat().st_size


@pytest.mark.usefixtures("_unpacker")
@pytest.mark.parametrize("damage", ["cut", "checksum", "middle", "head"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    good = bytearray(gzip.compress(bytes(range(256)) * 5000, 1))
    match damage:
        case "cut":
            good = good[: len(good) // 2]
        case "checksum":
            good[-6] ^= 0xFF
        case "middle":
            good[20:60] = b"\xff" * 40
        case "head":
            good[2] = 99
    packed = tmp_path / "a.gz"
    packed.write_bytes(good)
    with pytest.raises(ImageError, match="damaged"):
        disks.unpack(packed, tmp_path / "a", ignore)


def test_no_room_is_told_with_the_way_out(tmp_path: Path) -> None:
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(b"x" * (4 * BLOCK), 1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * BLOCK, before[1]))
    try:
        with pytest.raises(OutputError) as caught:
            disks.unpack(packed, tmp_path / "a", ignore)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "TMPDIR" in caught.value.hint


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(b"x"))
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(OutputError):
        disks.unpack(packed, tmp_path / "a", ignore)
    with pytest.raises(OutputError):
        disks.create_blank(tmp_path / "a", 5)
    assert (tmp_path / "a").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("content", "good"),
    [
        (b"\0" * 510 + b"\x55\xaa", True),
        (b"\0" * 512 + b"EFI PART", True),
        (b"\0" * 4096 + b"EFI PART", True),
        (b"", False),
        (b"some text", False),
        (bytes(8192), False),
    ],
)
def test_only_disks_are_taken_for_disks(tmp_path: Path, content: bytes, good: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    if good:
        disks.check_bootable(path)
    else:
        with pytest.raises(ImageError, match="partition table"):
            disks.check_bootable(path)


def test_missing_files_and_directories_are_told_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            disks.is_gzip(path)
        with pytest.raises(InputError, match=str(path)):
            disks.check_bootable(path)


@pytest.mark.parametrize("name", ["plain.raw", "with space.raw", "a:b,c.raw"])
def test_an_overlay_shows_the_image_in_the_size_that_was_asked_for(tmp_path: Path, name: str) -> None:
    image, overlay = tmp_path / name, tmp_path / "overlay.qcow2"
    disks.create_blank(image, 5 * BLOCK)
    disks.create_overlay(image, overlay, 64 * BLOCK)
    said = subprocess.run(
        ["qemu-img", "info", "--output=json", str(overlay)], capture_output=True, check=True, text=True
    ).stdout
    facts = json.loads(said)
    assert facts["virtual-size"] == 64 * BLOCK
    assert facts["full-backing-filename"] == str(image)
    overlay.unlink()
    disks.create_overlay(image, overlay, 1)
    assert json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", str(overlay)]))["virtual-size"] == (
        5 * BLOCK
    )

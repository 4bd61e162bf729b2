"""A captured disk and legacy BIOS: each link of the chain to the loader, and the GUID in the first sector."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from esxforge.errors import ImageError
from esxforge.events import Decision, Event
from esxforge.image import capture as capture_module
from esxforge.image.bios_start import BiosStart, bios_start
from esxforge.image.capture import CaptureOptions, capture_disk
from esxforge.image.host_settings import captured_settings
from esxforge.image.image_files import BuildResult
from esxforge.image.inspect import describe
from esxforge.image.verify import verify_image
from esxforge.recipe.load import load_recipe
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.runtime.blocks import FileBlocks
from standin import installed

MIB = 1 << 20


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk for each kind of boot code, guid.raw and attribute.raw."""
    directory = tmp_path_factory.mktemp("bios")
    for kind in ("guid", "attribute"):
        installed.make(directory / f"{kind}.raw", installed.InstalledLayout(size=400 * MIB, bios=kind))
    yield directory
    shutil.rmtree(directory)


def ignore(event: Event) -> None:
    """Listen to nothing."""


def capture(disk: Path, output: Path, listener: Callable[[Event], None] = ignore) -> BuildResult:
    recipe = load_recipe(None, {"image": {"kind": "golden", "format": "raw"}})
    options = CaptureOptions(output)
    return capture_disk(disk, recipe, lambda release: captured_settings(recipe, release, ignore), options, listener)


def verdict(disk: Path) -> BiosStart:
    with FileBlocks(str(disk)) as blocks:
        return bios_start(blocks, read_table(blocks).table, blocks.read_at(0, 512))


@pytest.mark.parametrize(("kind", "way"), [("guid", "its GUID"), ("attribute", "its attribute")])
def test_capture_inspect_and_manifest_say_that_a_bios_starts_it_and_why(
    kind: str, way: str, disks: Path, tmp_path: Path
) -> None:
    told: list[Event] = []
    result = capture(disks / f"{kind}.raw", tmp_path / "image.raw", told.append)
    reason = f"the boot code finds partition 1 by {way}, with ldlinux.sys, safeboot.c32, mboot.c32 on it"
    golden = result.document["details"]["golden"]
    assert golden["firmware"] == ["UEFI", "BIOS"]
    assert golden["bios"] == {"starts": True, "reason": reason, "boot_code": kind, "partition": 1}
    assert any(
        isinstance(event, Decision) and event.text.endswith(f"starts by legacy BIOS: {reason}") for event in told
    )
    document = describe(tmp_path / "image.raw", ignore)
    assert document["firmware"] == ["UEFI", "BIOS"]
    assert document["golden"]["bios"]["reason"] == reason


def test_boot_code_that_goes_by_guid_names_the_renewed_partition(disks: Path, tmp_path: Path) -> None:
    capture(disks / "guid.raw", tmp_path / "image.raw")
    before, after = (installed.partition_guid(path, 1) for path in (disks / "guid.raw", tmp_path / "image.raw"))
    assert before != after
    named = [path.read_bytes()[:440][424:] for path in (disks / "guid.raw", tmp_path / "image.raw")]
    assert named == [before.bytes_le, after.bytes_le]
    assert verdict(tmp_path / "image.raw").starts
    verify_image(tmp_path / "image.raw", ignore)


def test_boot_code_that_goes_by_attribute_is_kept_to_the_last_byte(disks: Path, tmp_path: Path) -> None:
    capture(disks / "attribute.raw", tmp_path / "image.raw")
    code = (installed.SYSLINUX / "mbr/gptmbr.bin").read_bytes()
    assert any(code[424:]), "it has code where the other kind has the GUID"
    with (tmp_path / "image.raw").open("rb") as image:
        assert image.read(len(code)) == code
    assert verdict(tmp_path / "image.raw").starts


def test_verify_finds_boot_code_that_names_the_old_guid(
    disks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_module, "renewed_sector", lambda sector, before, after: sector)
    capture(disks / "guid.raw", tmp_path / "image.raw")
    with pytest.raises(ImageError, match="does not name partition 1 by GUID"):
        verify_image(tmp_path / "image.raw", ignore)


def write(offset: int, data: bytes) -> Callable[[Path], None]:
    def change(disk: Path) -> None:
        with disk.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    return change


def without(name: str) -> Callable[[Path], None]:
    def change(disk: Path) -> None:
        drive = f"{disk}@@{installed.partition_start(disk, 1)}"
        subprocess.run(["mattrib", "-r", "-s", "-h", "-i", drive, f"::/{name}"], check=True)
        subprocess.run(["mdel", "-i", drive, f"::/{name}"], check=True)

    return change


def empty(name: str) -> Callable[[Path], None]:
    def change(disk: Path) -> None:
        installed.put(disk, installed.partition_start(disk, 1), name, b"")

    return change


def without_attribute(disk: Path) -> None:
    subprocess.run(["sgdisk", "--attributes", "1:clear:2", str(disk)], check=True, capture_output=True)


def attribute_elsewhere(disk: Path) -> None:
    without_attribute(disk)
    subprocess.run(["sgdisk", "--attributes", "5:set:2", str(disk)], check=True, capture_output=True)


def other_boot_sector(disk: Path) -> None:
    write(installed.partition_start(disk, 1) + 3, b"mkfs.fat")(disk)


def names_a_bank(disk: Path) -> None:
    write(installed.GUID_AT, installed.partition_guid(disk, 5).bytes_le)(disk)


def names_the_datastore(disk: Path) -> None:
    write(installed.GUID_AT, installed.partition_guid(disk, 7).bytes_le)(disk)


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("guid", write(0, bytes(424)), "there is no boot code"),
        ("guid", write(510, b"\0\0"), "there is no boot code"),
        ("guid", write(424, bytes(16)), "names no partition by its GUID"),
        ("guid", write(424, uuid.uuid4().bytes_le), "names no partition by its GUID"),
        ("guid", names_a_bank, "partition 5, to which the boot code leads, has not syslinux's boot sector"),
        ("guid", names_the_datastore, "partition 7, to which the boot code leads, has not syslinux's boot sector"),
        ("attribute", without_attribute, "has not the attribute"),
        ("attribute", attribute_elsewhere, "has not the attribute"),
        ("attribute", other_boot_sector, "has not syslinux's boot sector"),
        ("guid", without("ldlinux.sys"), "lacks ldlinux.sys"),
        ("guid", without("safeboot.c32"), "lacks safeboot.c32"),
        ("attribute", without("mboot.c32"), "lacks mboot.c32"),
        ("attribute", empty("mboot.c32"), "lacks mboot.c32"),
    ],
)
def test_a_disk_that_lacks_one_link_is_not_said_to_start_by_bios(
    kind: str, change: Callable[[Path], None], reason: str, disks: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk.raw"
    subprocess.run(["cp", "--sparse=always", str(disks / f"{kind}.raw"), str(disk)], check=True)
    change(disk)
    found = verdict(disk)
    assert not found.starts
    assert reason in found.reason
    golden = capture(disk, tmp_path / "image.raw").document["details"]["golden"]
    assert golden["firmware"] == ["UEFI"]
    assert golden["bios"]["reason"] == found.reason


def test_names_of_loaders_are_found_whatever_their_case(disks: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    subprocess.run(["cp", "--sparse=always", str(disks / "guid.raw"), str(disk)], check=True)
    without("mboot.c32")(disk)
    installed.put(disk, installed.partition_start(disk, 1), "MBOOT.C32", b"mboot")
    assert verdict(disk).starts

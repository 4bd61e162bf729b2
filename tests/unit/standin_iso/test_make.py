"""Stand-in ISOs: what they hold, held against xorriso, gzip, fsck.fat and mtools."""

from __future__ import annotations

import hashlib
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.errors import OutputError, RecipeError
from esxforge.local.processes import run
from esxforge.media.installer import open_installer
from esxforge.standin_iso.content import SMALLEST_MODULE, ModuleContent
from esxforge.standin_iso.efiboot import efiboot_image
from esxforge.standin_iso.iso import MIB, Variant, make_standin_iso
from esxforge.standin_iso.profiles import RELEASES

DATA = Path(__file__).parents[2] / "data"


def extract(iso: Path, name: str, out: Path) -> bytes:
    run(["xorriso", "-osirrox", "on", "-indev", str(iso), "-extract", name, str(out)], timeout=60)
    return out.read_bytes()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_7_0_tree_is_that_of_the_real_iso(tmp_path: Path) -> None:
    iso = tmp_path / "esxi.iso"
    make_standin_iso(iso, release="7.0")
    listing = (DATA / "esxi" / "iso-listing-7.0U3d-19482537.txt").read_text().splitlines()
    real = {line.upper() for line in listing if line and not line.startswith("#")}
    assert {file.path for file in open_installer(iso).files} == real


@pytest.mark.parametrize(("release", "sample"), [("7.0", "installer-7.0U3g-20328353.cfg")])
def test_boot_cfg_is_that_of_the_real_iso(tmp_path: Path, release: str, sample: str) -> None:
    iso = tmp_path / "esxi.iso"
    make_standin_iso(iso, release=release)
    expected = (DATA / "boot-cfg" / sample).read_bytes()
    assert extract(iso, "/BOOT.CFG", tmp_path / "root") == expected
    assert extract(iso, "/EFI/BOOT/BOOT.CFG", tmp_path / "efi") == expected


@pytest.mark.parametrize("release", RELEASES)
def test_it_has_both_boot_entries(tmp_path: Path, release: str) -> None:
    iso = tmp_path / "esxi.iso"
    make_standin_iso(iso, release=release)
    report = run(["xorriso", "-indev", str(iso), "-report_el_torito", "plain"], timeout=60).stdout
    lines = [" ".join(line.split()) for line in report.splitlines()]
    assert any(line.startswith("El Torito boot img : 1 BIOS y none 0x0000 0x00 4 ") for line in lines)
    assert any(line.startswith("El Torito boot img : 2 UEFI y none ") for line in lines)
    assert "El Torito img path : 1 /ISOLINUX.BIN" in lines
    assert "El Torito img opts : 1 boot-info-table" in lines
    assert "El Torito img path : 2 /EFIBOOT.IMG" in lines


@pytest.mark.parametrize("variant", [Variant(), Variant(joliet=True, rock_ridge=True)])
def test_the_same_arguments_give_the_same_bytes(
    tmp_path: Path, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_standin_iso(tmp_path / "one.iso", release="8.0", variant=variant)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 86_400 * 400)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Kiritimati")
        time.tzset()
        make_standin_iso(tmp_path / "two.iso", release="8.0", variant=variant)
    time.tzset()
    assert sha256(tmp_path / "one.iso") == sha256(tmp_path / "two.iso")


@pytest.mark.parametrize("release", ["6.5", "8.0"])
@pytest.mark.parametrize("size", [3, 12])
def test_the_size_is_what_was_asked_for(tmp_path: Path, release: str, size: int) -> None:
    iso = tmp_path / "esxi.iso"
    make_standin_iso(iso, release=release, size_mb=size)
    assert size * MIB - 256 * 1024 <= iso.stat().st_size <= size * MIB
    assert open_installer(iso).release.version.startswith(release)


def test_impossible_wishes_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no stand-in for release '5\.5'"):
        make_standin_iso(tmp_path / "x.iso", release="5.5")
    with pytest.raises(RecipeError, match="would hold files above 4 GiB"):
        make_standin_iso(tmp_path / "x.iso", release="8.0", size_mb=1 << 20)
    with pytest.raises(RecipeError, match="cannot hold its files"):
        make_standin_iso(tmp_path / "x.iso", release="8.0", size_mb=2, extra_files={"BIG": bytes(2 * MIB)})
    with pytest.raises(RecipeError, match=r"EFI/BOOT/BOOTX64\.EFI: There is no file .*absent"):
        make_standin_iso(tmp_path / "x.iso", release="8.0", efi_program=tmp_path / "absent")
    (tmp_path / "there.iso").touch()
    with pytest.raises(OutputError, match="exists already"):
        make_standin_iso(tmp_path / "there.iso", release="8.0")
    assert [path.name for path in tmp_path.iterdir()] == ["there.iso"]


def test_files_can_be_given(tmp_path: Path) -> None:
    program = tmp_path / "mboot.efi"
    program.write_bytes(b"MZ program")
    iso = tmp_path / "esxi.iso"
    make_standin_iso(iso, release="8.0", efi_program=program, extra_files={"/ks/ks.cfg": b"rootpw"})
    assert extract(iso, "/EFI/BOOT/BOOTX64.EFI", tmp_path / "a") == b"MZ program"
    assert extract(iso, "/KS/KS.CFG", tmp_path / "b") == b"rootpw"


@settings(deadline=None, max_examples=30)
@given(
    size=st.one_of(st.integers(SMALLEST_MODULE, 70_000), st.integers(65_500, 66_000), st.integers(190_000, 300_000)),
    step=st.integers(1, 100_000),
)
def test_modules_are_one_gzip_member_of_any_size(size: int, step: int) -> None:
    module = ModuleContent("vmx.v00", size)
    pieces = iter(lambda: module.read(step), b"")
    data = b"".join(pieces)
    assert len(data) == size == module.tell()
    subprocess.run(["gzip", "-t"], input=data, check=True)  # raises when gzip finds anything to say
    module.seek(0)
    assert module.read() == data


def test_modules_unpack_alike_everywhere_and_differ_by_name() -> None:
    data = ModuleContent("vmx.v00", 700_000).read()
    unpacked = subprocess.run(["gzip", "-dc"], input=data, check=True, capture_output=True).stdout
    for tool in (["pigz", "-dc"], ["busybox", "gunzip", "-c"]):
        assert subprocess.run(tool, input=data, check=True, capture_output=True).stdout == unpacked
    assert len(unpacked) > len(data)
    assert unpacked.count(0) > len(unpacked) // 3
    assert ModuleContent("vim.v00", 700_000).read() != data
    with pytest.raises(ValueError, match="at least"):
        ModuleContent("x", SMALLEST_MODULE - 1)


@pytest.mark.parametrize("size", [1, 512, 513, 100_000, 2_000_000])
def test_efiboot_images_are_sound(tmp_path: Path, size: int) -> None:
    program = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    image = tmp_path / "efiboot.img"
    image.write_bytes(efiboot_image(program))
    checked = run(["fsck.fat", "-n", str(image)], timeout=60)
    assert "error" not in checked.stdout.lower()
    assert len([line for line in checked.stdout.splitlines() if line.strip()]) == 2, "nothing but its summary"
    run(["mcopy", "-i", str(image), "::/EFI/BOOT/BOOTX64.EFI", str(tmp_path / "program")], timeout=60)
    assert (tmp_path / "program").read_bytes() == program


def test_a_program_too_large_for_efiboot_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        efiboot_image(bytes(3_000_000))

"""What is read of an installer ISO, held against xorriso."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from esxforge.local.processes import run
from esxforge.media.installer import InstallerMedia, open_installer
from esxforge.standin_iso.iso import Variant, make_standin_iso
from esxforge.standin_iso.profiles import RELEASES


def content(media: InstallerMedia, path: str) -> bytes:
    file = media.find(path)
    assert file is not None
    with media.path.open("rb") as stream:
        stream.seek(file.content.offset)
        return stream.read(file.content.length)


def test_every_file_has_the_bytes_that_xorriso_extracts(small_iso: Path, tree: Path) -> None:
    media = open_installer(small_iso)
    extracted = {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert [file.path for file in media.files] == sorted(extracted)
    for path, data in extracted.items():
        assert content(media, path) == data
    assert media.content_size == sum(map(len, extracted.values()))


@pytest.mark.parametrize(
    ("release", "version", "update", "kernel"),
    [
        ("6.5", "6.5.0", "6.5U3", "TBOOT.B00"),
        ("6.7", "6.7.0", "6.7U3", "B.B00"),
        ("7.0", "7.0.3", "7.0U3g", "B.B00"),
        ("8.0", "8.0.3", "8.0U3b", "B.B00"),
        ("9.0", "9.0.0", "", "B.B00"),
    ],
)
def test_each_release_is_told(tmp_path: Path, release: str, version: str, update: str, kernel: str) -> None:
    path = tmp_path / "esxi.iso"
    make_standin_iso(path, release=release)
    media = open_installer(path)
    assert (media.release.version, media.release.update) == (version, update)
    assert media.release.build == RELEASES[release].build
    assert media.release.source == "UPGRADE/METADATA.XML"
    assert media.release.profile == RELEASES[release].profile
    assert media.release.vendor == "VMware, Inc."
    assert media.release.title == "Loading ESXi installer"
    assert media.loaded[0] == kernel
    assert media.loaded[1:] == tuple(module.upper() for module in RELEASES[release].modules)
    assert media.notices == ()
    base = next(vib for vib in media.vibs if vib.name == "esx-base")
    assert (base.vendor, base.kind, base.version) == ("VMware", "bootbank", RELEASES[release].base_version)
    assert kernel.lower() in base.files


def test_all_trees_and_cases_give_the_same_files(tmp_path: Path) -> None:
    seen = set()
    kinds = []
    for joliet, rock_ridge, lower_case in itertools.product((False, True), repeat=3):
        path = tmp_path / "esxi.iso"
        variant = Variant(joliet=joliet, rock_ridge=rock_ridge, lower_case=lower_case)
        make_standin_iso(path, release="7.0", variant=variant, overwrite=True)
        media = open_installer(path)
        kinds.append(media.tree)
        # ISOLINUX.BIN holds its own place on the ISO, which differs.
        paths = [file.path for file in media.files if file.path != "ISOLINUX.BIN"]
        seen.add(tuple((name, content(media, name)) for name in paths))
    assert len(seen) == 1
    assert kinds == ["ISO 9660"] * 2 + ["Rock Ridge"] * 2 + ["Joliet"] * 2 + ["Rock Ridge"] * 2


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["-R", "-iso-level", "1"], "Rock Ridge"),
        (["-R", "-J"], "Rock Ridge"),
        (["--norock", "-J", "-joliet-long"], "Joliet"),
        (["--norock", "-iso-level", "3", "-relaxed-filenames", "-allow-lowercase"], "ISO 9660"),
        (["--norock", "-iso-level", "3"], "ISO 9660"),
    ],
)
def test_isos_made_by_xorriso_are_read(
    tmp_path: Path, small_iso: Path, tree: Path, options: list[str], kind: str
) -> None:
    path = tmp_path / "remastered.iso"
    boot = ["-b", "ISOLINUX.BIN", "-c", "BOOT.CAT", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
    uefi = ["-eltorito-alt-boot", "-e", "EFIBOOT.IMG", "-no-emul-boot"]
    run(["xorriso", "-as", "mkisofs", "-quiet", *options, *boot, *uefi, "-o", str(path), str(tree)], timeout=60)
    media = open_installer(path)
    original = open_installer(small_iso)
    assert media.tree == kind
    assert media.loaded == original.loaded
    assert media.release == original.release
    assert media.vibs == original.vibs
    assert [(entry.platform, entry.bootable) for entry in media.boot_entries] == [("bios", True), ("uefi", True)]
    changed = {"ISOLINUX.BIN"}  # xorriso writes a new boot info table
    for name in set(original.loaded) | {"BOOT.CFG", "EFI/BOOT/BOOTX64.EFI", "UPGRADE/PROFILE.XML"} - changed:
        assert content(media, name) == content(original, name)


def test_boot_entries_are_where_xorriso_sees_them(small_iso: Path) -> None:
    report = run(["xorriso", "-indev", str(small_iso), "-report_el_torito", "plain"], timeout=60).stdout
    images = [line.split() for line in report.splitlines() if line.startswith("El Torito boot img :")]
    media = open_installer(small_iso)
    assert [(row[6].lower(), int(row[11]), int(row[12]) * 2048) for row in images] == [
        (entry.platform, entry.load_sectors, entry.offset) for entry in media.boot_entries
    ]


def test_files_are_found_in_any_case(small_iso: Path) -> None:
    media = open_installer(small_iso)
    expected = media.find("EFI/BOOT/BOOTX64.EFI")
    assert expected is not None
    assert media.find("/efi/boot/bootx64.efi") == expected
    assert media.find("efi/boot") is None
    assert media.boot_cfg("efi/boot/boot.cfg").directory == "/EFI/BOOT"
    with pytest.raises(KeyError):
        media.boot_cfg("nothing.cfg")


def test_names_without_slashes_need_a_root_prefix_on_uefi_only(tmp_path: Path) -> None:
    path = tmp_path / "esxi.iso"
    make_standin_iso(path, release="8.0", variant=Variant(leading_slashes=False))
    media = open_installer(path)
    assert media.needs_root_prefix == ("EFI/BOOT/BOOT.CFG",)
    assert media.loaded[:2] == ("B.B00", "JUMPSTRT.GZ")
    assert any("prefix=/" in notice for notice in media.notices)


def test_an_oem_iso_tells_its_vendor_and_its_modules(tmp_path: Path) -> None:
    path = tmp_path / "esxi.iso"
    variant = Variant(
        title="Loading HPE Custom ESXi",
        vendor="Hewlett Packard Enterprise",
        profile_name="HPE-Custom-AddOn_803.0.0.11.8.0-6",
        volume_id="HPE-ESXI-8.0.3-CUSTOM",
        extra_modules=("amsd.v00", "ilo.v00"),
        kernelopt="runweasel ks=cdrom:/KS.CFG",
    )
    make_standin_iso(path, release="8.0", variant=variant)
    media = open_installer(path)
    assert media.release.vendor == "Hewlett Packard Enterprise"
    assert media.release.title == "Loading HPE Custom ESXi"
    assert media.release.update == "8.0U3b"  # told by the build: the names do not say it
    assert media.loaded[-2:] == ("AMSD.V00", "ILO.V00")
    assert {"amsd", "ilo"} <= {vib.name for vib in media.vibs}
    assert media.boot_cfg("BOOT.CFG").cfg.kernelopt == ["runweasel", "ks=cdrom:/KS.CFG"]


def test_without_xml_the_release_comes_from_boot_cfg(tmp_path: Path) -> None:
    path = tmp_path / "esxi.iso"
    xml = frozenset({"UPGRADE/METADATA.XML", "UPGRADE/PROFILE.XML"})
    make_standin_iso(path, release="8.0", variant=Variant(omit=xml))
    media = open_installer(path)
    assert (media.release.version, media.release.build, media.release.source) == ("8.0.3", "24280767", "BOOT.CFG")
    assert media.release.update == "8.0U3b"
    assert media.vibs == ()
    assert any("VIBs are unknown" in notice for notice in media.notices)


@pytest.mark.parametrize(("release", "version", "why"), [("6.5", "6.5", "TBOOT.B00"), ("6.7", "6.7", "B.B00")])
def test_at_last_file_names_tell_the_release(tmp_path: Path, release: str, version: str, why: str) -> None:
    path = tmp_path / "esxi.iso"
    xml = frozenset({"UPGRADE/METADATA.XML", "UPGRADE/PROFILE.XML"})
    make_standin_iso(path, release=release, variant=Variant(omit=xml, volume_id="ESXI"))
    media = open_installer(path)
    assert (media.release.version, media.release.build) == (version, "")
    assert why in media.release.source
    assert any("exact release" in notice for notice in media.notices)


def test_contradicting_builds_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "esxi.iso"
    metadata = b"<vum><product><esxVersion>7.0.3</esxVersion><build>20328353</build></product></vum>"
    make_standin_iso(path, release="8.0", extra_files={"UPGRADE/METADATA.XML": metadata})
    notices = open_installer(path).notices
    assert "BOOT.CFG says 8.0.3 build 24280767, but UPGRADE/METADATA.XML says 7.0.3 build 20328353." in notices

"""What cannot be used, each with the sentence that says so."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from esxforge.errors import ForgeError, InputError, MediaError
from esxforge.local.processes import run
from esxforge.media.installer import open_installer
from esxforge.standin_iso.iso import Variant, make_standin_iso
from esxforge.standin_iso.mastering import write_iso


def refusal(path: Path, kind: type[ForgeError] = MediaError) -> ForgeError:
    with pytest.raises(kind) as caught:
        open_installer(path)
    error = caught.value
    assert error.hint, "every refusal says what to do"
    assert "Traceback" not in error.message
    return error


def file_of(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def patched_record(iso: Path, out: Path, name: bytes, *, extent: int | None = None, length: int | None = None) -> Path:
    """A copy of ``iso`` in which the first directory record of ``name`` says something else."""
    data = bytearray(iso.read_bytes())
    record = data.index(bytes([len(name)]) + name) - 32
    if extent is not None:
        struct.pack_into("<I", data, record + 2, extent)
        struct.pack_into(">I", data, record + 6, extent)
    if length is not None:
        struct.pack_into("<I", data, record + 10, length)
        struct.pack_into(">I", data, record + 14, length)
    return file_of(out, bytes(data))


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"", "is empty"),
        (b"some text", "not an ISO, or truncated"),
        (bytes(1 << 20), "no ISO 9660 volume descriptor"),
        (b"PK\x03\x04" + bytes(1 << 17), "ZIP archive"),
        (b"\x1f\x8b\x08" + bytes(1 << 17), "gzip file"),
        (b"<!doctype html>", "web page"),
        (bytes(512) + b"EFI PART" + bytes(1 << 17), "disk image with a GPT"),
        (b"KDMV" + bytes(1 << 17), "VMDK"),
    ],
)
def test_what_is_no_iso_is_named(tmp_path: Path, start: bytes, words: str) -> None:
    assert words in refusal(file_of(tmp_path / "x.iso", start)).message


def test_what_is_not_a_regular_file_is_an_input_error(tmp_path: Path) -> None:
    assert "There is no file" in refusal(tmp_path / "absent.iso", InputError).message
    assert "is a directory" in refusal(tmp_path, InputError).message


def test_a_read_error_is_told(small_iso: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    broken = Broken(small_iso.read_bytes())
    monkeypatch.setattr("esxforge.media.installer.open_regular", lambda *_, **__: broken)
    assert "Input/output error" in refusal(small_iso).message


@pytest.mark.parametrize(
    ("volume", "file", "words"),
    [
        ("Debian 12.5.0 amd64 n", "install.amd/vmlinuz", "it seems to be Debian"),
        ("VMware VCSA", "vcsa/VMware-vCenter-Server-Appliance.ova", "vCenter Server appliance"),
        ("Ubuntu-Server 24.04 LTS", "casper/vmlinuz", "it seems to be Ubuntu"),
        ("SOMETHING", "README", "its volume name is 'SOMETHING'"),
    ],
)
def test_isos_of_something_else_are_named(tmp_path: Path, volume: str, file: str, words: str) -> None:
    (tmp_path / "tree" / file).parent.mkdir(parents=True)
    (tmp_path / "tree" / file).write_bytes(b"content")
    iso = tmp_path / "other.iso"
    tree = str(tmp_path / "tree")
    run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-V", volume, "-o", str(iso), tree], timeout=60)
    message = refusal(iso).message
    assert "not ESXi's installer" in message
    assert words in message


def test_an_iso_with_far_too_many_files_is_refused(tmp_path: Path) -> None:
    iso = tmp_path / "many.iso"
    with iso.open("w+b") as stream:
        files = {f"POOL/{number // 500:03}/F{number:05}.DEB": (io.BytesIO(b""), 0) for number in range(9000)}
        write_iso(stream, files, volume_id="DEBIAN", joliet=False, rock_ridge=False, lower_case=False)
    message = refusal(iso).message
    assert "far more files" in message
    assert "Debian" in message


def test_truncation_is_seen_at_every_mebibyte(tmp_path: Path) -> None:
    iso = tmp_path / "esxi.iso"
    make_standin_iso(iso, release="8.0", size_mb=5)
    whole = iso.read_bytes()
    for boundary in range(0, len(whole), 1 << 20):
        message = refusal(file_of(tmp_path / "cut.iso", whole[:boundary])).message
        assert ("truncated" if boundary else "is empty") in message
    assert "truncated" in refusal(file_of(tmp_path / "cut.iso", whole[:-1])).message


def test_an_extent_past_the_end_is_refused(tmp_path: Path, small_iso: Path) -> None:
    iso = patched_record(small_iso, tmp_path / "x.iso", b"TPM.V00", extent=small_iso.stat().st_size // 2048)
    assert "TPM.V00 ends at byte" in refusal(iso).message
    iso = patched_record(small_iso, tmp_path / "x.iso", b"TPM.V00", length=0xFFFFFFFF)
    assert "past the end of the ISO" in refusal(iso).message


def test_a_boot_file_of_4_gib_that_is_not_there_costs_few_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pycdlib sums up such a file, sector by sector, wherever the ISO ends."""
    whole = tmp_path / "whole.iso"
    with whole.open("w+b") as stream:
        files = {"ISOLINUX.BIN": (io.BytesIO(bytes(4096)), 4096)}
        write_iso(stream, files, volume_id="ESXI", joliet=False, rock_ridge=False, lower_case=False)
    iso = patched_record(whole, tmp_path / "x.iso", b"ISOLINUX.BIN", length=0xFFFFFFFF)
    reads = []

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(size)
            return super().read(size)

    content = iso.read_bytes()
    monkeypatch.setattr("esxforge.media.installer.open_regular", lambda *_, **__: Counted(content))
    refusal(iso)
    assert len(reads) < 2500


def test_overlapping_files_are_refused(tmp_path: Path, small_iso: Path) -> None:
    media = open_installer(small_iso)
    vim = media.find("VIM.V00")
    assert vim is not None
    assert vim.size > 4096
    iso = patched_record(small_iso, tmp_path / "x.iso", b"TPM.V00", extent=vim.content.offset // 2048 + 1)
    assert "VIM.V00 and TPM.V00 overlap" in refusal(iso).message
    iso = patched_record(small_iso, tmp_path / "x.iso", b"TPM.V00", extent=16)
    assert "TPM.V00 lies on top of the volume descriptors" in refusal(iso).message


def test_links_that_share_one_extent_are_no_overlap(tmp_path: Path, small_iso: Path) -> None:
    media = open_installer(small_iso)
    vim = media.find("VIM.V00")
    assert vim is not None
    iso = patched_record(
        small_iso, tmp_path / "x.iso", b"TPM.V00", extent=vim.content.offset // 2048, length=vim.content.length
    )
    tpm = open_installer(iso).find("TPM.V00")
    assert tpm is not None
    assert (tpm.content.offset, tpm.content.length) == (vim.content.offset, vim.content.length)


def test_a_loop_of_directories_is_refused(tmp_path: Path, small_iso: Path) -> None:
    data = small_iso.read_bytes()
    (root,) = struct.unpack_from("<I", data, 16 * 2048 + 156 + 2)
    assert "damaged" in refusal(patched_record(small_iso, tmp_path / "x.iso", b"UPGRADE", extent=root)).message


def test_a_giant_directory_is_refused_quickly(tmp_path: Path, small_iso: Path) -> None:
    iso = patched_record(small_iso, tmp_path / "x.iso", b"UPGRADE", length=0xFFFFF800)
    assert refusal(iso).message


def test_names_that_meet_in_upper_case_are_refused(tmp_path: Path, tree: Path) -> None:
    iso = tmp_path / "x.iso"
    extra = file_of(tmp_path / "extra", b"x")
    names = [f"/tpm.v00={extra}", f"/efi/boot/other={extra}", f"/UPGRADE/X={extra}", f"/upgrade={extra}"]
    run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-graft-points", "-o", str(iso), f"/={tree}", *names], timeout=60)
    message = refusal(iso).message
    assert "two files are named TPM.V00" in message
    assert "UPGRADE is both a file and a directory" in message


def test_symbolic_links_and_names_that_fat_cannot_hold_are_refused(tmp_path: Path) -> None:
    directory = tmp_path / "tree"
    directory.mkdir()
    (directory / "link").symlink_to("target")
    iso = tmp_path / "x.iso"
    run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", str(iso), str(directory)], timeout=60)
    assert "symbolic link" in refusal(iso).message
    (directory / "link").unlink()
    (directory / "a:b").write_bytes(b"")
    run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", str(iso), str(directory)], timeout=60)
    assert "name FAT cannot hold: 'a:b'" in refusal(iso).message


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "tree" / "/".join("abcdefghijkl")
    directory.mkdir(parents=True)
    (directory / "file").write_bytes(b"x")
    iso = tmp_path / "x.iso"
    run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", str(iso), str(tmp_path / "tree")], timeout=60)
    message = refusal(iso).message
    assert "deeper" in message or "moved directory" in message


class _Sparse(io.FileIO):
    """A file in which blocks of zeros become holes."""

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if len(data) == 1 << 20 and data == _ZEROS:
            self.seek(len(data), io.SEEK_CUR)
            return len(data)
        super().write(data)
        return len(data)


class _EndlessZeros:
    mode = "rb"

    def seek(self, offset: int, _whence: int = 0) -> int:
        return offset

    def tell(self) -> int:
        return 0

    def read(self, size: int) -> bytes:
        return _ZEROS[:size]


_ZEROS = bytes(1 << 20)


def test_a_file_above_4_gib_is_refused(tmp_path: Path) -> None:
    iso = tmp_path / "x.iso"
    size = (4 << 30) + 4096
    files = {"BIG.V00": (_EndlessZeros(), size), "B.B00": (io.BytesIO(b"b"), 1)}
    with _Sparse(str(iso), "w+") as stream:
        write_iso(stream, files, volume_id="BIG", joliet=False, rock_ridge=False, lower_case=False)
    assert f"BIG.V00 has {size} bytes; FAT holds files below 4 GiB only" in refusal(iso).message


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (Variant(omit=frozenset({"BOOT.CFG"})), "\nBOOT.CFG is missing"),
        (Variant(omit=frozenset({"EFI/BOOT/BOOT.CFG"})), "\nEFI/BOOT/BOOT.CFG is missing"),
        (Variant(omit=frozenset({"EFI/BOOT/BOOTX64.EFI"})), "legacy BIOS only"),
        (Variant(omit=frozenset({"tpm.v00"})), "\nBOOT.CFG names files that the ISO lacks: TPM.V00"),
        (Variant(omit=frozenset({"b.b00"})), "lacks: B.B00"),
        (Variant(leading_slashes=False, omit=frozenset({"tpm.v00"})), "lacks: EFI/BOOT/B.B00"),
        (Variant(files={"BOOT.CFG": b"kernel=/b.b00\nmodules=\x00\x01"}), "BOOT.CFG: boot.cfg line 2: byte 0x00"),
        (Variant(files={"BOOT.CFG": b"modules=/s.v00\n"}), "names no kernel"),
        (Variant(files={"BOOT.CFG": b"kernel=/s.v00\nmodules=/sb.v00\n"}), "name different kernels: S.V00 and B.B00"),
        (Variant(files={"BOOT.CFG": b"kernel=/b.b00\nmodules=/sb.v00\n"}), "contradict each other: only EFI/BOOT"),
        (Variant(files={"BOOT.CFG": b"kernel=http://x/b.b00\nmodules=/sb.v00\n"}), "on the network"),
        (Variant(files={"BOOT.CFG": b"#" * (2 << 20)}), "more than such a file ever has"),
        (Variant(files={"UPGRADE/METADATA.XML": b"<vum><product>"}), "METADATA.XML is not XML"),
        (
            Variant(files={"UPGRADE/PROFILE.XML": b'<!DOCTYPE a [<!ENTITY b "bbb">]><a>&b;</a>'}),
            "declares a document type",
        ),
        (
            Variant(files={"UPGRADE/METADATA.XML": '<!DOCTYPE a [<!ENTITY b "b">]><a/>'.encode("utf-16")}),
            "declares a document type",
        ),
        (Variant(files={"UPGRADE/METADATA.XML": b"<a>" * 1000}), "nests elements deeper"),
        (Variant(files={"UPGRADE/PROFILE.XML": b" " * (9 << 20)}), "more than such a file ever has"),
    ],
)
def test_boot_files_and_xml_are_checked(tmp_path: Path, variant: Variant, words: str) -> None:
    iso = tmp_path / "x.iso"
    make_standin_iso(iso, release="8.0", variant=variant)
    assert words in refusal(iso).message


def test_all_problems_of_the_boot_files_are_told_at_once(tmp_path: Path) -> None:
    iso = tmp_path / "x.iso"
    make_standin_iso(
        iso, release="8.0", variant=Variant(omit=frozenset({"tpm.v00", "EFI/BOOT/BOOTX64.EFI", "BOOT.CFG"}))
    )
    message = refusal(iso).message
    for words in ("BOOT.CFG is missing", "lacks: TPM.V00", "BOOTX64.EFI is missing"):
        assert words in message

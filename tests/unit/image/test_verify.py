"""Verification finds every kind of damage, and says what it is."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esxforge.errors import FormatError, ImageError, InputError
from esxforge.events import Notice, ignore
from esxforge.image.image_files import BuildResult
from esxforge.image.inspect import describe
from esxforge.image.verify import verify_image
from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.formats.manifest import FileRecord, Manifest

_MIB = 1 << 20
_DATA = Path(__file__).parents[2] / "data"


def _copy(image: BuildResult, directory: Path) -> Path:
    """The image alone, without the manifest beside it."""
    return Path(shutil.copy(image.image, directory / image.image.name))


def _flip(path: Path, offset: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(offset)
        old = stream.read(1)
        stream.seek(offset)
        stream.write(bytes([old[0] ^ 0x55]))


def _places(image: BuildResult) -> dict[str, int]:
    files = {record["path"]: record["offset"] for record in image.document["files"]}
    return {
        "GPT header": 512 + 60,
        "GPT entry": 1024 + 40,
        "backup GPT entry": image.raw_size - 33 * 512 + 20,
        "backup GPT header": image.raw_size - 512 + 60,
        "boot sector": _MIB + 11,
        "file allocation table": _MIB + 32 * 512 + 20,
        "kernel": files["B.B00"],
        "boot.cfg": files["EFI/BOOT/BOOT.CFG"] + 5,
        "hook": files["curtin/curtin-hooks"] + 30,
    }


@pytest.mark.parametrize(
    "place",
    ["GPT header", "GPT entry", "backup GPT entry", "backup GPT header", "boot sector", "file allocation table",
     "kernel", "boot.cfg", "hook"],
)  # fmt: skip
def test_one_changed_byte_is_found(place: str, built: BuildResult, tmp_path: Path) -> None:
    image = _copy(built, tmp_path)
    _flip(image, _places(built)[place])
    with pytest.raises(ImageError) as caught:
        verify_image(image, ignore)
    assert caught.value.hint
    if place in ("kernel", "boot.cfg", "hook"):
        assert "is damaged" in caught.value.message


def test_damage_to_the_manifest_is_found(built: BuildResult, tmp_path: Path) -> None:
    image = _copy(built, tmp_path)
    data = image.read_bytes()
    _flip(image, data.rindex(b"ESXFORGE-MANIFEST 1 00") + 200)
    with pytest.raises(ImageError, match="manifest is damaged"):
        verify_image(image, ignore)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9, 0.999999])
def test_a_truncated_image_is_found(keep: float, built: BuildResult, built_gzip: BuildResult, tmp_path: Path) -> None:
    for whole in (built, built_gzip):
        image = _copy(whole, tmp_path)
        with image.open("r+b") as stream:
            stream.truncate(int(whole.size * keep))
        with pytest.raises(ImageError):
            verify_image(image, ignore)


def test_a_second_member_and_trailing_bytes_are_found(built_gzip: BuildResult, tmp_path: Path) -> None:
    for more in (gzip.compress(b"more"), b"\0", b"garbage"):
        image = _copy(built_gzip, tmp_path)
        with image.open("ab") as stream:
            stream.write(more)
        with pytest.raises(ImageError, match="goes on after the end"):
            verify_image(image, ignore)


def test_a_golden_image_whose_manifest_lies_in_pieces_is_refused(tmp_path: Path) -> None:
    """The input begins with a byte for the fuzzer."""
    image = tmp_path / "image.raw"
    image.write_bytes((_DATA / "hostile/image/manifest-in-pieces.bin").read_bytes()[1:])
    with pytest.raises(ImageError, match=r"the file curtin/manifest\.bin lies in \d+ pieces"):
        verify_image(image, ignore)


def test_an_image_beside_another_ones_manifest_is_refused(built_gzip: BuildResult, tmp_path: Path) -> None:
    image = _copy(built_gzip, tmp_path)
    beside = image.with_name(image.name + ".manifest.json")
    document = json.loads(built_gzip.manifest_file.read_bytes())
    document["image"]["sha256"] = "0" * 64
    beside.write_text(json.dumps(document))
    with pytest.raises(ImageError, match="not the image that"):
        verify_image(image, ignore)


def test_a_broken_manifest_beside_the_image_is_a_warning(built_gzip: BuildResult, tmp_path: Path) -> None:
    image = _copy(built_gzip, tmp_path)
    image.with_name(image.name + ".manifest.json").write_text("{")
    told: list[object] = []
    verify_image(image, told.append)
    assert any(isinstance(event, Notice) and event.warning for event in told)


def test_files_that_are_no_images_are_named(tmp_path: Path, iso_of: Callable[[str], Path]) -> None:
    for name, content in (("empty", b""), ("text", b"hello" * 1000), ("gz", gzip.compress(b"hello" * 1000))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError):
            verify_image(tmp_path / name, ignore)
    with pytest.raises(ImageError):
        verify_image(iso_of("8.0"), ignore)
    with pytest.raises(InputError, match="There is no file"):
        verify_image(tmp_path / "absent", ignore)
    with pytest.raises(ImageError, match="neither an ISO nor an image"):
        describe(tmp_path / "text", ignore)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_no_changed_byte_of_a_gzip_goes_unnoticed_beside_its_manifest(
    built_gzip: BuildResult, tmp_path: Path, place: float, bits: int
) -> None:
    data = bytearray(built_gzip.image.read_bytes())
    data[int(len(data) * place)] ^= bits
    image = tmp_path / "image.dd.gz"
    image.write_bytes(data)
    shutil.copy(built_gzip.manifest_file, tmp_path / "image.dd.gz.manifest.json")
    with pytest.raises(ImageError):
        verify_image(image, ignore)


_names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
_hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
_DETAILS = {
    "tool": {"name": "esxforge", "version": "0.1.0"},
    "release": {"version": "8.0.3", "build": "", "update": "", "profile": "", "vendor": "", "source": "boot.cfg"},
    "vibs": [{"name": "esx-base", "version": "8.0.3-0.35.24280767", "vendor": "VMware"}],
    "recipe": None,
    "maas": {"name": "esxi/8.0.3", "title": "VMware ESXi 8.0.3"},
    "later": ["kept"],
}
_records = st.builds(FileRecord, _names, st.integers(0, 10**6), st.integers(0, 10**6), _hashes, st.booleans())


@given(st.lists(_records, max_size=5))
def test_manifests_survive_the_way_to_bytes_and_back(records: list[FileRecord]) -> None:
    manifest = Manifest("installer", "8.0.3", 512, 10**7, "guid", _MIB, _MIB, records, _DETAILS)
    length = manifest.length_needed()
    data = manifest.to_bytes(length)
    assert len(data) == length
    assert Manifest.parse(data) == manifest
    with pytest.raises(FormatError, match="needs"):
        manifest.to_bytes(10)


@given(st.binary(max_size=300))
def test_garbage_is_no_manifest(data: bytes) -> None:
    for text in (data, b"ESXFORGE-MANIFEST 1 " + data):
        with pytest.raises(FormatError):
            Manifest.parse(text)


def test_settings_survive_the_way_to_json_and_back_and_hide_the_hash() -> None:
    settings_ = ImageSettings("installer", "8.0.3", True, "rootpw x\n", "hash", "$6$salt$secret", None, ["a=b"])
    assert ImageSettings.from_json(settings_.to_json()) == settings_
    assert "secret" not in repr(settings_)
    for text in ("", "[]", "{}", '{"kind": 1}'):
        with pytest.raises(FormatError):
            ImageSettings.from_json(text)

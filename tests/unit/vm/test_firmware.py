"""Finding UEFI firmware by QEMU's descriptors, and in known places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esxforge.errors import OutputError, ProcessError
from esxforge.vm.firmware import FirmwarePlaces, find_ovmf, find_secure_ovmf, private_copy
from esxforge.vm.hardware import Chipset, Ovmf


def _firmware(directory: Path, name: str) -> tuple[Path, Path]:
    code, variables = directory / f"{name}-code.fd", directory / f"{name}-vars.fd"
    code.write_bytes(b"code of " + name.encode())
    variables.write_bytes(b"variables of " + name.encode())
    return code, variables


def _descriptor(pair: tuple[Path, Path], **changes: Any) -> dict[str, Any]:
    return {
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": str(pair[0]), "format": "raw"},
            "nvram-template": {"filename": str(pair[1]), "format": "raw"},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": ["acpi-s3"],
    } | changes


def _write(directory: Path, name: str, content: dict[str, Any] | str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(content if isinstance(content, str) else json.dumps(content))


def test_the_first_fitting_descriptor_by_name_is_taken(tmp_path: Path) -> None:
    first, second = _firmware(tmp_path, "first"), _firmware(tmp_path, "second")
    _write(tmp_path / "d", "60-b.json", _descriptor(second))
    _write(tmp_path / "d", "40-a.json", _descriptor(first))
    assert find_ovmf(places=FirmwarePlaces((tmp_path / "d",), ())) == Ovmf(*first)


@pytest.mark.parametrize(
    "change",
    [
        {"features": ["secure-boot"]},
        {"features": ["enrolled-keys"]},
        {"features": ["requires-smm"]},
        {"interface-types": ["bios"]},
        {"mapping": {"device": "memory", "filename": "/x"}},
        {"targets": [{"architecture": "aarch64", "machines": ["virt-*"]}]},
        {"targets": [{"architecture": "x86_64", "machines": ["pc-i440fx-*"]}]},
        {"targets": "nonsense"},
        {"mapping": None},
    ],
)
def test_unfit_descriptors_are_passed_over(tmp_path: Path, change: dict[str, Any]) -> None:
    bad, good = _firmware(tmp_path, "bad"), _firmware(tmp_path, "good")
    _write(tmp_path / "d", "10-bad.json", _descriptor(bad, **change))
    _write(tmp_path / "d", "20-good.json", _descriptor(good))
    assert find_ovmf(places=FirmwarePlaces((tmp_path / "d",), ())).code == good[0]


def test_a_stronger_directory_hides_a_file_of_the_same_name(tmp_path: Path) -> None:
    weak, strong = _firmware(tmp_path, "weak"), _firmware(tmp_path, "strong")
    _write(tmp_path / "usr", "50-x.json", _descriptor(weak))
    _write(tmp_path / "etc", "50-x.json", _descriptor(strong))
    places = FirmwarePlaces((tmp_path / "usr", tmp_path / "etc"), ())
    assert find_ovmf(places=places).code == strong[0]
    _write(tmp_path / "etc", "50-x.json", "")  # hides it without a replacement
    with pytest.raises(ProcessError):
        find_ovmf(places=places)


def test_descriptors_of_missing_files_and_broken_ones_fall_back_to_known_places(tmp_path: Path) -> None:
    known = _firmware(tmp_path, "known")
    _write(tmp_path / "d", "10.json", _descriptor((tmp_path / "gone", tmp_path / "gone")))
    _write(tmp_path / "d", "20.json", "{not json")
    _write(tmp_path / "d", "30.json", "[]")
    places = FirmwarePlaces((tmp_path / "d",), ((tmp_path / "gone", tmp_path / "gone"), known))
    assert find_ovmf(Chipset.PC, places).code == known[0]


def test_without_any_firmware_the_packages_are_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="OVMF") as caught:
        find_ovmf(places=FirmwarePlaces((tmp_path / "none",), ()))
    assert "edk2-ovmf" in caught.value.hint


def test_each_machine_writes_variables_of_its_own(tmp_path: Path) -> None:
    code, variables = _firmware(tmp_path, "x")
    own = private_copy(Ovmf(code, variables), tmp_path)
    assert own.code == code
    assert own.variables != variables
    own.variables.write_bytes(b"changed")
    assert variables.read_bytes() == b"variables of x"


SECURE = ["acpi-s3", "enrolled-keys", "requires-smm", "secure-boot"]


@pytest.mark.parametrize("features", [[], ["secure-boot"], ["secure-boot", "requires-smm"], ["enrolled-keys"]])
def test_secure_firmware_has_keys_enrolled_and_smm(tmp_path: Path, features: list[str]) -> None:
    bad, good = _firmware(tmp_path, "bad"), _firmware(tmp_path, "good")
    _write(tmp_path / "d", "10-bad.json", _descriptor(bad, features=features))
    _write(tmp_path / "d", "20-good.json", _descriptor(good, features=SECURE))
    assert find_secure_ovmf(places=FirmwarePlaces((tmp_path / "d",), ())) == Ovmf(*good, secure=True)


def test_secure_firmware_is_found_in_known_places_for_q35_alone(tmp_path: Path) -> None:
    pair = _firmware(tmp_path, "known")
    places = FirmwarePlaces((tmp_path / "none",), (), (pair,))
    assert find_secure_ovmf(places=places) == Ovmf(*pair, secure=True)
    with pytest.raises(ProcessError, match="for the chipset pc"):
        find_secure_ovmf(Chipset.PC, places)
    with pytest.raises(ProcessError, match="with Secure Boot on"):
        find_secure_ovmf(places=FirmwarePlaces((tmp_path / "none",), ()))


def test_no_room_for_the_variables_names_the_copy(tmp_path: Path) -> None:
    template = Ovmf(*_firmware(tmp_path, "one"))
    with pytest.raises(OutputError, match=r"absent/firmware-variables\.raw: No such file") as error:
        private_copy(template, tmp_path / "absent")
    assert "TMPDIR" in error.value.hint

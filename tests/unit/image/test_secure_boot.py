"""What a build knows of the loader's signer, and when it refuses to try Secure Boot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esxforge.errors import RecipeError
from esxforge.formats.authenticode import authenticode_hash, signatures
from esxforge.image.host_settings import captured_settings
from esxforge.image.secure_boot import secure_boot_problems
from esxforge.media.installer import open_installer
from esxforge.media.loader import signed_loader
from esxforge.recipe.load import load_recipe
from esxforge.standin_iso.efi_program import build_efi_program
from esxforge.standin_iso.iso import make_standin_iso
from esxforge_target.contract.secure_boot import Loader
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.manifest import Manifest
from esxforge_target.runtime.errors import FormatError
from standin.signing import SigningKey, make_key, signed_program
from unit.image.conftest import HASH, Builder

NO_NAME = bytes.fromhex("300431023000")
PATH = "EFI/BOOT/BOOTX64.EFI"
TRY = {"accept_eula": True, "secure_boot": "try"}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("key"), "signer")


@pytest.fixture(scope="module")
def iso(tmp_path_factory: pytest.TempPathFactory, key: SigningKey) -> Path:
    """A stand-in ISO with a signed loader."""
    directory = tmp_path_factory.mktemp("iso")
    make_standin_iso(directory / "a.iso", release="8.0", extra_files={PATH: signed_program(directory, key)})
    return directory / "a.iso"


def test_the_manifest_says_who_signed_the_loader_and_what_it_loads(
    iso: Path, key: SigningKey, tmp_path: Path, build: Builder
) -> None:
    result = build(iso, tmp_path / "a.raw", image={"format": "raw"}, install=TRY)
    said = result.document["details"]["secure_boot"]
    loader = Loader.from_document(said)
    assert [[one.whole for one in each] for each in loader.signatures] == [[key.der]]
    assert [one["issuer"] for one in said["signatures"]] == ["signer"]
    assert loader.hashes["sha256"] == authenticode_hash(build_efi_program(), "sha256")
    assert list(loader.modules) == [one.name for one in open_installer(iso).boot_cfgs[1].cfg.modules]
    assert loader.document() == said


def test_an_iso_whose_loader_is_not_signed_builds_as_before_but_is_not_tried(
    iso_of: Callable[[str], Path], tmp_path: Path, build: Builder
) -> None:
    result = build(iso_of("8.0"), tmp_path / "a.raw", image={"format": "raw"})
    assert result.document["details"]["secure_boot"] == {"problem": f"{PATH} is not signed."}
    with pytest.raises(RecipeError, match=f"this ISO cannot be tried: {PATH} is not signed"):
        build(iso_of("8.0"), tmp_path / "b.raw", image={"format": "raw"}, install=TRY)
    assert not (tmp_path / "b.raw").exists()


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        (None, "has more than"),
        (b"MZ", "not an EFI program"),
        (build_efi_program(), "is not signed"),
    ],
)
def test_a_loader_that_says_nothing_has_a_sentence(program: bytes | None, problem: str) -> None:
    found = signed_loader(PATH, program)
    assert problem in found.problem
    assert not found.signatures


def test_what_must_not_stay_on_a_host_that_does_not_start_is_refused(iso: Path, tmp_path: Path, build: Builder) -> None:
    (tmp_path / "driver.vib").write_bytes(b"x")
    with pytest.raises(RecipeError) as error:
        build(
            iso,
            tmp_path / "a.raw",
            image={"format": "raw"},
            install=TRY,
            vcenter={"server": "vc.example.com", "datacenter": "DC1", "thumbprint": "AB" * 32},
            files=[{"source": str(tmp_path / "driver.vib"), "path": "driver.vib"}],
            add=[{"file": str(tmp_path / "driver.vib")}],
        )
    assert "[vcenter] cannot be used with it" in error.value.message
    assert "files cannot be used with it" in error.value.message
    assert "add cannot be used with it" in error.value.message


def test_a_random_password_that_nobody_can_read_is_refused(iso: Path, tmp_path: Path, build: Builder) -> None:
    with pytest.raises(RecipeError, match="a random root password cannot be used with it without"):
        build(iso, tmp_path / "a.raw", image={"format": "raw"}, install=TRY, root_password={"random": True})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda cfg: cfg.with_value("acpitables", "/dsdt.aml"), "boot.cfg has acpitables="),
        (
            lambda cfg: cfg.with_value("modules", f"{cfg.get('modules')} --- /other/{cfg.modules[0].name.strip('/')}"),
            "boot.cfg has more than one module called",
        ),
    ],
)
def test_what_vmwares_loader_refuses_in_the_isos_boot_cfg_is_said_once(
    change: Callable[[BootCfg], BootCfg], sentence: str, iso: Path
) -> None:
    media = open_installer(iso)
    recipe = load_recipe(None, {"install": TRY, "root_password": {"hash": HASH}})
    assert secure_boot_problems(recipe, golden=False, media=media) == []
    changed = tuple(replace(one, cfg=change(one.cfg)) for one in media.boot_cfgs)
    (problem,) = secure_boot_problems(recipe, golden=False, media=replace(media, boot_cfgs=changed))
    assert f"this ISO cannot be tried: {sentence}" in problem
    refusing = load_recipe(None, {"install": {"accept_eula": True}, "root_password": {"hash": HASH}})
    assert secure_boot_problems(refusing, golden=False, media=replace(media, boot_cfgs=changed)) == []


def test_an_issuer_whose_name_cannot_be_read_is_a_problem_of_the_loader_alone(
    key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = signed_program(tmp_path, key)
    found = [
        replace(one, certificates=tuple(each.replace(issuer=NO_NAME) for each in one.certificates))
        for one in signatures(program)
    ]
    monkeypatch.setattr("esxforge.media.loader.signatures", lambda _: found)
    assert "A name does not have the structure of one" in signed_loader(PATH, program).problem


def test_a_golden_image_does_not_try_it() -> None:
    recipe = load_recipe(None, {"install": TRY, "root_password": {"hash": HASH}})
    with pytest.raises(RecipeError, match="a golden image cannot try Secure Boot"):
        captured_settings(recipe, "8.0.3", lambda event: None)


@pytest.mark.parametrize("change", [{"hashes": {}}, {"modules": []}, {"path": ""}, {"signatures": []},
                                    {"hashes": {"sha256": "00"}},
                                    {"signatures": [{"issuer": "x", "certificates": []}]},
                                    {"signatures": [{"issuer": "x", "certificates": ["3000"]}]}])  # fmt: skip
def test_a_manifest_that_does_not_say_all_of_the_loader_is_refused(
    change: dict[str, Any], iso: Path, tmp_path: Path, build: Builder
) -> None:
    said = build(iso, tmp_path / "a.raw", image={"format": "raw"}).document["details"]["secure_boot"]
    with pytest.raises(FormatError):
        Loader.from_document({**said, **change})


def test_a_manifest_with_other_bytes_than_hexadecimal_is_refused(iso: Path, tmp_path: Path, build: Builder) -> None:
    build(iso, tmp_path / "a.raw", image={"format": "raw"})
    details = {"secure_boot": {"hashes": {"sha256": "no"}}}
    manifest = Manifest("installer", "8.0.3", 512, 1 << 30, "g", 1 << 20, 1 << 20, [], details)
    with pytest.raises(FormatError, match="hexadecimal"):
        Manifest.parse(manifest.to_bytes(manifest.length_needed()))

"""The run from the ISO to the document, with the machine played: what follows what, and where it ends when."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esxforge.errors import ImageError, ProcessError
from esxforge.events import Event, Listener, Notice
from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.image.golden import GoldenOptions
from esxforge.image.image_files import BuildResult
from esxforge.recipe.model import Recipe
from esxforge.selftest import scenario
from esxforge.selftest.boots import BootPlan
from esxforge.selftest.claim import Area
from esxforge.selftest.evidence import Asked, Boot, Stage
from esxforge.selftest.scenario import SelftestSettings
from esxforge.selftest.service import Service
from esxforge.selftest.session import run_session
from esxforge.standin_iso.iso import make_standin_iso
from esxforge.vm.hardware import Accelerator, Ovmf, SeaBios
from esxforge.vm.watch import WatchPage
from standin.signing import make_key, signed_program, snakeoil
from standin.vibs import NewVib
from unit.selftest.installed import CFG, put
from unit.selftest.play import Play

STAGES = [Stage.INTERACTIVE, Stage.INSTALL, Stage.FIRST_BOOT, Stage.SECOND_BOOT, Stage.LATER_BOOT]


@pytest.fixture
def settings(tmp_path: Path) -> SelftestSettings:
    iso = tmp_path / "s.iso"
    make_standin_iso(iso, release="8.0")
    return SelftestSettings(iso, Accelerator.TCG, 60.0)


def session(
    settings: SelftestSettings, play: Play, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], str]:
    """The document, and what the person was told."""
    told: list[Event] = []
    monkeypatch.setattr(scenario, "run_boot", play)
    directory.mkdir()
    document = run_session(settings, directory, None, told.append)
    return document, " ".join(event.text for event in told if isinstance(event, Notice))


def statuses(document: dict[str, Any]) -> dict[str, str]:
    claims = [claim for claim in document["claims"] if claim["area"] != Area.BEHAVIOUR.value]
    return {claim["id"]: claim["status"] for claim in claims if claim["asked"]}


def test_a_run_that_goes_well_is_good(
    settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play()
    document, _ = session(settings, play, tmp_path / "work", monkeypatch)
    assert play.stages == STAGES
    otherwise = {name: status for name, status in statuses(document).items() if status != "seen"}
    assert otherwise == {"management": "not seen"}, json.dumps(document["claims"], indent=1)
    assert document["ok"] is True
    assert document["standin"] is True
    assert {call["stage"] for call in document["calls"]} == {"3-first-boot", "4-second-boot"}
    assert document["disks"]["2-install"]["secrets"]
    assert not document["disks"]["4-second-boot"]["secrets"]


class WithDriver(Play):
    """The installed host loads the module of the VIB, and the agent says so."""

    def _deploy(self, disk: Path) -> None:
        self._start("drivers")
        super()._deploy(disk)
        put(disk, 5, "netdrv.v00", b"a driver")
        put(disk, 5, "boot.cfg", CFG.format(" --- netdrv.v00").encode())


def test_a_driver_that_is_added_is_looked_at_whatever_its_acceptance_level(
    settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = NewVib(level="community", signature=b"").write(tmp_path)
    desired = replace(settings, add=(driver,), asked=Asked(add=True))
    document, _ = session(desired, WithDriver(), tmp_path / "work", monkeypatch)
    found = statuses(document)
    assert {name: found[name] for name in ("added-loaded", "added-stays")} == dict.fromkeys(
        ("added-loaded", "added-stays"), "seen"
    ), json.dumps(document["claims"], indent=1)
    (evidence,) = [claim["evidence"] for claim in document["claims"] if claim["id"] == "added-stays"]
    assert "netdrv.v00" in evidence


def test_a_driver_that_is_gone_from_the_bank_is_a_contradiction(
    settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desired = replace(settings, add=(NewVib().write(tmp_path),), asked=Asked(add=True))
    document, _ = session(desired, Play(), tmp_path / "work", monkeypatch)
    assert statuses(document)["added-stays"] == "contradicted"
    assert document["ok"] is False


@pytest.mark.parametrize("fails", STAGES)
def test_a_stage_that_fails_ends_the_run_and_not_the_report(
    fails: Stage, settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play(fails)
    document, told = session(settings, play, tmp_path / "work", monkeypatch)
    # Without the interactive start all others can be looked at.
    last = STAGES if fails is Stage.INTERACTIVE else STAGES[: STAGES.index(fails) + 1]
    assert play.stages == last
    assert document["ok"] is False
    assert "contradicted" not in statuses(document).values() or fails in (Stage.SECOND_BOOT, Stage.LATER_BOOT)
    if fails not in (Stage.INTERACTIVE, Stage.LATER_BOOT):
        assert "The run ends here" in told
        assert any("The run ended early" in note for note in document["notes"])


def golden_played(iso: Path, recipe: Recipe, options: GoldenOptions, listener: Listener) -> BuildResult:
    """An installer image stands for the golden one: what is tried here is what follows what."""
    installer = replace(recipe, image=replace(recipe.image, kind="installer"))
    return build_installer_image(iso, installer, BuildOptions(options.output), listener)


def golden_refused(*_: object) -> BuildResult:
    raise ImageError("The virtual machine restarted.\nMuch more of it.")


def test_a_golden_image_is_built_and_deployed_where_it_was_asked_for(
    settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play()
    monkeypatch.setattr(scenario, "build_golden_image", golden_played)
    desired = replace(settings, asked=Asked(golden=True))
    document, _ = session(desired, play, tmp_path / "work", monkeypatch)
    assert play.stages == [*STAGES, Stage.GOLDEN_BOOT]
    assert {statuses(document)[name] for name in ("golden-build", "golden-boots")} == {"seen"}
    assert document["ok"] is True


@pytest.mark.parametrize("how", ["starts", "does not start", "QEMU fails"])
def test_a_golden_disk_is_started_by_legacy_bios_where_capture_found_that_it_may_be(
    how: str, settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(iso: Path, recipe: Recipe, options: GoldenOptions, listener: Listener) -> BuildResult:
        result = golden_played(iso, recipe, options, listener)
        result.document["details"]["golden"] = {"bios": {"starts": how != "does not start", "reason": "a reason"}}
        return result

    class Watching(Play):
        def __call__(self, plan: BootPlan, listener: Listener, page: WatchPage | None = None) -> Boot:
            if plan.stage is Stage.GOLDEN_BIOS:
                assert isinstance(plan.machine.firmware, SeaBios)
                assert plan.machine.disks[0].format == "qcow2", "the disk itself is written by the next start"
                if how == "QEMU fails":
                    raise ProcessError("QEMU has no bios-256k.bin.", "Install it.")
            return super().__call__(plan, listener, page)

    play = Watching()
    monkeypatch.setattr(scenario, "build_golden_image", built)
    desired = replace(settings, asked=Asked(golden=True))
    document, _ = session(desired, play, tmp_path / "work", monkeypatch)
    expected = [Stage.GOLDEN_BIOS] if how == "starts" else []
    assert play.stages == [*STAGES, *expected, Stage.GOLDEN_BOOT]
    assert statuses(document)["golden-boots"] == "seen"
    assert any("no bios-256k.bin" in note for note in document["notes"]) is (how == "QEMU fails")
    assert "bios-boots" not in statuses(document), "the stand-in has no boot code of VMware's"
    assert not (tmp_path / "work" / "bios.qcow2").exists()


def test_a_golden_build_that_fails_is_told_and_spoils_nothing_else(
    settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenario, "build_golden_image", golden_refused)
    desired = replace(settings, asked=Asked(golden=True))
    document, _ = session(desired, Play(Stage.INTERACTIVE), tmp_path / "work", monkeypatch)
    assert statuses(document)["golden-build"] == "contradicted"
    assert statuses(document)["golden-boots"] == "not reached"
    assert "The virtual machine restarted." in {claim["evidence"] for claim in document["claims"]}


@pytest.fixture
def snakeoil_firmware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The firmware that QEMU's descriptors name first has Secure Boot on, with Debian's snakeoil key."""
    directory = tmp_path / "config/qemu/firmware"
    directory.mkdir(parents=True)
    descriptor = {
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "format": "raw"},
            "nvram-template": {"filename": "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd", "format": "raw"},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": ["enrolled-keys", "requires-smm", "secure-boot"],
    }
    (directory / "00-snakeoil.json").write_text(json.dumps(descriptor))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.mark.usefixtures("snakeoil_firmware")
def test_with_secure_boot_another_host_is_installed_whose_firmware_trusts_the_loader(
    settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = {"EFI/BOOT/BOOTX64.EFI": signed_program(tmp_path, snakeoil(tmp_path))}
    make_standin_iso(settings.iso, release="8.0", extra_files=program, overwrite=True)
    play = Play()
    document, _ = session(replace(settings, asked=Asked(secure_boot=True)), play, tmp_path / "work", monkeypatch)
    assert play.stages == [*STAGES, Stage.SECURE_INSTALL, Stage.SECURE_BOOT]
    names = ("secure-loader", "secure-installer", "secure-bank", "secure-script", "secure-readiness")
    assert {name: statuses(document)[name] for name in names} == dict.fromkeys(names, "seen")
    assert isinstance(play.firmware, Ovmf)
    assert play.firmware.secure
    assert document["ok"] is True


@pytest.mark.usefixtures("snakeoil_firmware")
def test_a_loader_that_the_firmware_does_not_know_is_not_started(
    settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = {"EFI/BOOT/BOOTX64.EFI": signed_program(tmp_path, make_key(tmp_path, "stranger"))}
    make_standin_iso(settings.iso, release="8.0", extra_files=program, overwrite=True)
    play = Play()
    document, _ = session(replace(settings, asked=Asked(secure_boot=True)), play, tmp_path / "work", monkeypatch)
    assert play.stages == STAGES
    found = {claim["id"]: claim["evidence"] for claim in document["claims"]}
    assert "does not know who signed" in found["secure-loader"]
    assert statuses(document)["secure-loader"] == "not reached"


def test_an_iso_whose_loader_is_not_signed_is_told_and_spoils_nothing_else(
    settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, told = session(replace(settings, asked=Asked(secure_boot=True)), Play(), tmp_path / "work", monkeypatch)
    assert "EFI/BOOT/BOOTX64.EFI is not signed" in told
    assert statuses(document)["secure-loader"] == "not reached"
    assert statuses(document)["module-loaded"] == "seen"
    assert document["ok"] is False


def test_no_secret_and_no_path_is_in_the_document(
    settings: SelftestSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str] = []
    real = Service

    def remembering(token: Any) -> Any:
        tokens.extend(token.secrets)
        return real(token)

    monkeypatch.setattr(scenario, "Service", remembering)
    document, _ = session(settings, Play(), tmp_path / "work", monkeypatch)
    text = json.dumps(document)
    assert len(tokens) == 3
    assert not [token for token in tokens if token in text]
    assert str(tmp_path) not in text

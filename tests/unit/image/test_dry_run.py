"""A dry run shows what a build would make, fails as it would, and writes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esxforge.checks.computer import Computer
from esxforge.errors import ForgeError, OutputError, ProcessError, RecipeError
from esxforge.events import Event, Notice
from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.image.dry_run import rehearse_golden_image, rehearse_installer_image
from esxforge.image.golden import GoldenOptions
from esxforge.local import output_errors
from esxforge.recipe.load import load_recipe
from esxforge.vm.hardware import Accelerator
from unit.image.test_golden_build import GoodComputer, PoorComputer

HASH = "$6$saltsalt$" + "a" * 86
_MIB = 1 << 20
_KICKSTART = """\
vmaccepteula
install --firstdisk --overwritevmfs
rootpw VMware1!secret
network --bootproto=dhcp
%post --interpreter=busybox
echo the user's
"""


def _files(directory: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(directory)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in directory.rglob("*")
    }


def _recipe(**flags: Any) -> Any:
    return load_recipe(None, {"install": {"accept_eula": True}, "root_password": {"hash": HASH}, **flags})


@pytest.mark.parametrize(("kind", "sectors"), [("ddgz", 512), ("raw", 512), ("ddgz", 4096)])
def test_sizes_and_files_are_those_of_the_build_that_follows(
    kind: str, sectors: int, tmp_path: Path, iso_of: Callable[[str], Path]
) -> None:
    (tmp_path / "driver.vib").write_bytes(b"x" * 5000)
    recipe = _recipe(
        image={"format": kind, "sector_size": sectors},
        files=[{"source": str(tmp_path / "driver.vib"), "path": "d/driver.vib"}],
    )
    options = BuildOptions(tmp_path / "image")
    before = _files(tmp_path)
    shown = rehearse_installer_image(iso_of("8.0"), recipe, options, lambda _: None)
    assert _files(tmp_path) == before
    result = build_installer_image(iso_of("8.0"), recipe, options, lambda _: None)
    image = shown["image"]
    assert abs(image["size"] - result.size) < _MIB
    assert image["raw_size"] == result.raw_size
    assert shown["release"] == result.document["details"]["release"]
    assert shown["vibs"] == result.document["details"]["vibs"]
    of_the_build = {file["path"] for file in result.document["files"]}
    assert {file["path"] for file in shown["added"]} <= of_the_build
    assert set(shown["changed"]) == {"BOOT.CFG", "EFI/BOOT/BOOT.CFG"} <= of_the_build
    assert shown["files"] == [
        {"path": "/esxforge/files/d/driver.vib", "source": str(tmp_path / "driver.vib"), "size": 5000}
    ]


def test_the_kickstarts_lines_are_told_with_what_becomes_of_them(tmp_path: Path, iso_of: Callable[[str], Path]) -> None:
    (tmp_path / "ks.cfg").write_text(_KICKSTART)
    recipe = load_recipe(None, {"install": {"kickstart": str(tmp_path / "ks.cfg")}})
    shown = rehearse_installer_image(iso_of("8.0"), recipe, BuildOptions(tmp_path / "i"), lambda _: None)["kickstart"]
    assert [change.partition(":")[0] for change in shown["changes"]] == ["kickstart line 2", "kickstart line 4"]
    assert shown["added"] == ["network", "install", "reboot"]
    recipe = _recipe(install={"kickstart": str(tmp_path / "ks.cfg")})
    shown = rehearse_installer_image(iso_of("8.0"), recipe, BuildOptions(tmp_path / "i"), lambda _: None)["kickstart"]
    assert "kickstart line 3: rootpw is replaced" in " ".join(shown["changes"])
    assert shown["added"] == ["rootpw", "network", "install", "reboot"]
    assert "VMware1!secret" not in json.dumps(shown)


def _failure(run: Callable[[], object]) -> tuple[str, str, str]:
    with pytest.raises(ForgeError) as caught:
        run()
    return caught.value.code, caught.value.message, caught.value.hint


@pytest.mark.parametrize("case", ["exists", "companion", "directory", "kind", "input", "no EULA", "no password"])
def test_it_fails_as_the_build_would(case: str, tmp_path: Path, iso_of: Callable[[str], Path]) -> None:
    output, recipe, iso = tmp_path / "image.dd.gz", _recipe(), iso_of("8.0")
    match case:
        case "exists":
            output.touch()
        case "companion":
            (tmp_path / "image.dd.gz.manifest.json").touch()
        case "directory":
            output = tmp_path / "absent" / "image.dd.gz"
        case "kind":
            output.mkdir()
        case "input":
            output = iso
        case "no EULA":
            recipe = load_recipe(None, {"root_password": {"hash": HASH}})
        case "no password":
            recipe = load_recipe(None, {"install": {"accept_eula": True}})
    before = _files(tmp_path)
    dry = _failure(lambda: rehearse_installer_image(iso, recipe, BuildOptions(output), lambda _: None))
    assert _files(tmp_path) == before
    assert dry == _failure(lambda: build_installer_image(iso, recipe, BuildOptions(output), lambda _: None))


def test_a_file_system_without_room_is_told_before_the_build(
    tmp_path: Path, iso_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        f_flag, f_bavail, f_frsize = 0, 10, 4096

    monkeypatch.setattr("esxforge.local.output.os.statvfs", lambda _: Full)
    with pytest.raises(OutputError, match="has 0 MiB free") as caught:
        rehearse_installer_image(iso_of("8.0"), _recipe(), BuildOptions(tmp_path / "i"), lambda _: None)
    assert caught.value.code == "output.no-space"
    assert output_errors.too_little_space(tmp_path / "i", 0, 1, "-o").hint == caught.value.hint


def _golden(directory: Path, iso: Path, computer: Computer, told: list[Event], **recipe: Any) -> dict[str, Any]:
    options = GoldenOptions(directory / "image.dd.gz", accelerator=Accelerator.TCG)
    return rehearse_golden_image(iso, _recipe(image={"kind": "golden"}, **recipe), options, told.append, computer)


def test_a_golden_image_has_the_size_of_its_virtual_disk(tmp_path: Path, iso_of: Callable[[str], Path]) -> None:
    told: list[Event] = []
    shown = _golden(tmp_path, iso_of("8.0"), GoodComputer(), told, golden={"disk_size": 40})
    assert (shown["image"]["size"], shown["image"]["raw_size"]) == (None, 40 << 30)
    assert any(isinstance(event, Notice) and event.warning and "Without KVM" in event.text for event in told)
    assert "reboot" not in shown["kickstart"]["added"]
    assert _files(tmp_path) == {}


def test_a_golden_build_that_this_computer_cannot_run_fails(tmp_path: Path, iso_of: Callable[[str], Path]) -> None:
    with pytest.raises(ProcessError, match="lacks what a golden build needs"):
        _golden(tmp_path, iso_of("8.0"), PoorComputer(), [])
    with pytest.raises(RecipeError, match="too few"):
        _golden(tmp_path, iso_of("8.0"), GoodComputer(), [], golden={"disk_size": 1})


def _esxforge(*arguments: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "esxforge", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a recipe."""
    (tmp_path / "ks.cfg").write_text(_KICKSTART.replace(" --interpreter=busybox", ""))
    (tmp_path / "esxforge.toml").write_text(
        f'[install]\nkickstart = "ks.cfg"\n[root_password]\nhash = "{HASH}"\n[maas]\ntitle = "Ours"\n'
    )
    return tmp_path


def test_the_resolved_recipe_names_where_each_value_came_from(site: Path, iso_of: Callable[[str], Path]) -> None:
    words = ("build", iso_of("8.0"), "--config", "esxforge.toml", "--accept-eula", "--sector-size", "4096", "--dry-run")
    done = _esxforge(*words, "--json", directory=site)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["recipe"]["install.accept_eula"] == {"from": "flag", "value": True}
    assert document["recipe"]["image.sector_size"] == {"from": "flag", "value": 4096}
    assert document["recipe"]["install.kickstart"] == {"from": "file", "value": str(site / "ks.cfg")}
    assert document["recipe"]["install.require_working"] == {"from": "default", "value": "management"}
    assert document["recipe"]["root_password.hash"] == {"from": "file", "secret": True}
    assert any("names no interpreter" in warning for warning in document["warnings"])
    shown = _esxforge(*words, directory=site)
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert "image.sector_size flag 4096" in lines
    assert 'maas.title esxforge.toml "Ours"' in lines
    assert "root_password.hash esxforge.toml (secret)" in lines
    assert any("names no interpreter" in line for line in lines)
    assert lines[-1] == "Dry run: nothing was written."
    for output in (done, shown):
        assert HASH not in output.stdout + output.stderr
        assert "VMware1!secret" not in output.stdout + output.stderr
    assert sorted(_files(site)) == ["esxforge.toml", "ks.cfg"]


def test_warnings_before_a_failure_are_shown_with_it(site: Path, iso_of: Callable[[str], Path]) -> None:
    done = _esxforge(
        "build", iso_of("8.0"), "--config", "esxforge.toml", "-o", "absent/i", "--dry-run", "--json", directory=site
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "output.no-directory"
    assert "names no interpreter" in done.stderr

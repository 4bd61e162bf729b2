"""An image with VIBs added: what stands on its volume, what it says of that, and what stops the build."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge.addons.decide import decide
from esxforge.errors import ForgeError, ImageError, RecipeError
from esxforge.events import ignore
from esxforge.image import add_ons
from esxforge.image.golden import GoldenOptions, build_golden_image
from esxforge.image.inspect import describe
from esxforge.image.verify import verify_image
from esxforge.media.installer import open_installer
from esxforge.recipe.load import load_recipe
from esxforge.standin_iso.iso import Variant, make_standin_iso
from esxforge.vm.hardware import Accelerator
from esxforge_target.contract.image_settings import SETTINGS_PATH, ImageSettings
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.runtime.blocks import MemoryBlocks, Window
from standin.vibs import DRIVER, NewPayload, NewVib, bundle, tgz

from .conftest import HASH, Builder

IsoOf = Callable[[str], Path]


def _volume(image: Path) -> FatVolume:
    disk = MemoryBlocks(gzip.decompress(image.read_bytes()))
    return FatVolume(Window(disk, 1 << 20, disk.size - (2 << 20)))


def test_payloads_are_the_last_modules_before_ours_in_both_boot_cfgs_and_stand_on_the_volume_as_they_are(
    iso_of: IsoOf, build: Builder, tmp_path: Path
) -> None:
    tool = tgz({"opt/tool": b"x" * 999})
    file = NewVib(payloads=(NewPayload(), NewPayload("tool", tool, "tgz"))).write(tmp_path)
    result = build(iso_of("8.0"), tmp_path / "x.dd.gz", add=[{"file": file}], files=[{"source": file, "path": "v"}])
    volume = _volume(result.image)
    for path in ("BOOT.CFG", "EFI/BOOT/BOOT.CFG"):
        names = [module.name for module in BootCfg.parse(volume.read_file(path, 1 << 20)).modules]
        assert names[-4:] == ["/netdrv.v00", "/tool.t00", "/esxforge.tgz", "/esxfiles.tgz"]
    assert volume.read_file("NETDRV.V00", 1 << 20) == DRIVER
    assert volume.read_file("TOOL.T00", 1 << 20) == tool
    told = ImageSettings.from_json(volume.read_file(SETTINGS_PATH, 1 << 20).decode()).modules
    assert [(one["name"], one["vib"]) for one in told] == [
        ("netdrv.v00", "net-drv 1.2.0-1vmw.800.1.0.1"),
        ("tool.t00", "net-drv 1.2.0-1vmw.800.1.0.1"),
    ]
    unzipped = gzip.decompress(tool)
    assert (told[1]["sha256"], told[1]["size"]) == (hashlib.sha256(unzipped).hexdigest(), len(unzipped))
    assert [text for text in build.notices if "ESXi does not own it" in text and "net-drv 1.2.0" in text]


def test_the_same_vibs_give_the_same_bytes_and_another_vib_other_ones(
    iso_of: IsoOf, build: Builder, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.zip", tmp_path / "elsewhere.zip"
    one.write_bytes(bundle([NewVib(), NewVib("b", payloads=(NewPayload("b"),))]))
    other.write_bytes(one.read_bytes())
    deflated = tmp_path / "deflated.zip"
    deflated.write_bytes(bundle([NewVib(), NewVib("b", payloads=(NewPayload("b"),))], method=zipfile.ZIP_DEFLATED))
    images = []
    for number, (file, vibs) in enumerate(((one, ()), (one, ()), (one, ("b",)), (deflated, ("b",)))):
        build(iso_of("8.0"), tmp_path / f"{number}.dd.gz", add=[{"file": file, "vibs": list(vibs)}])
        images.append((tmp_path / f"{number}.dd.gz").read_bytes())
    assert images[0] == images[1]
    assert images[0] != images[2]
    guids = [json.loads((tmp_path / f"{number}.dd.gz.manifest.json").read_text())["disk"]["guid"] for number in (0, 2)]
    assert guids[0] != guids[1]
    assert _volume(tmp_path / "3.dd.gz").read_file("B.V00", 1 << 20) == DRIVER


def test_manifest_sbom_verify_and_inspect_name_what_was_added_with_its_hashes(
    iso_of: IsoOf, build: Builder, tmp_path: Path
) -> None:
    file = NewVib().write(tmp_path)
    result = build(iso_of("8.0"), tmp_path / "x.dd.gz", sbom=True, add=[{"file": file}])
    (added,) = verify_image(result.image, ignore).manifest.details["add_ons"]
    assert added == result.document["details"]["add_ons"][0]
    assert (added["name"], added["signed"], added["acceptance_level"]) == ("net-drv", True, "partner")
    assert added["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert added["modules"][0]["path"] == "NETDRV.V00"
    assert added["modules"][0]["sha256"] == hashlib.sha256(DRIVER).hexdigest()
    assert result.document["details"]["recipe"]["add"] == [{"name": file.name, "vibs": []}]
    document = describe(result.image, ignore)
    assert document["add_ons"] == [added]
    assert "NETDRV.V00" in document["added"]
    assert result.sbom_file is not None
    components = json.loads(result.sbom_file.read_text())["components"]
    (component,) = [one for one in components if one["name"] == "net-drv"]
    assert component["hashes"] == [{"alg": "SHA-256", "content": added["sha256"]}]


def test_every_reason_against_every_file_stops_the_build_at_once_and_nothing_is_written(
    iso_of: IsoOf, build: Builder, tmp_path: Path
) -> None:
    wrong = NewVib(platforms=("embeddedEsx 6.5.*",), level="community").write(tmp_path)
    broken = tmp_path / "broken.vib"
    broken.write_bytes(wrong.read_bytes()[:400])
    with pytest.raises(RecipeError) as error:
        build(iso_of("8.0"), tmp_path / "x.dd.gz", add=[{"file": wrong}, {"file": broken}])
    text = error.value.message
    for part in ("is for embeddedEsx 6.5.*", "acceptance level community", f"{broken} is truncated"):
        assert part in text
    assert all(line.startswith("add: ") for line in text.splitlines())
    assert not list(tmp_path.glob("x.dd.gz*"))


def test_a_newer_version_of_what_the_iso_has_is_refused_since_both_would_be_loaded(
    iso_of: IsoOf, build: Builder, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=r"is newer than the ISO's own igbn 1\.0\.0"):
        build(iso_of("8.0"), tmp_path / "x", add=[{"file": NewVib("igbn", "7.0-1").write(tmp_path)}])


def test_room_is_left_for_modules_that_a_bank_lists_and_the_iso_does_not(
    iso_of: IsoOf, build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = max(len(one.cfg.modules) for one in open_installer(iso_of("8.0")).boot_cfgs)
    file = NewVib().write(tmp_path)
    monkeypatch.setattr(add_ons, "MOST_MODULES", loaded + 1 + 12)
    build(iso_of("8.0"), tmp_path / "x.dd.gz", add=[{"file": file}])
    monkeypatch.setattr(add_ons, "MOST_MODULES", loaded + 12)
    with pytest.raises(RecipeError, match=f"more than the 0 that can be added: the ISO has {loaded} modules"):
        build(iso_of("8.0"), tmp_path / "y.dd.gz", add=[{"file": file}])


def test_the_descriptors_in_the_iso_s_database_decide_where_it_has_them(build: Builder, tmp_path: Path) -> None:
    iso = tmp_path / "plain.iso"
    make_standin_iso(iso, release="8.0")
    entries = {}
    for vib in open_installer(iso).vibs:
        new = NewVib(vib.name, vib.version or "1", vib.vendor or "VMW", provides=("vmkapi_2",), payloads=())
        entries[f"var/db/esximg/vibs/{vib.vib_id}.xml"] = new.descriptor().encode()
    make_standin_iso(iso, release="8.0", variant=Variant(files={"IMGDB.TGZ": tgz(entries)}), overwrite=True)
    good, bad = NewVib(depends=("vmkapi_2",)), NewVib("bad", depends=("vmkapi_9",))
    build(iso, tmp_path / "x.dd.gz", add=[{"file": good.write(tmp_path)}])
    assert not [text for text in build.notices if "not checked" in text]
    with pytest.raises(RecipeError, match="vmkapi_9, which neither the ISO nor a VIB added has"):
        build(iso, tmp_path / "y.dd.gz", add=[{"file": bad.write(tmp_path)}])


def test_a_file_that_changes_between_check_and_copy_gives_no_image(
    iso_of: IsoOf, build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = NewVib().write(tmp_path)
    kept = decide

    def changed(*arguments: object) -> object:
        data = file.read_bytes()
        at = data.index(DRIVER)
        file.write_bytes(data[: at + 30] + bytes([data[at + 30] ^ 1]) + data[at + 31 :])
        return kept(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(add_ons, "decide", changed)
    with pytest.raises(ImageError, match="changed while the image was written"):
        build(iso_of("8.0"), tmp_path / "x.dd.gz", add=[{"file": file}])
    assert not list(tmp_path.glob("x.dd.gz*"))


def test_a_file_that_is_gone_when_it_is_copied_is_an_error_in_words(
    iso_of: IsoOf, build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = NewVib().write(tmp_path)

    def gone(*arguments: object) -> object:
        file.unlink()
        return decide(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(add_ons, "decide", gone)
    with pytest.raises(ForgeError):
        build(iso_of("8.0"), tmp_path / "x.dd.gz", add=[{"file": file}])
    assert not list(tmp_path.glob("x.dd.gz*"))


def test_a_golden_image_is_refused_with_the_reason(iso_of: IsoOf, tmp_path: Path) -> None:
    recipe = load_recipe(
        None,
        {
            "image": {"kind": "golden"},
            "install": {"accept_eula": True},
            "root_password": {"hash": HASH},
            "add": [{"file": str(NewVib().write(tmp_path))}],
        },
    )
    options = GoldenOptions(tmp_path / "x.dd.gz", False, False, Accelerator.TCG)
    with pytest.raises(RecipeError, match="a golden image cannot have drivers added"):
        build_golden_image(iso_of("8.0"), recipe, options, ignore)


def test_the_flags_say_the_same_as_the_recipe(iso_of: IsoOf, tmp_path: Path) -> None:
    file = NewVib(level="community", signature=b"").write(tmp_path)
    words = ["build", str(iso_of("8.0")), "-o", str(tmp_path / "x.dd.gz"), "--accept-eula", "--root-password-hash",
             HASH, "--add", str(file)]  # fmt: skip

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "esxforge", *words, *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    refused = run()
    assert refused.returncode == 1
    assert "--acceptance-level community" in " ".join(refused.stderr.split())
    taken = run("--acceptance-level", "community")
    assert taken.returncode == 0, taken.stderr
    assert "ESXi does not own it" in " ".join(taken.stderr.split())


def test_a_driver_in_a_payload_is_an_archive_as_tar_reads_it() -> None:
    """What the tests add is what they say."""
    with tarfile.open(fileobj=io.BytesIO(DRIVER)) as archive:
        assert archive.getnames() == ["usr/lib/vmware/vmkmod/netdrv"]

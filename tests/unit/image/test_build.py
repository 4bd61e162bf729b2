"""Building: reproducible, whole or not at all, and every refusal with its sentence."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from esxforge.errors import ForgeError, ImageError, MediaError, OutputError, RecipeError
from esxforge.events import Decision, ignore
from esxforge.formats.segments import FileRange
from esxforge.image import stream
from esxforge.image.image_files import BuildResult
from esxforge.image.stream import write_gzip
from esxforge.image.verify import verify_image
from esxforge.media.installer import open_installer
from esxforge.standin_iso.iso import Variant, make_standin_iso
from esxforge_target.formats.boot_cfg import BootCfg

from .conftest import HASH, Builder

CLEAR = "Correct-Horse7battery"
GOOD_KICKSTART = f"vmaccepteula\nrootpw --iscrypted {HASH}\ninstall --firstdisk --overwritevmfs\nreboot\n"


def _esxforge(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "esxforge", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_same_iso_and_recipe_give_the_same_bytes_wherever_and_whenever(
    tmp_path: Path, iso_of: Callable[[str], Path], built_gzip: BuildResult
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copy = shutil.copy(iso_of("8.0"), elsewhere / iso_of("8.0").name)
    os.utime(copy, (1, 1))
    done = _esxforge(
        "build", copy, "-o", elsewhere / "image.dd.gz", "--accept-eula", "--root-password-hash", HASH,
        TZ="Pacific/Kiritimati", LC_ALL="tr_TR.UTF-8", PYTHONHASHSEED="7", SOURCE_DATE_EPOCH="1", COLUMNS="40",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "image.dd.gz").read_bytes() == built_gzip.image.read_bytes()


def test_another_recipe_gives_another_disk_guid(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder, built: BuildResult
) -> None:
    other = build(
        iso_of("8.0"),
        tmp_path / "other.raw",
        image={"format": "raw"},
        install={"accept_eula": True, "keep_boot_order": True},
    )
    assert other.document["disk"]["guid"] != built.document["disk"]["guid"]


def test_a_password_in_clear_is_hashed_with_a_random_salt_and_stands_nowhere(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    (tmp_path / "password").write_text(CLEAR + "\n")
    flags: dict[str, Any] = {"image": {"format": "raw"}, "root_password": {"file": tmp_path / "password"}}
    first = build(iso_of("8.0"), tmp_path / "1.raw", **flags)
    second = build(iso_of("8.0"), tmp_path / "2.raw", **flags)
    assert first.sha256 != second.sha256
    assert any("not reproducible" in notice for notice in build.notices)
    for path in (first.image, first.manifest_file):
        assert CLEAR.encode() not in path.read_bytes()
    assert b"$6$" not in first.manifest_file.read_bytes()


def test_the_manifest_beside_the_image_is_the_one_inside_with_the_images_own_hash(built_gzip: BuildResult) -> None:
    beside = json.loads(built_gzip.manifest_file.read_bytes())
    inside = verify_image(built_gzip.image, ignore).manifest.document()
    assert beside["image"]["sha256"] == built_gzip.sha256
    assert {name: beside[name] for name in inside} == inside
    assert len(beside["details"]["iso"]["sha256"]) == 64
    assert set(beside["details"]["iso"]["sha256"]) != {"0"}


def test_the_manifest_holds_the_hash_of_the_iso_as_a_whole(
    built_gzip: BuildResult, iso_of: Callable[[str], Path]
) -> None:
    told = subprocess.run(["sha256sum", iso_of("8.0")], capture_output=True, text=True, check=True).stdout.split()[0]
    assert built_gzip.document["details"]["iso"]["sha256"] == told


def test_a_bill_of_materials_lists_every_vib_and_is_the_same_each_time(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    first = build(iso_of("8.0"), tmp_path / "1.dd.gz", sbom=True)
    second = build(iso_of("8.0"), tmp_path / "2.dd.gz", sbom=True)
    assert first.sbom_file is not None
    assert second.sbom_file is not None
    document = json.loads(first.sbom_file.read_bytes())
    assert document["bomFormat"] == "CycloneDX"
    assert sorted(part["name"] for part in document["components"]) == sorted(
        vib["name"] for vib in first.document["details"]["vibs"]
    )
    assert document == json.loads(second.sbom_file.read_bytes())


def test_a_ks_that_the_iso_brought_is_removed_with_a_notice(tmp_path: Path, build: Builder) -> None:
    make_standin_iso(
        tmp_path / "home-made.iso", release="7.0", variant=Variant(kernelopt="cdromBoot ks=cdrom:/KS/MYLAB.CFG")
    )
    image = build(tmp_path / "home-made.iso", tmp_path / "image.raw", image={"format": "raw"})
    assert any("the kernel option ks=cdrom:…: it was removed" in notice for notice in build.notices)
    assert b"MYLAB" not in image.image.read_bytes()


def test_kernel_options_and_own_files_end_up_where_the_installer_finds_them(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    (tmp_path / "driver.vib").write_bytes(b"driver" * 1000)
    image = build(
        iso_of("8.0"),
        tmp_path / "image.raw",
        image={"format": "raw"},
        install={"accept_eula": True, "kernel_options": ["allowLegacyCPU=true"]},
        files=[{"source": tmp_path / "driver.vib", "path": "drivers/driver.vib"}],
    )
    disk = image.image.read_bytes()
    places = {record["path"]: record for record in image.document["files"]}
    module = places["ESXFILES.TGZ"]
    with tarfile.open(fileobj=io.BytesIO(disk[module["offset"] : module["offset"] + module["length"]])) as tar:
        assert tar.getnames() == [
            "esxforge",
            "esxforge/files",
            "esxforge/files/drivers",
            "esxforge/files/drivers/driver.vib",
        ]
    for path in ("BOOT.CFG", "EFI/BOOT/BOOT.CFG"):
        cfg = BootCfg.parse(disk[places[path]["offset"] : places[path]["offset"] + places[path]["length"]])
        assert "allowLegacyCPU=true" in cfg.kernelopt
        assert "/esxfiles.tgz" in [module.name for module in cfg.modules]


def test_a_kickstart_of_ones_own_may_accept_the_eula_and_give_the_password(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    (tmp_path / "KS.CFG").write_text(GOOD_KICKSTART)
    image = build(
        iso_of("8.0"),
        tmp_path / "image.raw",
        image={"format": "raw"},
        install={"kickstart": tmp_path / "KS.CFG"},
        root_password={},
    )
    assert image.document["details"]["recipe"]["root_password"]["given_as"] == "kickstart"
    assert any("line 3: install is replaced: esxforge installs to the boot disk" in text for text in build.notices)
    assert b"--firstdisk --overwritevmfs" in image.image.read_bytes()


def test_a_clear_password_of_the_kickstart_that_the_recipes_replaces_does_not_stay_in_the_image(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    (tmp_path / "KS.CFG").write_text(f"vmaccepteula\nrootpw {CLEAR}\n")
    image = build(
        iso_of("8.0"),
        tmp_path / "image.raw",
        image={"format": "raw"},
        install={"kickstart": tmp_path / "KS.CFG"},
    )
    written = image.image.read_bytes()
    assert CLEAR.encode() not in written
    assert b"# line 2 of your kickstart, rootpw, is replaced by esxforge" in written


def test_a_system_media_size_that_the_release_no_longer_has_is_refused(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    with pytest.raises(RecipeError, match=r"9\.1"):
        build(
            iso_of("9.1"),
            tmp_path / "image.dd.gz",
            install={"accept_eula": True, "system_media_size": "min"},
        )
    assert not (tmp_path / "image.dd.gz").exists()


def test_without_eula_and_password_both_are_asked_for_at_once(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    with pytest.raises(RecipeError) as caught:
        build(iso_of("8.0"), tmp_path / "image.dd.gz", install={}, root_password={})
    assert "--accept-eula" in caught.value.problems[0]
    assert "--root-password-file" in caught.value.problems[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kickstart", ["", "\n", "# nothing but this\n"])
def test_a_kickstart_that_says_nothing_accepts_no_eula_and_gives_no_password(
    kickstart: str, tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    (tmp_path / "KS.CFG").write_text(kickstart)
    with pytest.raises(RecipeError) as caught:
        build(iso_of("8.0"), tmp_path / "i.dd.gz", install={"kickstart": tmp_path / "KS.CFG"}, root_password={})
    assert "licence agreement is not accepted" in caught.value.message
    assert "there is no rootpw" in caught.value.message
    assert not (tmp_path / "i.dd.gz").exists()


@pytest.mark.parametrize(
    ("kickstart", "sentence"),
    [
        (GOOD_KICKSTART + "frobnicate\n", "line 5: 'frobnicate' is not a command of ESXi's installer"),
        (
            GOOD_KICKSTART.replace("vmaccepteula\n", ""),
            "licence agreement is not accepted. Read it, then add vmaccepteula",
        ),
        (GOOD_KICKSTART.replace(f"rootpw --iscrypted {HASH}\n", ""), "there is no rootpw. Add rootpw --iscrypted"),
        (
            GOOD_KICKSTART.replace(f"--iscrypted {HASH}", "abc"),
            "line 2: rootpw: ESXi refuses this password: it has 3",
        ),
        (
            GOOD_KICKSTART.replace("install --firstdisk --overwritevmfs", "upgrade --firstdisk"),
            "line 3: upgrade: a machine",
        ),
    ],
)
def test_a_kickstart_with_errors_is_refused_with_the_line(
    kickstart: str, sentence: str, tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    (tmp_path / "KS.CFG").write_text(kickstart)
    with pytest.raises(RecipeError) as caught:
        build(iso_of("8.0"), tmp_path / "i.dd.gz", install={"kickstart": tmp_path / "KS.CFG"}, root_password={})
    assert sentence in caught.value.message
    assert not (tmp_path / "i.dd.gz").exists()


def test_a_weak_password_is_refused_with_its_reasons_and_without_itself(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    (tmp_path / "password").write_text("weakpw\n")
    with pytest.raises(RecipeError, match=r"root_password\.file: ") as caught:
        build(iso_of("8.0"), tmp_path / "i.dd.gz", root_password={"file": tmp_path / "password"})
    assert "weakpw" not in caught.value.message


def test_every_decision_is_told(tmp_path: Path, iso_of: Callable[[str], Path], build: Builder) -> None:
    build(iso_of("8.0"), tmp_path / "i.dd.gz", install={"accept_eula": True, "kernel_options": ["a=b"]})
    told = [event.text for event in build.told if isinstance(event, Decision)]
    for words in (
        "from UPGRADE/METADATA.XML; file names from ISO 9660",
        "EULA is accepted by you",
        "root's password: the one given, as its hash",
        "kickstart: esxforge's own",
        "EFI/BOOT/BOOT.CFG: kernel options added: a=b",
        "EFI/BOOT/BOOT.CFG: loads /esxforge.tgz",
        "in sectors of 512, GUID ",
        "i.dd.gz, compressed by ",
    ):
        assert any(words in text for text in told), words


def test_an_existing_output_is_kept_unless_forced(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    output = tmp_path / "image.dd.gz"
    output.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        build(iso_of("8.0"), output)
    assert output.read_bytes() == b"precious"
    build(iso_of("8.0"), output, force=True)
    verify_image(output, ignore)


def test_the_iso_is_never_its_own_output(tmp_path: Path, iso_of: Callable[[str], Path], build: Builder) -> None:
    iso = Path(shutil.copy(iso_of("8.0"), tmp_path / "installer.iso"))
    before = iso.read_bytes()
    with pytest.raises(OutputError, match="is the ISO itself"):
        build(iso, iso, force=True)
    assert iso.read_bytes() == before


def test_an_iso_that_has_our_files_already_is_refused(tmp_path: Path, build: Builder) -> None:
    make_standin_iso(tmp_path / "odd.iso", release="8.0", extra_files={"ESXFORGE.TGZ": b"not ours"})
    with pytest.raises(MediaError, match=r"already has ESXFORGE\.TGZ"):
        build(tmp_path / "odd.iso", tmp_path / "image.dd.gz")


def test_a_source_that_shrinks_while_it_is_read_ends_the_build(tmp_path: Path) -> None:
    source = tmp_path / "shrinking.iso"
    source.write_bytes(bytes(1000))
    with pytest.raises(ImageError, match="ended at byte 1000 while it was read"), (tmp_path / "out").open("wb") as out:
        write_gzip(out, [FileRange(source, 0, 2000)], source=source, watched=[], listener=ignore)


def test_a_source_whose_disk_fails_is_named_and_not_the_output(
    tmp_path: Path, iso_of: Callable[[str], Path], build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = open_installer(iso_of("8.0"))
    kernel = media.find(media.loaded[0])
    assert kernel is not None
    real = stream.read_exactly

    class Failing(io.FileIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def read(source: BinaryIO, offset: int, length: int) -> bytes:
        if offset != kernel.content.offset:
            return real(source, offset, length)
        with Failing(iso_of("8.0")) as failing:
            return real(failing, offset, length)

    monkeypatch.setattr(stream, "read_exactly", read)
    with pytest.raises(ImageError, match=r"Cannot read .*esxi-8\.0\.iso at byte \d+: Input/output error"):
        build(iso_of("8.0"), tmp_path / "image.dd.gz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing_call", [1, 2])
def test_a_disk_that_fails_while_it_takes_the_image_ends_the_build(
    failing_call: int, tmp_path: Path, iso_of: Callable[[str], Path], build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def fail_once(descriptor: int) -> None:  # as the kernel does: the next one knows nothing of it
        calls.append(descriptor)
        if len(calls) == failing_call:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(stream, "_WRITTEN_BACK_EVERY_BYTES", 300_000)
    monkeypatch.setattr(os, "fdatasync", fail_once)
    with pytest.raises(OutputError, match=r"Could not write .*image\.dd\.gz: Input/output error"):
        build(iso_of("8.0"), tmp_path / "image.dd.gz")
    assert len(calls) >= failing_call
    assert list(tmp_path.iterdir()) == []


def test_no_space_left_is_said_and_nothing_stays(tmp_path: Path, iso_of: Callable[[str], Path]) -> None:
    small = tmp_path / "small"
    small.mkdir()
    inside = 'mount -t tmpfs -o size=600k tmpfs "$1" && shift && "$@"; status=$?; ls -A "$SMALL" >&2; exit $status'
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", inside, "sh", small, sys.executable, "-m", "esxforge",
         "build", iso_of("8.0"), "-o", small / "image.dd.gz", "--accept-eula", "--root-password-random"],
        capture_output=True, text=True, check=False, env={**os.environ, "SMALL": str(small)},
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"this machine lets nobody mount in a namespace of their own: {done.stderr.strip()}")
    assert done.returncode == 1
    assert "No space left for" in done.stderr
    assert "image.dd.gz after " in done.stderr  # the image, not what stands beside it
    assert "-o" in done.stderr
    assert done.stderr.rstrip().splitlines()[-1].startswith("  ")  # the hint; ls found no file to add a line for


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_in_the_middle_leaves_no_output_and_the_next_run_works(
    how: signal.Signals, tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    script = (
        "import sys, time\n"
        "from esxforge.image import stream\n"
        "from esxforge.cli.main import main\n"
        "real = stream.GzipMember.data\n"
        "def data(self, chunk):\n"
        "    if self.raw_bytes > 2_000_000:\n"
        "        print('half', flush=True); time.sleep(60)\n"
        "    return real(self, chunk)\n"
        "stream.GzipMember.data = data\n"
        "main()\n"
    )
    command = ["build", iso_of("8.0"), "-o", tmp_path / "image.dd.gz", "--accept-eula", "--root-password-random"]
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(how)
        stderr = process.stderr.read()
    assert "Traceback" not in stderr
    # SIGKILL leaves an empty lock file, which the next run removes.
    assert [path.name for path in tmp_path.iterdir()] == ([".image.dd.gz.lock"] if how == signal.SIGKILL else [])
    verify_image(build(iso_of("8.0"), tmp_path / "image.dd.gz").image, ignore)


def test_golden_images_are_refused_for_now(tmp_path: Path, iso_of: Callable[[str], Path], build: Builder) -> None:
    with pytest.raises(RecipeError, match="golden"):
        build(iso_of("8.0"), tmp_path / "image.dd.gz", image={"kind": "golden"})


def test_the_command_prints_one_json_document_and_people_read_stderr(
    tmp_path: Path, iso_of: Callable[[str], Path]
) -> None:
    done = _esxforge(
        "build", iso_of("6.7"), "-o", tmp_path / "i.dd.gz", "--accept-eula", "--root-password-random", "--json"
    )
    assert json.loads(done.stdout)["esxi_version"] == "6.7.0"
    assert "sha256" in done.stderr
    shown = _esxforge("inspect", tmp_path / "i.dd.gz", "--json")
    assert json.loads(shown.stdout)["maas"]["name"] == "esxi/6.7.0"
    assert json.loads(_esxforge("inspect", iso_of("6.7"), "--json").stdout)["type"] == "iso"
    assert _esxforge("verify", tmp_path / "i.dd.gz").returncode == 0


@pytest.mark.parametrize("name", ["bücher.iso", "bad\udcff.iso"])
def test_the_name_of_the_iso_gives_the_same_bytes_in_every_locale(
    name: str, tmp_path: Path, iso_of: Callable[[str], Path]
) -> None:
    iso = shutil.copy(iso_of("8.0"), tmp_path / name)
    images = []
    for encoding in ("1", "0"):
        images.append(tmp_path / f"{encoding}.dd.gz")
        done = subprocess.run(
            [sys.executable, "-m", "esxforge", "build", os.fsencode(iso), "-o", images[-1], "--accept-eula",
             "--root-password-hash", HASH],
            capture_output=True, check=False,
            env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": encoding, "PYTHONCOERCECLOCALE": "0"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert images[0].read_bytes() == images[1].read_bytes()


def test_a_mistake_has_a_sentence_a_hint_and_exit_status_1_or_2(tmp_path: Path) -> None:
    absent = _esxforge("build", tmp_path / "absent.iso", "--accept-eula", "--root-password-random")
    assert absent.returncode == 1
    assert absent.stderr.startswith("esxforge: ")
    assert "Traceback" not in absent.stderr
    assert _esxforge("build").returncode == 2
    assert _esxforge("build", "x.iso", "--frobnicate").returncode == 2


@pytest.mark.parametrize("choice", [("--kind", "gold"), ("--format", "zip"), ("--sector-size", "1024")])
def test_a_choice_that_is_not_offered_is_a_usage_error_that_names_those_that_are(choice: tuple[str, str]) -> None:
    done = _esxforge("build", "x.iso", *choice, NO_COLOR="1")
    assert done.returncode == 2
    assert choice[0] in done.stderr
    assert {"--kind": "golden", "--format": "raw", "--sector-size": "4096"}[choice[0]] in done.stderr


def test_help_names_every_verb_and_all_errors_are_of_the_tree() -> None:
    shown = _esxforge("--help", NO_COLOR="1", COLUMNS="200").stdout
    for verb in ("build", "inspect", "verify", "plan", "kickstart", "doctor", "upload", "images", "run", "recipe"):
        assert f" {verb} " in shown
    assert issubclass(RecipeError, ForgeError)

"""The hook as it stands in an image: one script and one zip, on every Python that Ubuntu's ephemeral systems carry."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from esxforge.image.image_files import BuildResult
from standin.pythons import find_python

VERSIONS = ["3.6", "3.8", "3.10", "3.11", "3.12", "3.13"]
TOKEN = "root/curtin-install-cfg.yaml"


@pytest.fixture
def target(built: BuildResult, tmp_path: Path) -> Path:
    """The boot volume as curtin mounted it, as far as the hook needs it."""
    disk = built.image.read_bytes()
    for record in built.document["files"]:
        if record["path"].startswith("curtin/"):
            path = tmp_path / "target" / record["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(disk[record["offset"] : record["offset"] + record["length"]])
    (tmp_path / "target/root").mkdir()
    (tmp_path / "target" / TOKEN).write_text("token_secret: 6Xialfoq5NbD9m5morxgXnspUsiGD10x\n")
    return tmp_path / "target"


def refused(version: str, target: Path) -> str:
    """What the hook says when it is started as curtin does, and ends with 1."""
    config = target.parent / "config.json"
    config.write_text(json.dumps({"network": {"version": 1, "config": []}}))
    done = subprocess.run(
        [find_python(version), target / "curtin/curtin-hooks"],
        capture_output=True,
        text=True,
        check=False,
        # The locale of a service that was started early.
        env={"PATH": "/usr/bin:/bin", "CONFIG": str(config), "TARGET_MOUNT_POINT": str(target), "LC_ALL": "C"},
    )
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert told.isascii()
    assert "Traceback" not in told
    assert "defect of esxforge" not in told
    assert all(line.startswith("esxforge: ") for line in told.splitlines())
    assert told.count("this host was NOT prepared") == told.count("what to do: ") == 1
    return told


@pytest.mark.parametrize("version", VERSIONS)
def test_the_hook_of_a_built_image_starts_and_says_why_it_stops(version: str, target: Path) -> None:
    told = refused(version, target)
    assert "Nothing is mounted at" in told
    assert "MAAS's token was wiped from this disk" in told
    assert not (target / TOKEN).exists()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("left", [0.0, 0.3, 0.999])
def test_an_image_cut_inside_the_hooks_code_ends_in_a_sentence(version: str, left: float, target: Path) -> None:
    code = target / "curtin/target.zip"
    length = int(code.stat().st_size * left)
    code.write_bytes(code.read_bytes()[:length].ljust(code.stat().st_size, b"\0"))
    told = refused(version, target)
    assert "curtin/target.zip on the boot disk is damaged (" in told
    assert not (target / TOKEN).exists()


def test_a_flipped_byte_in_the_hooks_code_is_noticed_before_it_runs(target: Path) -> None:
    code = target / "curtin/target.zip"
    data = bytearray(code.read_bytes())
    data[data.index(b"def main(")] ^= 1
    code.write_bytes(data)
    assert "has a wrong checksum" in refused("3.11", target)


def test_the_token_is_overwritten_where_it_stands(target: Path) -> None:
    """On vfat, which rewrites a file's own clusters; a second name of the file shows it here."""
    other = target / "other"
    other.hardlink_to(target / TOKEN)
    refused("3.11", target)
    assert not any(other.read_bytes())


def test_a_token_that_cannot_be_wiped_is_told(target: Path) -> None:
    (target / TOKEN).unlink()
    (target / TOKEN).mkdir()
    told = refused("3.11", target)
    assert "note: MAAS's token stays on this disk (Is a directory): release the machine" in told


def test_the_hook_is_a_script_that_curtin_can_start_by_its_first_line(built: BuildResult) -> None:
    record = next(record for record in built.document["files"] if record["path"] == "curtin/curtin-hooks")
    with built.image.open("rb") as disk:
        disk.seek(record["offset"])
        assert disk.read(record["length"]).startswith(b"#!/usr/bin/env python3\n")

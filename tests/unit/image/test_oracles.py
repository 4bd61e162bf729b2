"""Images judged by programs that we did not write."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge import events
from esxforge.image.image_files import BuildResult
from esxforge.image.verify import verify_image
from esxforge.media.installer import open_installer
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.tar_module import read

from .conftest import Builder

_MIB = 1 << 20
RELEASES = ("6.5", "6.7", "7.0", "8.0", "9.0")


def _run(*arguments: str | Path) -> str:
    done = subprocess.run([str(part) for part in arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _volume(image: BuildResult, directory: Path) -> Path:
    """The boot volume alone, as fsck.fat wants it."""
    volume = directory / "volume.fat"
    with image.image.open("rb") as disk, volume.open("wb") as out:
        disk.seek(_MIB)
        shutil.copyfileobj(disk, out)
        out.truncate(image.raw_size - 2 * _MIB)
    return volume


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("sector_size", [512, 4096])
def test_each_release_gives_an_image_that_every_judge_accepts(
    release: str, sector_size: int, tmp_path: Path, iso_of: Callable[[str], Path], build: Builder
) -> None:
    iso = iso_of(release)
    image = build(iso, tmp_path / "image.raw", image={"format": "raw", "sector_size": sector_size})
    assert verify_image(image.image, events.ignore).sha256 == image.sha256
    if sector_size == 512:  # sgdisk takes a file's sectors for 512 bytes
        assert "No problems found" in _run("sgdisk", "-v", image.image)
        assert " EF00 " in _run("sgdisk", "-p", image.image)
    volume = _volume(image, tmp_path)
    complaints = _run("fsck.fat", "-n", "-v", volume)
    assert "differ" not in complaints
    assert "Dirty" not in complaints
    _run("mcopy", "-s", "-n", "-i", volume, "::/", tmp_path / "tree")
    tree = {path.relative_to(tmp_path / "tree").as_posix().upper(): path for path in (tmp_path / "tree").rglob("*")}
    iso_bytes = iso.read_bytes()
    for entry in open_installer(iso).files:
        if not entry.path.endswith("BOOT.CFG"):
            extent = entry.content
            assert tree[entry.path].read_bytes() == iso_bytes[extent.offset : extent.offset + extent.length], entry.path
    for record in image.document["files"]:
        content = tree[record["path"].upper()].read_bytes()
        assert hashlib.sha256(content).hexdigest() == record["sha256"], record["path"]


@pytest.mark.parametrize(
    "reader",
    [
        ["gunzip", "-c"],
        ["zcat"],
        ["gzip", "-dc"],
        ["pigz", "-dc"],
        ["busybox", "gunzip", "-c"],
        ["busybox", "zcat"],
    ],
    ids=" ".join,
)
def test_every_gzip_reads_the_same_disk(reader: list[str], built: BuildResult, built_gzip: BuildResult) -> None:
    done = subprocess.run([*reader, str(built_gzip.image)], capture_output=True, check=True)
    assert hashlib.sha256(done.stdout).hexdigest() == hashlib.sha256(built.image.read_bytes()).hexdigest()
    assert done.stderr == b""


def test_gzip_knows_the_size_of_the_disk_and_python_reads_it(built: BuildResult, built_gzip: BuildResult) -> None:
    assert str(built.raw_size) in _run("gzip", "-l", built_gzip.image).split()
    assert gzip.decompress(built_gzip.image.read_bytes()) == built.image.read_bytes()


def test_a_raw_image_is_a_sparse_file(built: BuildResult) -> None:
    assert built.image.stat().st_blocks * 512 < built.raw_size


@pytest.mark.parametrize("path", ["BOOT.CFG", "EFI/BOOT/BOOT.CFG"])
def test_an_image_as_built_starts_the_interactive_installer(path: str, built: BuildResult) -> None:
    cfg = BootCfg.parse(_content(built, path))
    assert "runweasel" in cfg.kernelopt
    assert not [word for word in cfg.kernelopt if word.startswith("ks")]
    assert cfg.modules[-1].name == "/esxforge.tgz"
    assert "/ESXFORGE.TGZ" in [name.upper() for name in cfg.files("/" + path.rpartition("/")[0])]
    offset, length = cfg.reserved_kernelopt()
    assert offset // 512 == (offset + length - 1) // 512
    assert len(cfg.fill_reserved_kernelopt(["runweasel", "ks=file:///esxforge/ks.cfg"])) == len(cfg.to_bytes())


def test_the_module_of_an_unpersonalised_image_installs_nothing(built: BuildResult) -> None:
    entries = read(_content(built, "ESXFORGE.TGZ"))
    assert [entry.name.rstrip("/") for entry in entries] == ["esxforge", "esxforge/README"]


def _content(image: BuildResult, path: str) -> bytes:
    record = next(record for record in image.document["files"] if record["path"] == path)
    with image.image.open("rb") as disk:
        disk.seek(record["offset"])
        return disk.read(record["length"])

"""What ``inspect`` shows to people."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from esxforge.standin_iso.iso import Variant, make_standin_iso


def _esxforge(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "esxforge", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in ISO of a server's vendor."""
    path = tmp_path_factory.mktemp("inspect") / "an installer.iso"
    make_standin_iso(path, release="8.0", variant=Variant(vendor="Dell EMC", profile_name="DEL-ESXi_803.24280767-A03"))
    return path


def test_an_iso_shows_release_vendor_firmware_boot_files_and_vibs(iso: Path) -> None:
    lines = _esxforge("inspect", iso).splitlines()
    assert "release:           version 8.0.3" in lines
    assert any(line.strip() == "vendor Dell EMC" for line in lines)
    assert any(line.strip() == "profile DEL-ESXi_803.24280767-A03" for line in lines)
    assert "firmware:          BIOS" in lines
    assert "                   EFI/BOOT/BOOT.CFG" in lines
    assert any(line.split() == ["VIB", "VERSION", "VENDOR"] for line in lines)


def test_an_image_shows_hashes_in_one_piece_and_what_was_added(iso: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.dd.gz"
    _esxforge("build", iso, "-o", image, "--accept-eula", "--root-password-random")
    document = json.loads(_esxforge("inspect", image, "--json"))
    lines = _esxforge("inspect", image).splitlines()
    assert f"sha256:            {document['sha256']}" in lines
    assert "raw size:          36700160 bytes (35.0 MiB)" in lines
    assert "added:             curtin/curtin-hooks" in lines
    assert "                   ESXFORGE.TGZ" in lines
    assert f"iso:               name {iso.name}" in lines

"""What ``inspect`` shows of VIBs and bundles."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from esxforge.cli.main import app
from standin.vibs import NewVib, bundle


def _inspect(path: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["inspect", str(path), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_vib_is_shown_with_all_that_decides_whether_it_can_be_added(tmp_path: Path) -> None:
    vib = NewVib(depends=("esx-base >= 8.0.0",), conflicts=("old",), signature=b"", level="community")
    lines = _inspect(vib.write(tmp_path)).splitlines()
    for line in (
        "type:              vib",
        "name:              net-drv",
        "acceptance level:  community",
        "signature:         none",
        "platforms:         embeddedEsx 8.*",
        "depends:           esx-base >= 8.0.0",
        "conflicts:         old",
        "live install:      no",
    ):
        assert line in lines
    assert [line for line in lines if line.startswith("payloads:          name netdrv, type vgz, size ")]


def test_a_bundle_is_a_document_with_each_of_its_vibs(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(bundle([NewVib(), NewVib("other")]))
    document = json.loads(_inspect(path, "--json"))
    assert (document["type"], document["size"]) == ("bundle", path.stat().st_size)
    assert [vib["name"] for vib in document["vibs"]] == ["net-drv", "other"]
    assert document["vibs"][0]["payloads"][0]["unzipped_sha256"]


def test_what_a_hostile_vib_says_reaches_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "x.vib"
    path.write_bytes(NewVib().to_bytes().replace(b"A driver of", b"A \xe2\x80\xaedriver"))
    assert "\u202e" not in _inspect(path)

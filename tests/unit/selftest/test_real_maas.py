"""The part with a MAAS, against the stand-in region over a real socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge.events import ignore
from esxforge.maas.auth import ApiKey
from esxforge.maas.connection import Connection
from esxforge.selftest.real_maas import upload_for_selftest
from esxforge.standin_iso.iso import make_standin_iso
from standin.maas_region import ADMIN_KEY, FakeRegion, serve


@pytest.fixture
def iso(tmp_path: Path) -> Path:
    path = tmp_path / "s.iso"
    make_standin_iso(path, release="8.0")
    return path


def test_the_image_arrives_and_the_person_is_told_how_to_go_on(iso: Path, tmp_path: Path) -> None:
    region = FakeRegion("3.6.5")
    with serve(region) as url:
        done = upload_for_selftest(iso, tmp_path, Connection(url, ApiKey.parse(ADMIN_KEY, "the test")), ignore)
    assert done.upload.problem == ""
    assert (done.upload.version, done.upload.name, done.upload.action) == ("3.6.5", "esxi/selftest-8.0.3", "uploaded")
    assert "esxforge images delete esxi/selftest-8.0.3" in done.next_steps
    assert ADMIN_KEY.split(":")[2] not in repr(done)


def test_a_refusal_is_evidence_and_no_end_of_the_run(iso: Path, tmp_path: Path) -> None:
    with serve(FakeRegion("3.6.5")) as url:
        done = upload_for_selftest(
            iso, tmp_path, Connection(url, ApiKey.parse(":".join(("wrong" * 4,) * 3), "the test")), ignore
        )
    assert done.upload.problem
    assert done.next_steps == ""

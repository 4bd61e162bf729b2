"""Files that cannot be read, and an output that nobody takes, as a person sees them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esxforge.cli.main import app


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "FILE"],
        ["build", "absent.iso", "--config", "FILE"],
        ["build", "absent.iso", "--kickstart", "FILE"],
        ["build", "absent.iso", "--root-password-file", "FILE"],
        ["capture", "FILE"],
        ["capture", "absent.raw", "--config", "FILE"],
        ["capture", "absent.raw", "--root-password-file", "FILE"],
        ["inspect", "FILE"],
        ["verify", "FILE"],
        ["upload", "FILE", "--dry-run"],
        ["images", "list", "--api-key-file", "FILE"],
        ["images", "list", "--ca-file", "FILE"],
        ["kickstart", "check", "FILE", "--standalone"],
        ["recipe", "check", "FILE"],
        ["plan", "--curtin-config", "FILE"],
        ["plan", "--curtin-config", "absent", "--inventory", "FILE"],
        ["run", "FILE"],
        ["libvirt-xml", "FILE"],
    ],
    ids=" ".join,
)
def test_a_file_that_cannot_be_read_is_no_mistake_of_the_command_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"\xff no such thing")
    # Tests may run as root, whom no mode keeps out: so it is the question that is answered with no.
    monkeypatch.setattr(os, "access", lambda *_question, **_more: False)
    monkeypatch.delenv("MAAS_URL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [str(tmp_path / "file") if word == "FILE" else word for word in arguments])
    assert done.exit_code != 2, done.output
    assert "is not readable" not in done.output


def test_an_output_that_takes_nothing_is_said_without_a_traceback() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "esxforge", "recipe", "example"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr == b"esxforge: No space left on device.\n"


def test_a_reader_that_went_away_ends_it_silently() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "esxforge", "recipe", "schema"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == b""

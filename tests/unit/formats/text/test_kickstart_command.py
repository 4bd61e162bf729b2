"""``esxforge kickstart check`` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esxforge.cli.kickstart import app

HASH = "$6$saltsalt$" + "a" * 86
GOOD = f"vmaccepteula\nrootpw --iscrypted {HASH}\nreboot\n"


@pytest.fixture
def kickstart(tmp_path: Path) -> Path:
    return tmp_path / "KS.CFG"


def test_a_good_one_ends_with_status_0(kickstart: Path) -> None:
    kickstart.write_text(GOOD)
    result = CliRunner().invoke(app, ["check", str(kickstart)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{kickstart}: no errors, no warnings\n"


def test_all_findings_are_shown_at_once_and_status_is_1(kickstart: Path) -> None:
    kickstart.write_text(GOOD + "instal --firstdisk\ndryrun\n")
    result = CliRunner().invoke(app, ["check", str(kickstart)])
    assert result.exit_code == 1
    assert result.stderr == (
        f"{kickstart}: error: line 4: 'instal' is not a command of ESXi's installer; a 7.0 installer was seen to stop "
        "at such a line, what 8.0's does is not known.\n"
        "  Remove the line, or move it into a section. Did you mean install?\n"
        f"{kickstart}: error: line 5: dryrun: nothing would be installed, and MAAS would wait for it.\n"
        "  Remove the line.\n"
        f"{kickstart}: 2 errors, no warnings\n"
    )


def test_json_is_one_document_on_stdout(kickstart: Path) -> None:
    kickstart.write_text(GOOD + "install --firstdisk --forceunsupportedinstall\n")
    result = CliRunner().invoke(app, ["check", str(kickstart), "--release", "6.7", "--standalone", "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {
        "file": str(kickstart),
        "release": "6.7",
        "findings": [
            {
                "line": 4,
                "column": None,
                "severity": "warning",
                "message": "install: --forceunsupportedinstall is known from 7.0 on; 6.7's installer ignores options "
                "that it does not know.",
                "hint": "Remove it for this release.",
            }
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.cfg"], "esxforge: There is no file missing.cfg."),
        (["ks.cfg", "--release", "5.5"], "esxforge: '5.5' is not a release of ESXi from 6.5 on."),
        (["binary"], "binary: error: line 1: it has a byte that is no text, so this is no kickstart."),
        (["."], "esxforge: . is a directory, not a file."),
    ],
)
def test_a_persons_mistake_ends_in_a_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "ks.cfg").write_text(GOOD)
    (tmp_path / "binary").write_bytes(b"\x7fELF\0")
    done = subprocess.run(
        [sys.executable, "-m", "esxforge", "kickstart", "check", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == sentence

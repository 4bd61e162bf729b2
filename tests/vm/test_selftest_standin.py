"""The whole self-test, as a person starts it, on the stand-in ESXi that boots: every claim but what only ESXi has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from esxforge.selftest.claim import Area
from standin.pythons import python_of
from standin.system.iso import make_bootable_iso
from vm.traces import processes_naming

pytestmark = [pytest.mark.vm, pytest.mark.slow]
# The stand-in has no management service, and without KVM no time counts.
ONLY_ESXI_HAS = {"management": "not seen"}


def test_every_claim_is_seen_on_the_standin_and_the_report_says_that_it_was_one(tmp_path: Path) -> None:
    iso, work, report = tmp_path / "s.iso", tmp_path / "work", tmp_path / "report"
    make_bootable_iso(iso, release="8.0", python="3.8" if python_of("3.8") else None)
    work.mkdir()
    options = ["--accept-eula", "--accel", "tcg", "--memory", "1024", "--timeout", "1200", "--report", str(report)]
    done = subprocess.run(
        [sys.executable, "-m", "esxforge", "selftest", "--iso", str(iso), *options],
        env={**os.environ, "TMPDIR": str(work), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(report.with_suffix(".json").read_text("utf-8"))
    claims = [claim for claim in told["claims"] if claim["asked"] and claim["area"] != Area.BEHAVIOUR.value]
    otherwise = {claim["id"]: claim["status"] for claim in claims if claim["status"] != "seen"}
    assert otherwise == ONLY_ESXI_HAS, report.with_suffix(".md").read_text("utf-8")
    assert done.returncode == 0, done.stderr
    assert told["ok"] is True
    assert told["standin"] is True
    assert "stand-in" in done.stdout
    assert str(tmp_path) not in report.with_suffix(".md").read_text("utf-8")
    assert {path.suffix for path in (tmp_path / "report-screens").iterdir()} == {".png"}
    assert not list(work.iterdir())
    assert processes_naming(str(work)) == []

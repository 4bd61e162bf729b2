"""Fuzzing that is guided by coverage, where Atheris is installed: it is not one of the packages that tests need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import guided

pytestmark = pytest.mark.skipif(not guided.is_there(), reason="Atheris is not installed (make fuzz-coverage)")
TESTS = Path(__file__).parents[1]


def python(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": ":".join([str(TESTS), *filter(None, sys.path)]), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_branches_of_a_reader_are_found(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "fuzz.guided", "1", "tar-module", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cov: " in done.stdout
    assert done.stdout.endswith("1 targets, 0 with findings\n")


BROKEN = """
from fuzz import __main__ as fuzzing, guided
from fuzz.target import Target

def run(data):
    if data != b"good":
        raise KeyError("x")

fuzzing.TARGETS = (Target("broken", run, lambda: [b"good"], lambda _, data: data + b"!", ()),)
guided.fuzz_one("broken", ["-max_total_time=20", "-artifact_prefix=./"])
"""


def test_a_traceback_is_a_finding_whose_input_is_kept(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", BROKEN)
    assert done.returncode != 0
    assert "KeyError" in done.stdout + done.stderr
    assert list(tmp_path.glob("crash-*"))

"""The hook as it stands in an image: one script and one zip, on every Python that Ubuntu's ephemeral systems carry."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from esxforge.image.image_files import BuildResult
from standin.pythons import find_python


@pytest.mark.parametrize("version", ["3.8", "3.10", "3.11", "3.12", "3.13"])
def test_the_hook_of_a_built_image_starts_and_says_why_it_stops(
    version: str, built: BuildResult, tmp_path: Path
) -> None:
    python = find_python(version)
    target = tmp_path / "target"
    disk = built.image.read_bytes()
    for record in built.document["files"]:
        if record["path"].startswith("curtin/"):
            path = target / record["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(disk[record["offset"] : record["offset"] + record["length"]])
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"network": {"version": 1, "config": []}}))
    done = subprocess.run(
        [python, target / "curtin/curtin-hooks"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "CONFIG": str(config), "TARGET_MOUNT_POINT": str(target)},
    )
    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert "this host was NOT prepared" in told
    assert "what to do" in told
    assert "Traceback" not in told
    assert "defect of esxforge" not in told


def test_the_hook_is_a_script_that_curtin_can_start_by_its_first_line(built: BuildResult) -> None:
    record = next(record for record in built.document["files"] if record["path"] == "curtin/curtin-hooks")
    with built.image.open("rb") as disk:
        disk.seek(record["offset"])
        assert disk.read(record["length"]).startswith(b"#!/usr/bin/env python3\n")

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

import esxforge_target
from esxforge_target.cloud_data.plans import plan_vendor_data
from standin.pythons import find_python, run_on

SOURCE = Path(esxforge_target.__file__).parents[1]
REAL = Path(__file__).parents[2] / "data" / "maas-http" / "metadata-service-3.6.5.txt"


def carried_parser(directory: Path) -> Path:
    """PyYAML's pure part alone, as the image carries it."""
    (directory / "yaml").mkdir(parents=True)
    for source in Path(yaml.__file__).parent.glob("*.py"):
        shutil.copy(source, directory / "yaml")
    return directory


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.11", "3.13"])
def test_documents_mean_the_same_on_the_pythons_of_real_hosts(version: str, tmp_path: Path) -> None:
    program = find_python(version)
    vendor = REAL.read_text().split("### latest/meta-data/vendor-data")[1].split("\n", 1)[1].split("\n### ")[0]
    documents = {
        "vendor": [vendor, "{", ""],
        "user": [
            "#cloud-config\nwrite_files: [{path: /store/x, content: aGk=, encoding: b64}]\n",
            "#cloud-config\n" + "[" * 5000,
            "#!/usr/bin/env python3\nimport sys\nprint('by', '%d.%d' % sys.version_info[:2])\n",
            (
                "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/x-shellscript\n\n"
                "#!/bin/sh\nexit 3\n--b--\n"
            ),
        ],
    }
    root = tmp_path / "root"
    (root / "tmp").mkdir(parents=True)
    script = Path(__file__).parent / "story.py"
    path = [SOURCE, carried_parser(tmp_path / "carried")]
    done = run_on(program, script, str(root), path=path, stdin=json.dumps(documents))
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    here = len(plan_vendor_data(vendor.encode(), (6, 7)).vcenter)
    assert here > 100
    assert lines[0] == f"['WriteFile', 'RunCommand', 'RunCommand', 'RunCommand'] {here} ()"
    assert "vendor-data is not YAML" in lines[1]
    assert lines[2] == "[] 0 ()"
    assert (root / "store" / "x").read_bytes() == b"hi"
    assert "| by " + version in lines
    assert any("nested too deeply" in line for line in lines)
    assert any("part 1 of user-data (sh) ended with 3" in line for line in lines)


def test_an_image_without_the_parser_says_so(tmp_path: Path) -> None:
    program = find_python("3.6")
    documents = json.dumps({"vendor": ["a: b"], "user": []})
    done = run_on(program, Path(__file__).parent / "story.py", str(tmp_path), path=[SOURCE], stdin=documents)
    assert "carries no YAML parser" in done.stdout

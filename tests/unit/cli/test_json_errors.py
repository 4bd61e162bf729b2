"""``--json``: a command that fails prints one JSON document on stdout, and people still read stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest


def run(*arguments: object, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the error of the document on stdout, and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "esxforge", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"code", "message", "hint", "place", "problems"}
    assert error["message"]
    assert error["hint"]
    return done.returncode, error, done.stderr


FAILING = [
    (["build", "absent.iso"], 1, "input", "absent.iso"),
    (["build", "absent.iso", "--kind", "odd"], 2, "usage", None),
    (["build", "absent.iso", "--mode", "0777"], 2, "usage", "--mode"),
    (["build", "absent.iso", "--firmware", "bios"], 2, "usage", "--kind"),
    (["build", "absent.iso", "--kind", "golden", "--firmware", "efi"], 2, "usage", "--firmware"),
    (
        ["build", "absent.iso", "--kind", "golden", "--accept-eula", "--root-password-random", "--firmware", "bios"],
        1,
        "recipe",
        "--firmware",
    ),
    (["capture", "."], 1, "input", "."),
    (["inspect", "/dev/zero"], 1, "input", "/dev/zero"),
    (["verify", "absent"], 1, "input", "absent"),
    (["verify"], 2, "usage", None),
    (["recipe", "check", "absent.toml"], 1, "recipe", "absent.toml"),
    (["kickstart", "check", "absent.cfg"], 1, "input", "absent.cfg"),
    (["plan", "--curtin-config", "absent.yaml"], 1, "input", "absent.yaml"),
    (["upload", "absent.dd.gz"], 1, "input", "absent.dd.gz"),
    (["images", "list"], 1, "maas", None),
    (["images", "show", "1", "--maas-url", "http://127.0.0.1:9/MAAS"], 1, "maas", None),
    (["images", "delete", "1", "--maas-url", "nonsense"], 1, "maas", None),
    (["libvirt-xml", "absent.raw"], 1, "input", "absent.raw"),
    (["run", "absent.raw"], 1, "input", "absent.raw"),
    (["run", "absent.raw", "--serial"], 2, "usage", "--json"),
    (["standin-iso", "."], 1, "output.kind", "."),
    (["selftest", "--iso", "absent.iso"], 1, "recipe", None),
    (["doctor", "--kind", "odd"], 2, "usage", None),
    (["nonsense"], 2, "usage", None),
]


@pytest.mark.parametrize(("arguments", "status", "code", "place"), FAILING, ids=lambda value: str(value)[:40])
def test_every_verb_fails_with_a_document(
    arguments: list[str], status: int, code: str, place: str | None, tmp_path: Path
) -> None:
    at, error, stderr = run(*arguments, "--json", HOME=str(tmp_path), MAAS_URL="", MAAS_API_KEY="")
    assert (at, error["code"]) == (status, code)
    assert place is None or error["place"] == place
    assert error["message"].splitlines()[0] in stderr or status == 2


def test_several_problems_are_a_list(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("instal = 1\n[image]\nkind = 'odd'\n")
    _, error, _ = run("recipe", "check", tmp_path / "bad.toml", "--json")
    assert len(error["problems"]) == 2
    assert error["message"] == "\n".join(error["problems"])
    assert error["place"] == str(tmp_path / "bad.toml")


def test_without_the_option_stdout_stays_empty() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "esxforge", "verify", "absent"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no file absent." in done.stderr


def test_ctrl_c_gives_a_document_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    with subprocess.Popen(
        [sys.executable, "-m", "esxforge", "recipe", "check", str(tmp_path / "never"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(stdout)["error"]["code"] == "interrupted"


def test_verbs_without_a_result_have_one_for_programs(tmp_path: Path) -> None:
    def result(*arguments: object) -> dict[str, Any]:
        command = [sys.executable, "-m", "esxforge", *map(str, arguments), "--json"]
        document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert isinstance(document, dict)
        return document

    iso, recipe = tmp_path / "s.iso", tmp_path / "esxforge.toml"
    assert result("standin-iso", iso) == {"path": str(iso), "release": "8.0", "size": iso.stat().st_size}
    recipe.write_text("")
    assert result("recipe", "check", recipe) == {"file": str(recipe), "problems": []}

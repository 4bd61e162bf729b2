"""When ``doctor`` checks MAAS: wherever another verb would find one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esxforge.cli.main import app


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory that names no MAAS."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("MAAS_URL", "MAAS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def checked(*arguments: str) -> list[str]:
    """What was found of MAAS."""
    done = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    return [check["found"] for check in json.loads(done.stdout)["checks"] if check["name"] == "MAAS"]


def test_without_a_maas_none_is_checked(home: Path) -> None:
    assert checked("--output", str(home)) == ["not checked"]


def test_a_key_file_alone_is_half_of_what_is_needed(home: Path) -> None:
    (home / "key").write_text("a:b:c")
    (home / "key").chmod(0o600)
    (found,) = checked("--api-key-file", str(home / "key"))
    assert "the address of MAAS is missing" in found


@pytest.mark.usefixtures("home")
def test_the_environment_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAAS_URL", "http://127.0.0.1:9/MAAS")
    (found,) = checked()
    assert "there is no API key" in found


def test_the_only_profile_names_one_and_several_do_not(home: Path) -> None:
    profile = json.dumps({"url": "http://127.0.0.1:9/MAAS/api/2.0/", "credentials": []})
    with closing(sqlite3.connect(home / ".maascli.db")) as database, database:
        database.execute("CREATE TABLE profiles (name TEXT, data TEXT)")
        database.execute("INSERT INTO profiles VALUES ('one', ?)", (profile,))
    (found,) = checked()
    assert "is logged in without a key" in found
    with closing(sqlite3.connect(home / ".maascli.db")) as database, database:
        database.execute("INSERT INTO profiles VALUES ('two', ?)", (profile,))
    assert checked() == ["not checked"]

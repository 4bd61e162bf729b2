"""Where the key comes from, and what is said when it is missing, wrong or odd."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from esxforge.errors import MaasError
from esxforge.maas.auth import ApiKey
from esxforge.maas.credentials import ConnectionOptions, find_connection, readable_by_others
from standin.maas_region import ADMIN_KEY, USER_KEY

ADMIN = ApiKey.parse(ADMIN_KEY, "test")
URL = "http://maas:5240/MAAS"


def write_profiles(path: Path, **profiles: Any) -> None:
    """As src/maascli/config.py of MAAS does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE profiles (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, data BLOB)")
        for name, data in profiles.items():
            text = data if isinstance(data, str) else json.dumps(data)
            database.execute("INSERT OR REPLACE INTO profiles (name, data) VALUES (?, ?)", (name, text))


def profile(key: str = ADMIN_KEY, **more: Any) -> dict[str, Any]:
    return {"name": "x", "url": f"{URL}/api/2.0/", "credentials": key.split(":"), "description": {}} | more


def test_a_key_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(ADMIN_KEY + "\n")
    found = find_connection(ConnectionOptions(maas_url=URL, api_key_file=file), {"MAAS_API_KEY": USER_KEY}, tmp_path)
    assert (found.url, found.key) == (URL, ADMIN)
    file.chmod(0o600)
    assert not readable_by_others(file)
    file.chmod(0o644)
    assert readable_by_others(file)


def test_the_environment(tmp_path: Path) -> None:
    found = find_connection(ConnectionOptions(), {"MAAS_URL": URL + "/", "MAAS_API_KEY": ADMIN_KEY}, tmp_path)
    assert (found.url, found.key, found.profile) == (URL, ADMIN, None)


@pytest.mark.parametrize("place", [".maascli.db", "snap/maas/current/.maascli.db"])
def test_a_profile_of_the_maas_cli(tmp_path: Path, place: str) -> None:
    write_profiles(tmp_path / place, admin=profile(cacerts="PEM"), other=profile(USER_KEY))
    found = find_connection(
        ConnectionOptions(profile="admin"), {"MAAS_URL": "http://x", "MAAS_API_KEY": USER_KEY}, tmp_path
    )
    assert (found.url, found.key, found.profile, found.ca_certificates) == (URL, ADMIN, "admin", "PEM")


def test_the_only_profile_needs_no_name(tmp_path: Path) -> None:
    write_profiles(tmp_path / ".maascli.db", admin=profile())
    assert find_connection(ConnectionOptions(), {}, tmp_path).key == ADMIN


def test_profiles_are_only_read(tmp_path: Path) -> None:
    database = tmp_path / ".maascli.db"
    write_profiles(database, admin=profile())
    before = database.read_bytes()
    database.chmod(0o400)
    find_connection(ConnectionOptions(profile="admin"), {}, tmp_path)
    assert database.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir() if "maascli" in entry.name] == [".maascli.db"]


@pytest.mark.parametrize(
    ("desired", "environment", "profiles", "message"),
    [
        (ConnectionOptions(), {}, None, "Which MAAS, and with which API key"),
        (ConnectionOptions(), {}, {"a": profile(), "b": profile()}, r"several profiles: a, b"),
        (ConnectionOptions(maas_url=URL), {}, None, "there is no API key"),
        (ConnectionOptions(), {"MAAS_API_KEY": ADMIN_KEY}, None, "address of MAAS is missing"),
        (
            ConnectionOptions(),
            {"MAAS_URL": URL, "MAAS_API_KEY": "rubbish"},
            None,
            "What the variable MAAS_API_KEY holds is not",
        ),
        (ConnectionOptions(maas_url=URL, api_key_file=Path("/nowhere/key")), {}, None, "There is no file /nowhere/key"),
        (ConnectionOptions(maas_url=URL, api_key_file=Path("/dev/zero")), {}, None, "is a character device"),
        (ConnectionOptions(profile="a", maas_url=URL), {}, {"a": profile()}, "two different things"),
        (ConnectionOptions(profile="c"), {}, {"a": profile(), "b": profile()}, r"no profile “c” here; there are: a, b"),
        (ConnectionOptions(profile="c"), {}, None, r"there are: none"),
        (ConnectionOptions(profile="a"), {}, {"a": profile(credentials=None)}, "logged in without a key"),
        (ConnectionOptions(profile="a"), {}, {"a": profile(url=None)}, "holds no address"),
        (ConnectionOptions(profile="a"), {}, {"a": profile("x:y:z")}, "profile “a” holds is not a MAAS API key"),
        (ConnectionOptions(profile="a"), {}, {"a": "{" + ADMIN_KEY}, "cannot be read: An entry is not JSON"),
    ],
)  # fmt: skip
def test_what_is_missing_or_odd_is_said(
    tmp_path: Path,
    desired: ConnectionOptions,
    environment: dict[str, str],
    profiles: dict[str, Any] | None,
    message: str,
) -> None:
    if profiles is not None:
        write_profiles(tmp_path / ".maascli.db", **profiles)
    with pytest.raises(MaasError, match=message) as caught:
        find_connection(desired, environment, tmp_path)
    shown = f"{caught.value.message} {caught.value.hint} {caught.value!r}"
    assert caught.value.hint
    assert not any(part in shown for part in ADMIN_KEY.split(":"))


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / ".maascli.db").write_bytes(b"not a database, whatever its name says" * 30)
    with pytest.raises(MaasError, match="cannot be read: file is not a database"):
        find_connection(ConnectionOptions(profile="a"), {}, tmp_path)

"""Answers that are kept in a directory: enough for the same plan, and nothing that is secret."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from esxforge.deployment.answers import answers_of
from esxforge.deployment.ask import read_answers
from esxforge.deployment.prediction import predict
from esxforge.deployment.saved import load, reduced, save
from esxforge.errors import FormatError, InputError, OutputError
from standin.maas_region.machines import DEPLOYING

from .pairs import PATHS, named, pair
from .site import Site


@pytest.mark.parametrize("path", PATHS[::9], ids=lambda path: path.stem)
def test_what_is_saved_gives_the_same_prediction(path: Path, tmp_path: Path) -> None:
    documents = pair(path).documents
    save(documents, tmp_path / "kept")
    assert predict(answers_of(load(tmp_path / "kept"))) == predict(answers_of(documents))
    assert load(tmp_path / "kept") == documents


def test_keys_tokens_and_e_mail_addresses_are_left_out(maas: Site, tmp_path: Path) -> None:
    machine = maas.machine(status=DEPLOYING, status_name="Deploying", owner="h2admin")
    machine.own.update(
        owner_data={"password": "s3cret"}, workload_annotations={"k": "s3cret"}, power_parameters={"p": "s3cret"}
    )
    token = {"consumer_key": "s3cret", "token_key": "s3cret", "token_secret": "s3cret"}
    machine.config = {
        **machine.config,
        "reporting": {"maas": {**machine.config["reporting"]["maas"], **token}},
        "cloudconfig": {"maas-ubuntu-sso": "s3cret@example.com"},
        "debconf_selections": {"maas": "s3cret"},
        "late_commands": {"maas": ["s3cret"]},
    }
    maas.image()
    with maas.client() as client:
        documents = read_answers(client, machine.system_id)
    save(documents, tmp_path / "kept")
    text = "".join(path.read_text() for path in (tmp_path / "kept").iterdir())
    assert "s3cret" in json.dumps(documents), "the test would show nothing"
    for secret in ("s3cret", "@example.com", "AAAAC3SECRET"):
        assert secret not in text
    kept = load(tmp_path / "kept")
    assert kept["account"] == {"username": "h2admin", "is_superuser": True, "ssh_keys": 1}
    assert predict(answers_of(kept)).config["network"] == machine.config["network"]


def test_answers_that_cannot_be_used_can_still_be_saved_for_a_report(tmp_path: Path) -> None:
    documents = named("vmfs7").documents
    documents["interfaces"][0]["enabled"] = {"new": "in 4.0"}
    documents["subnets"] = "nothing"
    del documents["machine"]["boot_disk"]
    save(documents, tmp_path / "kept")
    kept = load(tmp_path / "kept")
    assert kept["interfaces"][0]["enabled"] == "(not what MAAS sends)"
    assert kept["subnets"] == "nothing"
    assert kept["blockdevices"] == documents["blockdevices"]


def test_the_directory_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="No space left"):
        save(named("vmfs7").documents, tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


@pytest.mark.parametrize("there", ["file", "directory", "link"])
def test_nothing_that_exists_is_written_over(there: str, tmp_path: Path) -> None:
    target = tmp_path / "kept"
    if there == "file":
        target.write_text("mine")
    elif there == "directory":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="exists already"):
        save(named("vmfs7").documents, target)
    with pytest.raises(OutputError, match="does not exist"):
        save(named("vmfs7").documents, tmp_path / "no" / "where")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not text"),
        (b"[" * 100_000, "nested more"),
        (b" " * (33 << 20), "larger than 32 MiB"),
    ],
    ids=["cut", "bytes", "deep", "large"],
)
def test_files_that_are_no_answers_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_bytes(content)
    with pytest.raises((FormatError, InputError), match=reason):
        load(tmp_path)


def test_a_directory_without_answers_and_a_fifo_in_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="not a directory"):
        load(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="none of MAAS's answers"):
        load(tmp_path)
    os.mkfifo(tmp_path / "machine.json")
    with pytest.raises(InputError, match="not a regular file"):
        load(tmp_path)


def test_only_known_answers_are_kept() -> None:
    documents: dict[str, Any] = {**named("vmfs7").documents, "users": [{"email": "a@b"}]}
    assert "users" not in reduced(documents)


@pytest.mark.parametrize("owner", ["jane@example.org", "joe@example.org", "user1", None])
def test_a_user_named_by_an_e_mail_address_has_another_name_and_stays_comparable(
    owner: str | None, tmp_path: Path
) -> None:
    documents = named("vmfs7").documents
    documents["machine"]["owner"] = owner
    documents["account"] = {"username": "jane@example.org", "is_superuser": True}
    save(documents, tmp_path / "kept")
    kept = load(tmp_path / "kept")
    assert "@" not in json.dumps(kept["machine"]["owner"]) + kept["account"]["username"]
    assert (kept["machine"]["owner"] == kept["account"]["username"]) is (owner == "jane@example.org")
    assert documents["account"]["username"] == "jane@example.org"

"""``esxforge upload`` and ``esxforge images`` as a person types them, and that no secret shows anywhere."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from esxforge.cli.main import main
from esxforge.errors import ImageError
from esxforge.maas.upload import UploadImage
from standin.maas_region import ADMIN_KEY, USER_KEY, Fault
from standin.maas_region.errors import ApiError

from .conftest import CHUNK, Maas, ServeMaas

Run = Callable[..., tuple[int, str, str]]
SECRETS = [part for key in (ADMIN_KEY, USER_KEY) for part in key.split(":")]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Run:
    """Run a command line; the status, stdout and stderr. Looks for secrets in all of it, and in every log."""
    caplog.set_level(logging.DEBUG)
    # Real waits have no place in tests.
    monkeypatch.setattr("esxforge.maas.client.Client.wait", lambda _client, _seconds: None)

    def start(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["esxforge", *arguments])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        shown = capsys.readouterr()
        everything = f"{shown.out}\n{shown.err}\n{caplog.text}"
        assert not [secret for secret in SECRETS if secret.lower() in everything.lower()]
        return status, shown.out, shown.err

    return start


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch, image: UploadImage) -> None:
    """An image that verifies: what verifying itself finds is tested elsewhere."""

    def verify_image(path: Path, _listener: object) -> SimpleNamespace:
        if not path.is_file():
            raise ImageError(f"The image {path} cannot be read: No such file or directory.")
        return SimpleNamespace(
            sha256=image.sha256,
            size=path.stat().st_size,
            compressed=True,
            maas_name="esxi/8.0.3",
            maas_title="VMware ESXi 8.0U3e",
        )

    module = ModuleType("esxforge.image.verify")
    module.__dict__["verify_image"] = verify_image
    monkeypatch.setitem(sys.modules, "esxforge.image.verify", module)


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch, maas: Maas) -> Maas:
    monkeypatch.setenv("MAAS_URL", maas.url)
    monkeypatch.setenv("MAAS_API_KEY", ADMIN_KEY)
    return maas


@pytest.mark.usefixtures("verified")
def test_upload_and_upload_again(run: Run, logged_in: Maas, image: UploadImage) -> None:
    status, out, err = run("upload", str(image.path))
    assert (status, err) == (0, "")
    assert out.startswith(
        "In MAAS 3.6.5, complete: esxi/8.0.3 “VMware ESXi 8.0U3e” (number 46, version 20261123); 4321"
    )
    assert logged_in.region.content("esxi/8.0.3") == image.path.read_bytes()
    status, out, err = run("upload", str(image.path))
    assert out.startswith("Already in MAAS 3.6.5, complete: esxi/8.0.3")


@pytest.mark.usefixtures("verified")
def test_upload_as_json(run: Run, logged_in: Maas, image: UploadImage) -> None:
    logged_in.fault(Fault("PUT", "drop-after"))
    status, out, err = run("upload", str(image.path), "--json", "--name", "esxi/mine", "--title", "Mine")
    document = json.loads(out)
    assert status == 0
    assert "Trying again in 1 s" in err
    assert document == {
        "action": "uploaded",
        "architecture": "amd64/generic",
        "confirmed": True,
        "maas_url": logged_in.url,
        "maas_version": "3.6.5",
        "name": "esxi/mine",
        "resource_id": 46,
        "resumed_from": 0,
        "sent": document["sent"],
        "sha256": image.sha256,
        "size": 4321,
        "title": "Mine",
        "version": "20261123",
    }


@pytest.mark.usefixtures("verified")
def test_an_image_that_is_held_but_not_confirmed_ends_with_0_and_a_warning(
    run: Run, serve_maas: ServeMaas, image: UploadImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    maas = serve_maas("3.8.0a1")
    monkeypatch.setenv("MAAS_URL", maas.url)
    monkeypatch.setenv("MAAS_API_KEY", ADMIN_KEY)
    maas.fault(Fault("PUT", "sync-fails"))
    status, out, err = run("upload", str(image.path))
    assert status == 0
    assert out.startswith("In MAAS 3.8.0a1, held but not confirmed: esxi/8.0.3")
    assert "warning" in err.lower()
    assert "enough disk space" in err
    status, out, _err = run("upload", str(image.path))
    assert status == 0
    assert out.startswith("Already in MAAS 3.8.0a1, listed as complete: esxi/8.0.3")


@pytest.mark.usefixtures("verified")
def test_a_dry_run_needs_no_maas_and_prints_the_command(run: Run, image: UploadImage) -> None:
    status, out, err = run("upload", str(image.path), "--dry-run")
    assert status == 0
    assert "MAAS is not asked" in err
    assert (
        "maas $PROFILE boot-resources create name=esxi/8.0.3 'title=VMware ESXi 8.0U3e' architecture=amd64/generic "
        f"filetype=ddgz content@={image.path}" in out
    )


@pytest.mark.usefixtures("verified")
def test_a_dry_run_asks_the_maas_that_is_given(run: Run, logged_in: Maas, image: UploadImage) -> None:
    assert "all 4321 bytes would be sent" in run("upload", str(image.path), "--dry-run")[1]
    run("upload", str(image.path))
    document = json.loads(run("upload", str(image.path), "--dry-run", "--json")[1])
    assert (document["action"], document["received"]) == ("skip", 4321)
    assert {method for method, _path in logged_in.region.requests[-3:]} == {"GET"}


@pytest.mark.usefixtures("verified")
def test_a_key_file_that_others_can_read_is_told(run: Run, maas: Maas, image: UploadImage, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(ADMIN_KEY)
    key.chmod(0o644)
    status, _out, err = run("upload", str(image.path), "--maas-url", maas.url, "--api-key-file", str(key))
    assert status == 0
    assert f"chmod 600 {key}" in err


@pytest.mark.usefixtures("verified")
@pytest.mark.parametrize(
    "case",
    [
        ([], USER_KEY, "not an administrator"),
        ([], "Wrong" * 4 + ADMIN_KEY[18:], "does not accept the API key"),
        ([], ADMIN_KEY[:-4] + "Wron", "the secret, is wrong"),
        ([], "nonsense", "is not a MAAS API key"),
        ([Fault("PUT", "full", times=99)], ADMIN_KEY, "disk of MAAS is full"),
        ([Fault("PUT", "damage", times=99)], ADMIN_KEY, "does not have the image's sha256"),
        ([Fault("PUT", "busy", times=99)], ADMIN_KEY, "tried 8 times"),
        ([Fault("PUT", "drop-unread", times=99)], ADMIN_KEY, "tried 8 times"),
        ([Fault("GET", "html", times=99)], ADMIN_KEY, "not the interface of a MAAS"),
        ([Fault("POST", "cut-json", times=1)], ADMIN_KEY, ""),
    ],
)
def test_failures_in_words_without_secrets(
    run: Run, logged_in: Maas, image: UploadImage, monkeypatch: pytest.MonkeyPatch, case: tuple[list[Fault], str, str]
) -> None:
    faults, key, message = case
    monkeypatch.setenv("MAAS_API_KEY", key)
    logged_in.fault(*faults)
    for arguments in (["--json"], []):
        status, out, err = run("upload", str(image.path), *arguments)
        assert "Traceback" not in err
        if message:
            assert status == 1
            if arguments:
                assert message in json.loads(out)["error"]["message"]
            else:
                assert out == ""
            assert message in err
            assert len(err.strip().splitlines()) >= 2, "what happened, and what to do"


@pytest.mark.usefixtures("verified")
def test_what_the_server_echoes_is_not_shown(
    run: Run, logged_in: Maas, image: UploadImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(_fields: dict[str, str]) -> str:
        header = logged_in.region.headers[-1]["Authorization"]
        raise ApiError(400, f"You sent {header}; \x1b[31m{ADMIN_KEY}")

    monkeypatch.setattr(logged_in.region, "create", echo)
    status, _out, err = run("upload", str(image.path))
    assert status == 1
    assert "MAAS refused (400): You sent OAuth" in err
    assert "[secret]" in err
    assert "\x1b" not in err


@pytest.mark.usefixtures("verified")
def test_a_file_that_is_not_there_is_named_before_maas_is_asked(run: Run, logged_in: Maas, tmp_path: Path) -> None:
    status, _out, err = run("upload", str(tmp_path / "absent.dd.gz"))
    assert status == 1
    assert "There is no file" in err
    assert logged_in.region.requests == []


@pytest.mark.usefixtures("verified")
def test_an_interrupt_names_the_command_that_resumes(
    run: Run, logged_in: Maas, image: UploadImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("esxforge.maas.boot_resources.BootResources.put", interrupt)
        status, _out, err = run("upload", str(image.path))
    assert status == 130
    assert f"To resume: esxforge upload {image.path}" in err
    assert run("upload", str(image.path))[0] == 0


@pytest.mark.usefixtures("verified")
def test_the_command_that_resumes_goes_to_the_same_place(
    run: Run, maas: Maas, image: UploadImage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*_arguments: object) -> str:
        raise KeyboardInterrupt

    key = tmp_path / "key"
    key.write_text(ADMIN_KEY)
    key.chmod(0o600)
    options = ["--name", "esxi/mine", "--title", "My ESXi", "--maas-url", maas.url, "--api-key-file", str(key)]
    with monkeypatch.context() as patch:
        patch.setattr("esxforge.maas.boot_resources.BootResources.put", interrupt)
        _status, _out, err = run("upload", str(image.path), *options, "--insecure")
    command = err.partition("To resume: ")[2].strip()
    assert shlex.split(command) == ["esxforge", "upload", str(image.path), *options, "--insecure"]
    assert run(*shlex.split(command)[1:])[0] == 0
    assert [resource.name for resource in maas.region.resources.values()] == ["esxi/mine"]


def test_a_process_that_is_killed_in_the_middle_is_resumed(maas: Maas, image: UploadImage) -> None:
    fourth, killed, original = threading.Event(), threading.Event(), maas.region.put

    def put(resource_id: int, file_id: int, chunk: bytes) -> str:
        if maas.region.puts() == 4:
            fourth.set()
            killed.wait(60)
            raise ApiError(503, "killed in the middle of this one")
        return original(resource_id, file_id, chunk)

    maas.region.put = put  # type: ignore[method-assign]
    program = f"""
from pathlib import Path
from esxforge.maas.auth import ApiKey
from esxforge.maas.connection import Connection
from esxforge.maas.upload import UploadImage, upload_image
image = UploadImage(Path({str(image.path)!r}), {image.size}, {image.sha256!r}, "esxi/8.0.3", "VMware ESXi 8.0U3e")
upload_image(image, Connection({maas.url!r}, ApiKey.parse({ADMIN_KEY!r}, "test")), chunk_size={CHUNK})
"""
    with subprocess.Popen([sys.executable, "-c", program], env=dict(os.environ)) as process:
        assert fourth.wait(60)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    killed.set()
    maas.region.put = original  # type: ignore[method-assign]
    result = maas.upload(image)
    assert (result.action, result.resumed_from) == ("resumed", 3 * CHUNK)
    assert maas.region.content("esxi/8.0.3") == image.path.read_bytes()


def write_profile(path: Path, name: str, url: str, key: str) -> None:
    data = json.dumps({"name": name, "url": f"{url}/api/2.0/", "credentials": key.split(":")})
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE profiles (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, data BLOB)")
        database.execute("INSERT INTO profiles (name, data) VALUES (?, ?)", (name, data))


def _create(maas: Maas, name: str, sha256: str = "a" * 64, size: int = 1 << 20) -> int:
    document = json.loads(
        maas.region.create(
            {"name": name, "title": f"Title of {name}", "architecture": "amd64/generic", "filetype": "ddgz",
             "sha256": sha256, "size": str(size)}
        )
    )  # fmt: skip
    return int(document["id"])


def test_what_maas_does_not_say_of_an_image_is_unknown(
    run: Run, logged_in: Maas, image: UploadImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_in.upload(image)
    assert "Last deployed: never" in run("images", "show", "46")[1]
    told = logged_in.region._resource

    def older(*arguments: Any, **options: Any) -> dict[str, Any]:
        return {name: value for name, value in told(*arguments, **options).items() if name != "last_deployed"}

    monkeypatch.setattr(logged_in.region, "_resource", older)
    assert "Last deployed: unknown" in run("images", "show", "46")[1]


def test_images_list(run: Run, logged_in: Maas, image: UploadImage) -> None:
    assert run("images", "list")[1] == "MAAS holds no uploaded images.\n"
    logged_in.upload(image)
    _create(logged_in, "esxi/7.0.3\x1b[2J")
    status, out, _err = run("images", "list")
    lines = [line.split() for line in out.splitlines()]
    assert status == 0
    assert lines[0] == ["NUMBER", "NAME", "TITLE", "ARCHITECTURE", "SIZE", "STATE"]
    assert lines[1] == ["46", "esxi/8.0.3", "VMware", "ESXi", "8.0U3e", "amd64/generic", "0.0", "MiB", "complete"]
    assert lines[2][-4:] == ["1.0", "MiB", "incomplete", "(0", "%)"][-4:]
    assert "\x1b" not in out
    document = json.loads(run("images", "list", "--json")[1])
    assert [entry["name"] for entry in document] == ["esxi/8.0.3", "esxi/7.0.3\x1b[2J"]
    assert document[0]["sets"]["20261123"]["files"]["root-dd.gz"]["sha256"] == image.sha256


@pytest.mark.parametrize("desired", ["46", "esxi/8.0.3"])
def test_images_show(run: Run, logged_in: Maas, image: UploadImage, desired: str) -> None:
    logged_in.upload(image)
    status, out, _err = run("images", "show", desired)
    assert status == 0
    assert "Name:          esxi/8.0.3" in out
    assert f"20261123  root-dd.gz  4321   {image.sha256}  complete" in out
    assert json.loads(run("images", "show", desired, "--json")[1])["id"] == 46


@pytest.mark.parametrize("desired", ["99", "esxi/absent", "9" * 5000], ids=["number", "name", "no number"])
@pytest.mark.parametrize("verb", ["show", "delete"])
def test_an_image_that_maas_does_not_hold_is_told(run: Run, logged_in: Maas, verb: str, desired: str) -> None:
    status, out, err = run("images", verb, desired)
    assert (status, out) == (1, "")
    assert f"MAAS holds no image “{desired}”" in err
    assert logged_in.region.resources == {}


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_images_delete_asks(run: Run, logged_in: Maas, monkeypatch: pytest.MonkeyPatch, answer: str, left: int) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    _create(logged_in, "esxi/8.0.3")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    status, _out, err = run("images", "delete", "esxi/8.0.3")
    assert "Delete esxi/8.0.3 “Title of esxi/8.0.3” (number 46) from MAAS?" in err
    assert (status, len(logged_in.region.resources)) == (1 if left else 0, left)


def test_images_delete_without_a_terminal_needs_yes(run: Run, logged_in: Maas, monkeypatch: pytest.MonkeyPatch) -> None:
    _create(logged_in, "esxi/8.0.3")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    status, _out, err = run("images", "delete", "46")
    assert (status, len(logged_in.region.resources)) == (1, 1)
    assert "--yes" in err
    assert run("images", "delete", "46", "--yes")[:2] == (0, "Deleted: esxi/8.0.3 (number 46).\n")
    assert logged_in.region.resources == {}


@pytest.mark.parametrize("kind", ["drop-before", "drop-after", "busy", "cut"])
def test_a_delete_whose_answer_is_lost_ends_right(run: Run, logged_in: Maas, kind: Any) -> None:
    _create(logged_in, "esxi/8.0.3")
    logged_in.fault(Fault("DELETE", kind))
    assert run("images", "delete", "46", "--yes", "--json")[0] == 0
    assert logged_in.region.resources == {}


def test_a_name_for_two_images_is_not_guessed_at(run: Run, logged_in: Maas) -> None:
    _create(logged_in, "esxi/8.0.3")
    resource = logged_in.region.resources[46]
    logged_in.region.resources[99] = type(resource)(99, "esxi/8.0.3", "arm64/generic", "")
    status, _out, err = run("images", "delete", "esxi/8.0.3", "--yes")
    assert status == 1
    assert "46 (Uploaded, amd64/generic), 99 (Uploaded, arm64/generic)" in err


def test_no_option_takes_a_key(run: Run) -> None:
    assert run("upload", "x", "--api-key", "consumer1")[0] == 2
    help_text = run("upload", "--help")[1]
    assert "--api-key-file" in help_text


DOCUMENT = Path(__file__).parents[3] / "docs" / "maas-upload.md"


@pytest.mark.usefixtures("verified")
def test_the_commands_of_the_document_work(run: Run, logged_in: Maas, image: UploadImage, tmp_path: Path) -> None:
    key = tmp_path / "home" / "maas.key"
    key.write_text(ADMIN_KEY)
    key.chmod(0o600)
    write_profile(tmp_path / "home" / ".maascli.db", "admin", logged_in.url, ADMIN_KEY)
    text = DOCUMENT.read_text()
    commands = re.findall(r"^    (esxforge .*)$|`(esxforge [^`]*)`", text, re.MULTILINE)
    commands += [("esxforge images show esxi/8.0.3", ""), ("esxforge images delete esxi/8.0.3 --yes", "")]
    assert len(commands) >= 7
    for indented, inline in commands:
        words = shlex.split(indented or inline)[1:]
        words = [
            str(image.path) if w == "IMAGE" or w.endswith(".dd.gz") else w.replace("~", str(key.parent)) for w in words
        ]
        status, _out, err = run(*words)
        assert status == 0, f"{words}: {err}"


def test_the_messages_of_the_document_are_those_of_the_program() -> None:
    source = "".join(
        path.read_text() for path in sorted((Path(__file__).parents[3] / "src" / "esxforge" / "maas").glob("*.py"))
    )
    messages = re.findall(r"\*([^*\n]+)\*", DOCUMENT.read_text().partition("## What can go wrong")[2])
    assert len(messages) >= 13
    for message in messages:
        for part in message.split("…"):
            assert part.strip(" ,") in source, message

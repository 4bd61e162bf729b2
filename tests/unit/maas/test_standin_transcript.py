"""The stand-in answers what MAAS 3.6.5 answered: status and text, request by request.

3.7.3 has the same handlers (``src/maasserver/api/boot_resources.py`` differs in imports only); where 3.8 differs, its
source is the reference.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import httpx2
import pytest

from esxforge.maas.auth import ApiKey, OAuth1Plaintext, authorization
from standin.maas_region import ADMIN_KEY, USER_KEY

from .conftest import Maas, ServeMaas

VERSIONS = ["3.6.5", "3.7.3"]
TRANSCRIPT = Path(__file__).parents[2] / "data" / "maas-http" / "boot-resources-3.6.5.txt"


def recorded(label: str) -> tuple[int, str]:
    """Status and text that MAAS gave; JSON may be cut short in the transcript."""
    for line in TRANSCRIPT.read_text().splitlines():
        if line[:35].rstrip() == label:
            match = re.match(r"(\d+) [^ ;]+(?:; charset=\S+)? ?(.*)", line[35:])
            assert match
            return int(match[1]), match[2]
    raise AssertionError(label)


class Session:
    def __init__(self, maas: Maas, key: str = ADMIN_KEY) -> None:
        self.base = f"{maas.url}/api/2.0/"
        self.auth = OAuth1Plaintext(ApiKey.parse(key, "test"))

    def ask(
        self, method: str, path: str, content: bytes | None = None, fields: dict[str, str] | None = None
    ) -> httpx2.Response:
        files = [(name, (None, value)) for name, value in (fields or {}).items()] or None
        return httpx2.request(method, self.base + path, content=content, files=files, auth=self.auth)


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("name 'esxi'", {"name": "esxi"}),
        ("name 'esxi/8/3'", {"name": "esxi/8/3"}),
        ("name 'foo/1'", {"name": "foo/1"}),
        ("name 'centos8'", {"name": "centos8"}),
        ("name 'ESXI/8'", {"name": "ESXI/8"}),
        ("bad arch", {"architecture": "amd64"}),
        ("bad arch2", {"architecture": "arm64/generic"}),
        ("bad filetype", {"filetype": "dd.gz"}),
        ("missing sha/size", {"sha256": "", "size": ""}),
        ("short sha", {"sha256": "abcd"}),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_refusals_of_create(serve_maas: ServeMaas, version: str, label: str, change: dict[str, str]) -> None:
    fields = {
        "name": "esxi/8.0u3",
        "title": "VMware ESXi 8.0U3",
        "architecture": "amd64/generic",
        "filetype": "ddgz",
        "sha256": "0" * 64,
        "size": "5",
    } | change
    answer = Session(serve_maas(version)).ask("POST", "boot-resources/", fields=fields)
    status, text = recorded(label)
    assert answer.status_code == status
    assert answer.text == text


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upload_from_create_to_delete(serve_maas: ServeMaas, version: str) -> None:
    session, content = Session(serve_maas(version)), bytes(10485883)
    third = 4 << 20
    fields = {
        "name": "esxi/8.0u3",
        "title": "VMware ESXi 8.0U3",
        "architecture": "amd64/generic",
        "filetype": "ddgz",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": str(len(content)),
    }
    created = session.ask("POST", "boot-resources/", fields=fields)
    document = created.json()
    assert created.status_code == recorded("create")[0]
    assert _shape(document) == _shape(json.loads(recorded("create")[1]))
    place = f"boot-resources/{document['id']}/"
    upload = document["sets"]["20261123"]["files"]["root-dd.gz"]["upload_uri"].partition("/api/2.0/")[2]
    for label, method, path, body in (
        ("PUT empty", "PUT", upload, b""),
        ("PUT c1", "PUT", upload, content[:third]),
        ("GET mid", "GET", place, None),
        ("PUT too big", "PUT", upload, content),
        ("GET after toobig", "GET", place, None),
        ("PUT c2", "PUT", upload, content[:third]),
        ("PUT c3 wrong", "PUT", upload, b"x" * (len(content) - 2 * third)),
        ("GET after wrong", "GET", place, None),
        ("PUT c3 right", "PUT", upload, content[2 * third :]),
        ("GET done", "GET", place, None),
        ("PUT after complete", "PUT", upload, b"x"),
        ("DELETE", "DELETE", place, None),
        ("DELETE again", "DELETE", place, None),
        ("GET gone", "GET", place, None),
    ):
        answer = session.ask(method, path, body)
        status, text = recorded(label)
        assert answer.status_code == status, label
        if text.startswith("{"):
            assert _shape(answer.json()) == _shape(json.loads(text)), label
        else:
            assert answer.text == text, label


def test_the_same_bytes_again_make_a_second_set(maas: Maas) -> None:
    session = Session(maas)
    fields = {"name": "esxi/8", "architecture": "amd64/generic", "filetype": "ddgz", "sha256": "a" * 64, "size": "9"}
    session.ask("POST", "boot-resources/", fields=fields)
    again = session.ask("POST", "boot-resources/", fields=fields).json()
    expected = json.loads(recorded("re-create same content")[1])
    assert list(again["sets"]) == list(expected["sets"])
    assert again["sets"]["20261123"] == expected["sets"]["20261123"]
    other_size = session.ask("POST", "boot-resources/", fields=fields | {"size": "8"})
    assert (other_size.status_code, other_size.text) == recorded("same sha diff size")


def test_refusals_of_credentials(maas: Maas) -> None:
    url = f"{maas.url}/api/2.0/boot-resources/"
    key = ApiKey.parse(ADMIN_KEY, "test")
    now = int(maas.region.clock())

    def get(header: str | None) -> tuple[int, str]:
        answer = httpx2.get(url, headers={"Authorization": header} if header else None)
        return answer.status_code, answer.text

    assert get(None) == recorded("noauth")
    assert get(authorization(key, nonce="n1", timestamp=now))[0] == 200
    status, text = get(authorization(key, nonce="n1", timestamp=now))
    assert (status, text[:42]) == (401, recorded("nonce reuse")[1][:42])
    status, text = get(authorization(key, nonce="n2", timestamp=now - 2000))
    assert (status, text[:47]) == (401, recorded("old timestamp")[1][:47])
    wrong = ApiKey(key.consumer, key.token, "W" * 32)
    status, text = get(authorization(wrong, nonce="n3", timestamp=now))
    assert (status, text[:73]) == (401, recorded("bad secret")[1][:73])
    assert key.secret in text, "MAAS echoes the secret; so must the stand-in"
    unknown = ApiKey("unknown1", key.token, key.secret)
    assert get(authorization(unknown, nonce="n4", timestamp=now)) == recorded("bad key")


def test_who_is_no_administrator_may_read_only(serve_maas: ServeMaas) -> None:
    session = Session(serve_maas(), USER_KEY)
    assert session.ask("GET", "boot-resources/").status_code == 200
    answer = session.ask("POST", "boot-resources/", fields={"name": "esxi/8"})
    assert (answer.status_code, answer.text) == recorded("non-admin")


def test_maas_3_8_names_the_permission_that_is_missing(serve_maas: ServeMaas) -> None:
    """Source: ``check_permission`` in ``src/maasserver/api/support.py``, ``src/maascommon/openfga/base.py``."""
    session = Session(serve_maas("3.8.0a1"), USER_KEY)
    assert session.ask("GET", "boot-resources/").status_code == 200
    answer = session.ask("POST", "boot-resources/", fields={"name": "esxi/8"})
    assert answer.status_code == 403
    assert answer.text == (
        "User does not have permission to perform this operation. "
        "The user should have permission 'can_edit_boot_entities'"
    )


def _shape(document: object) -> object:
    """Everything but what differs from run to run."""
    text = re.sub(r'"(id|filename_on_disk|sha256)": ("?)[^",}]+("?)', r'"\1": 0', json.dumps(document, sort_keys=True))
    return re.sub(r"/(boot-resources|upload)/\d+", r"/\1/0", text)

"""What one program writes another reads back; anything else is refused in words."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge_target.contract.added_module import AddedModule
from esxforge_target.contract.desired_document import desired_host_from_json, desired_host_to_json
from esxforge_target.contract.document import VERSION
from esxforge_target.contract.endpoint import Endpoint, parse_endpoint
from esxforge_target.contract.errors import ContractError
from esxforge_target.contract.golden_record import GoldenRecord
from esxforge_target.contract.host_record import GOLDEN, HostRecord, SecretsExtent, VcenterOptions
from esxforge_target.contract.install_record import InstallRecord
from esxforge_target.contract.secret_sectors import filler
from esxforge_target.contract.secrets import Secrets
from esxforge_target.contract.token import Token
from esxforge_target.curtin_config.parse import desired_host_from_config
from target.plan.configs import sample

KEY = "hidden-" + "k" * 20
SECRETS = Secrets(Token(KEY, KEY + "2", KEY + "3"), "rootpw --iscrypted $6$salt$hash")
DESIRED = desired_host_from_config(sample("simple-static"))
DOCUMENTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "host.json": (
        HostRecord(
            GOLDEN, ["0001"], secrets=SecretsExtent(512, 4096), modules=[AddedModule("x.v00", "x 1-1", "a" * 64, 9)]
        ).to_json(),
        HostRecord.from_json,
    ),
    "installed.json": (InstallRecord("naa.1", "", "8.0.3-0.0.1").to_json(), InstallRecord.from_json),
    "golden.json": (GoldenRecord("guid", ["--x"]).to_json(), GoldenRecord.from_json),
    "desired.json": (desired_host_to_json(DESIRED), desired_host_from_json),
    "secrets.json": (SECRETS.to_bytes().decode(), lambda text: Secrets.from_bytes(text.encode())),
}
# A document holds one line wherever something else is built from it.
texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=20)
lists = st.lists(texts, max_size=3)


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("version", [1, VERSION + 1, str(VERSION), None, True, "absent"])
def test_another_version_is_refused_by_name(name: str, version: Any) -> None:
    text, read = DOCUMENTS[name]
    document = json.loads(text)
    document["version"] = version
    if version == "absent":
        del document["version"]
    with pytest.raises(ContractError, match=rf"{name} has .*; this esxforge reads version {VERSION}\.") as caught:
        read(json.dumps(document))
    assert "build the image again" in caught.value.hint


@pytest.mark.parametrize("name", ["../x.v00", "X.v00", "longername.v00", "x.b00", "esxforge.tgz", "x.v00\n", ""])
def test_an_added_module_has_a_name_that_vmware_s_loader_and_the_bank_can_hold(name: str) -> None:
    record = HostRecord(GOLDEN, modules=[AddedModule("x.v00", "x 1-1", "a" * 64, 9)])
    document = json.loads(record.to_json())
    document["modules"][0]["name"] = name
    with pytest.raises(ContractError, match="name"):
        HostRecord.from_json(json.dumps(document))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_field_that_is_absent_unknown_or_of_another_type_is_refused(name: str) -> None:
    text, read = DOCUMENTS[name]
    document = json.loads(text)
    read(json.dumps(document))
    for field in [one for one in document if one != "version"]:
        for wrong in ({key: value for key, value in document.items() if key != field}, {**document, field: [[]]}):
            with pytest.raises(ContractError, match=f"{name} is damaged") as caught:
                read(json.dumps(wrong))
            assert field in caught.value.message
            assert KEY not in caught.value.message + caught.value.hint
    with pytest.raises(ContractError, match="is damaged"):
        read(json.dumps({**document, "colour": "red"}))


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '"x"', "\ufffd"])
def test_what_is_not_an_object_of_json_is_refused(name: str, text: str) -> None:
    with pytest.raises(ContractError, match=name):
        DOCUMENTS[name][1](text)


@given(
    st.builds(
        HostRecord,
        st.sampled_from(["installer", "golden"]),
        lists,
        st.booleans(),
        lists,
        lists,
        st.none() | st.builds(VcenterOptions, texts, texts, texts, texts),
        texts,
        st.none() | st.builds(SecretsExtent, st.integers(0, 2**40), st.integers(0, 2**20)),
    )
)
def test_a_host_record_is_read_back_as_it_was_written(record: HostRecord) -> None:
    text = record.to_json()
    assert text.isascii()
    assert HostRecord.from_json(text) == record


def test_secrets_fill_sectors_and_are_read_back() -> None:
    data = SECRETS.to_bytes()
    assert len(data) % 4096 == 0
    found = Secrets.from_bytes(data)
    assert (found.token.parts(), found.root_password, found.root_hash) == (
        SECRETS.token.parts(),
        SECRETS.root_password,
        "$6$salt$hash",
    )
    assert len(data.rstrip()) < 512, "an overwritten sector must hold all of it"


def test_secrets_that_were_overwritten_are_refused_as_such() -> None:
    with pytest.raises(ContractError, match="overwritten"):
        Secrets.from_bytes(filler(SECRETS.to_bytes()))


def test_secrets_do_not_show_themselves() -> None:
    assert KEY not in repr(SECRETS) + str(SECRETS) + repr(SECRETS.token)
    for one in (SECRETS, SECRETS.token):
        with pytest.raises(TypeError):
            pickle.dumps(one)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.2:5248/MAAS/metadata/status/abc123",
        "https://maas.example.com/MAAS/metadata/status/abc123",
        "http://[2001:db8::2]:5248/MAAS/metadata/status/abc123",
    ],
)
def test_an_endpoint_gives_its_url_back(url: str) -> None:
    endpoint = parse_endpoint(url, ["192.0.2.1"])
    assert endpoint.url == url
    assert parse_endpoint(endpoint.url, endpoint.addresses) == endpoint


@given(st.text(max_size=60) | st.from_regex(r"https?://[!-~]{1,30}/status/[!-~]{1,9}", fullmatch=True))
def test_any_text_is_an_endpoint_or_an_error_in_words(url: str) -> None:
    try:
        endpoint = parse_endpoint(url)
    except ContractError:
        return
    assert isinstance(endpoint, Endpoint)
    assert endpoint.system_id.isalnum()
    assert parse_endpoint(endpoint.url) == endpoint

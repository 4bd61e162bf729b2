"""Wanted host and inventory as JSON documents: whole again after reading, and precise about what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from esxforge.plan.assumed import assumed_inventory, stamped
from esxforge_target import inventory, wanted
from esxforge_target.errors import FormatError
from esxforge_target.inventory import Inventory
from esxforge_target.wanted import WantedHost
from target.plan.configs import configs, found_hosts, sample


def samples() -> tuple[WantedHost, Inventory]:
    host = stamped(wanted.wanted_from_config(sample("vmfs7-bond")))
    return host, assumed_inventory(host)


def test_both_documents_are_whole_again() -> None:
    host, found = samples()
    assert wanted.from_json(wanted.to_json(host)) == host
    assert inventory.from_json(inventory.to_json(found)) == found


@settings(deadline=None, max_examples=40)
@given(configs(), found_hosts())
def test_any_documents_are_whole_again(config: dict[str, Any], found: Inventory) -> None:
    host = wanted.wanted_from_config(config)
    assert wanted.from_json(wanted.to_json(host)) == host
    assert inventory.from_json(inventory.to_json(found)) == found


def test_the_wanted_host_carries_no_secret() -> None:
    config = sample("vmfs7-bond")
    text = wanted.to_json(wanted.wanted_from_config(config))
    for key in ("token_secret", "token_key", "consumer_key"):
        assert config["reporting"]["maas"][key] not in text


def damaged(change: Callable[[Any], None]) -> str:
    document = json.loads(inventory.to_json(samples()[1]))
    change(document)
    return json.dumps(document)


def test_missing_and_wrong_fields_are_all_named() -> None:
    def change(document: Any) -> None:
        del document["inventory"]["nics"][1]["mac"]
        document["inventory"]["vmks"][0]["mtu"] = "big"
        document["inventory"]["devices"][0]["table"]["partitions"] = None
        document["inventory"]["colour"] = "red"

    with pytest.raises(FormatError) as caught:
        inventory.from_json(damaged(change))
    for sentence in (
        "inventory.nics[1].mac is missing.",
        "inventory.vmks[0].mtu must be a whole number, not 'big'.",
        "inventory.devices[0].table.partitions must be a list, not None.",
        "inventory.colour is not known.",
    ):
        assert sentence in caught.value.message


def test_another_version_and_another_release_are_refused() -> None:
    with pytest.raises(FormatError, match="version 2; this esxforge reads version 1"):
        inventory.from_json(damaged(lambda document: document.update(version=2)))
    with pytest.raises(FormatError, match=r"release '5.5.0'; ESXi 6.5 to 9"):
        inventory.from_json(damaged(lambda document: document["inventory"]["release"].update(version="5.5.0")))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"version": 1}', '{"version": 1, "inventory": []}'])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        inventory.from_json(text)
    with pytest.raises(FormatError):
        wanted.from_json(text)

"""Desired host and inventory as JSON documents: whole again after reading, and precise about what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.preview.assumed import assumed_inventory, stamped
from esxforge_target.contract.desired_document import desired_host_from_json, desired_host_to_json
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.document import inventory_from_json, inventory_to_json, read_document
from esxforge_target.inventory.model import Inventory
from esxforge_target.plan.differences import differences
from esxforge_target.plan.planner import make_plan
from esxforge_target.runtime.errors import FormatError
from target.plan.configs import configs, found_hosts, sample


def samples() -> tuple[DesiredHost, Inventory]:
    host = stamped(desired_host_from_config(sample("vmfs7-bond")))
    return host, assumed_inventory(host)


def test_both_documents_are_whole_again() -> None:
    host, found = samples()
    assert desired_host_from_json(desired_host_to_json(host)) == host
    assert inventory_from_json(inventory_to_json(found)) == found


@settings(deadline=None, max_examples=40)
@given(configs(), found_hosts())
def test_any_documents_are_whole_again(config: dict[str, Any], found: Inventory) -> None:
    host = desired_host_from_config(config)
    assert desired_host_from_json(desired_host_to_json(host)) == host
    assert inventory_from_json(inventory_to_json(found)) == found


def test_the_desired_host_carries_no_secret() -> None:
    config = sample("vmfs7-bond")
    text = desired_host_to_json(desired_host_from_config(config))
    for key in ("token_secret", "token_key", "consumer_key"):
        assert config["reporting"]["maas"][key] not in text


def damaged(change: Callable[[Any], None]) -> str:
    document = json.loads(inventory_to_json(samples()[1]))
    change(document)
    return json.dumps(document)


def test_missing_and_wrong_fields_are_all_named() -> None:
    def change(document: Any) -> None:
        del document["inventory"]["nics"][1]["mac"]
        document["inventory"]["vmks"][0]["mtu"] = "big"
        document["inventory"]["devices"][0]["table"]["partitions"] = None
        document["inventory"]["colour"] = "red"

    with pytest.raises(FormatError) as caught:
        inventory_from_json(damaged(change))
    for sentence in (
        "inventory.nics[1].mac is missing.",
        "inventory.vmks[0].mtu must be a whole number, not 'big'.",
        "inventory.devices[0].table.partitions must be a list, not None.",
        "inventory.colour is not known.",
    ):
        assert sentence in caught.value.message


def test_addresses_that_are_none_are_named() -> None:
    def change(document: dict[str, Any]) -> None:
        found = document["inventory"]
        found["vmks"][0].update(address="10.0.0.999", ipv4="manual")
        found["vmks"][0]["ipv6_addresses"] = [
            {"address": "2001:db8::5", "prefix_length": 129, "origin": "static", "status": ""}
        ]
        found["routes"] = [{"network": "10.0.0.1/8", "gateway": "fe80::1%vmk0", "interface": "vmk0", "source": "DHCP"}]

    with pytest.raises(FormatError) as caught:
        inventory_from_json(damaged(change))
    assert caught.value.message.splitlines()[1:] == [
        "inventory.vmks[0].ipv4 must be static, dhcp or none, not 'manual'.",
        "inventory.vmks[0].address: 10.0.0.999/24 is no IPv4 address.",
        "inventory.vmks[0].ipv6_addresses[0]: 2001:db8::5/129 is no IPv6 address.",
        "inventory.routes[0].network: '10.0.0.1/8' is no network.",
        "inventory.routes[0].gateway: 'fe80::1%vmk0' is not an address.",
    ]


_OTHERS: dict[type, Any] = {
    str: st.sampled_from(["", "x", "10.0.0.10", "::1", "fe80::1%vmk0", "vmk0", "0.0.0.0/0", "dhcp", "8.0.3"]),
    int: st.sampled_from([0, 1, -1, 64, 129, 512, 10**15]),
    bool: st.booleans(),
    list: st.just([]),
}


def _holders(document: Any) -> list[tuple[Any, Any]]:
    """Every place in a document that holds a value of a plain type or a list."""
    found = []
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            found += [(document, key)] if type(document[key]) in _OTHERS else []
            found += _holders(document[key])
    return found


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_an_inventory_with_any_other_values_is_refused_or_planned(data: st.DataObject) -> None:
    desired_host = stamped(desired_host_from_config(sample(data.draw(st.sampled_from(["vmfs7-bond", "dhcp-only"])))))
    document = json.loads(inventory_to_json(assumed_inventory(desired_host, "8.0.3")))
    for _ in range(data.draw(st.integers(1, 4))):
        holder, key = data.draw(st.sampled_from(_holders(document["inventory"])))
        holder[key] = data.draw(_OTHERS[type(holder[key])])
    try:
        found = inventory_from_json(json.dumps(document))
    except FormatError:
        return
    plan = make_plan(desired_host, found)
    assert all(isinstance(word, str) for step in plan.steps for word in step.command)
    differences(desired_host, found)


def test_a_document_of_version_1_is_read_too() -> None:
    def change(document: dict[str, Any]) -> None:
        document["version"] = 1
        del document["disk_guids"]
        found = document["inventory"]
        for vmk in found["vmks"]:
            del vmk["gateway"]
        for group in found["port_groups"]:
            del group["policies"]
            group["overrides_team"] = group["name"] == "Management Network"

    read, stamps = read_document(damaged(change))
    group = read.port_group("Management Network")
    assert group is not None
    assert group.overrides_team
    assert stamps == {}


def test_the_stamps_of_maass_disks_stand_beside_the_inventory() -> None:
    _, found = samples()
    assert read_document(inventory_to_json(found, {"sdb": "1234"})) == (found, {"sdb": "1234"})
    with pytest.raises(FormatError, match=r"disk_guids must be an object of texts\."):
        read_document(damaged(lambda document: document.update(disk_guids={"sdb": 3})))


def test_another_version_and_another_release_are_refused() -> None:
    with pytest.raises(FormatError, match="version 3; this esxforge reads versions 1 and 2"):
        inventory_from_json(damaged(lambda document: document.update(version=3)))
    with pytest.raises(FormatError, match=r"release '5.5.0'; ESXi 6.5 to 9"):
        inventory_from_json(damaged(lambda document: document["inventory"]["release"].update(version="5.5.0")))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "[" * 100_000, '{"version": 1}', '{"version": 1, "inventory": []}']
)
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        inventory_from_json(text)
    with pytest.raises(FormatError):
        desired_host_from_json(text)

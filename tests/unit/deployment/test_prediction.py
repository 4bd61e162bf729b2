"""The configuration computed from MAAS's answers before a deployment is the one that MAAS sends."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esxforge.deployment.answers import answers_of
from esxforge.deployment.assessment import assess, assessment_document
from esxforge.deployment.prediction import UNKNOWN_HOST, Prediction, predict
from esxforge.deployment.text import against, heading, remarks
from esxforge.errors import ForgeError, MaasError
from esxforge.preview.report import document, report_of_config

from .pairs import PATHS, comparable, named, pair

# Pairs whose configuration cannot be predicted, with the reason.
EXEMPT = {
    "3.6.5/rack_url_ip": "the rack controller's URL is its own address and displaces MAAS's; REST does not tell it",
}
# Pairs whose AUTO addresses cannot be guessed.
NOT_GUESSED = {"3.6.5/auto4": "the free ranges of its subnet were not recorded"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_prediction_is_the_configuration_that_maas_made(path: Path) -> None:
    found = pair(path)
    prediction = predict(found.answers())
    expected = comparable(found, prediction)
    if found.name in EXEMPT:
        assert prediction.config != expected, f"not exempt any more: {EXEMPT[found.name]}"
        return
    assert prediction.config["network"] == expected["network"]
    assert prediction.config["storage"] == expected["storage"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_plan_from_the_answers_is_the_plan_from_the_configuration(path: Path) -> None:
    found = pair(path)
    if found.name in EXEMPT:
        pytest.skip(EXEMPT[found.name])
    prediction = predict(found.answers())
    before = document(report_of_config(prediction.config, None, "8.0.3"))
    after = document(report_of_config(comparable(found, prediction), None, "8.0.3"))
    assert before == after


def test_there_are_pairs() -> None:
    assert len(PATHS) == 90


@pytest.mark.parametrize(
    "path", [path for path in PATHS if 'auto_addresses": {}' not in path.read_text("utf-8")], ids=str
)
def test_the_guess_for_an_auto_link_is_the_address_that_it_got(path: Path) -> None:
    found = pair(path)
    guesses = {guess.link: guess for guess in predict(found.answers()).guesses}
    assert guesses.keys() == found.auto_addresses.keys()
    if found.name in NOT_GUESSED:
        assert not any(guess.likely for guess in guesses.values()), NOT_GUESSED[found.name]
        return
    assert {link: guess.address for link, guess in guesses.items()} == found.auto_addresses
    assert all(guess.likely for guess in guesses.values())


def test_what_nobody_can_know_is_named_and_a_guess_is_called_one() -> None:
    prediction = predict(named("auto4").answers())
    told = {unknown.subject: unknown for unknown in prediction.unknown}
    assert set(told) == {"Address of eth0", "DNS server", "Host of MAAS's metadata service", "Token"}
    assert told["Address of eth0"].guess == "10.61.0.3"
    assert "Guess: 10.61.0.3" in told["Address of eth0"].sentence
    assert told["Host of MAAS's metadata service"].guess == "h2region.maas"


def test_an_auto_address_that_cannot_be_guessed_stands_for_any() -> None:
    found = named("auto4")
    documents = {name: value for name, value in found.documents.items() if name != "auto-subnets"}
    (guess,) = predict(answers_of(documents)).guesses
    assert not guess.likely
    (unknown,) = [one for one in predict(answers_of(documents)).unknown if one.subject == "Address of eth0"]
    assert not unknown.guess
    assert guess.address in unknown.reason


def test_a_full_subnet_gives_no_guess() -> None:
    found = named("auto4")
    found.documents["auto-subnets"] = {key: {"unreserved_ip_ranges": []} for key in found.documents["auto-subnets"]}
    (guess,) = predict(found.answers()).guesses
    assert not guess.likely


def test_two_auto_links_in_one_subnet_get_two_addresses() -> None:
    found = named("auto4")
    nics = found.documents["interfaces"]
    nics[1]["links"] = [{**nics[0]["links"][0], "id": nics[0]["links"][0]["id"] + 1}]
    first, second = predict(found.answers()).guesses
    assert (first.address, second.address) == ("10.61.0.3", "10.61.0.4")


def test_without_a_boot_rack_the_metadata_host_is_unknown_and_has_no_guess() -> None:
    prediction = predict(named("boot_vlan_no_dhcp").answers())
    assert UNKNOWN_HOST in prediction.config["reporting"]["maas"]["endpoint"]
    (unknown,) = [one for one in prediction.unknown if "metadata" in one.subject]
    assert not unknown.guess


def test_rack_controllers_that_maas_hides_are_unknown_not_absent() -> None:
    """MAAS answers people who are no administrators with an empty list, and status 200."""
    found = named("big_mixed")
    whole = predict(found.answers())
    found.documents["rackcontrollers"] = []
    hidden = predict(found.answers())
    assert "10.73.0.5" in str(whole.config["network"])
    assert "10.73.0.5" not in str(hidden.config["network"])
    assert any("administrators only" in one.reason for one in hidden.unknown)
    assert not any("administrators only" in one.reason for one in whole.unknown)


def test_where_maas_has_the_configuration_already_it_is_taken() -> None:
    found = named("vmfs7")
    for status in (6, 9, 11):
        found.documents["machine"] = {**found.documents["machine"], "status": status}
        prediction = predict(answers_of({**found.documents, "curtin": found.curtin}))
        assert prediction == Prediction(found.curtin, is_final=True)
    found.documents["machine"] = {**found.documents["machine"], "status": 4}
    assert not predict(answers_of({**found.documents, "curtin": found.curtin})).is_final


def set_rack_proxy(found: Any, value: object) -> None:
    found.documents["config"] = {**found.documents["config"], "use_rack_proxy": value}


def test_without_the_rack_proxy_no_rack_is_a_name_server_of_the_host() -> None:
    found = named("rack_same_space_no_gateway")
    assert predict(found.answers()).config["network"]["config"][-1]["address"] == ["10.250.1.5"]
    set_rack_proxy(found, value=False)
    assert "10.250.1.5" not in str(predict(found.answers()).config)


def test_a_setting_that_maas_refuses_to_tell_is_named() -> None:
    found = named("rack_same_space_no_gateway")
    set_rack_proxy(found, "HTTP 403 Forbidden")
    assert any("use_rack_proxy" in one.reason for one in predict(found.answers()).unknown)


def disks(found: Any) -> list[dict[str, Any]]:
    return [one for one in found.documents["blockdevices"] if one["type"] == "physical"]


def test_from_3_8_on_disks_with_the_same_model_and_serial_go_by_their_path() -> None:
    found = named("hwraid_serial")
    first, second = disks(found)[:2]
    for number, disk in enumerate((first, second)):
        disk.update(model="RAID", serial="same", id_path=f"/dev/disk/by-id/wwn-{number}")
    old = predict(answers_of({**found.documents, "version": {"version": "3.7.3"}})).config["storage"]["config"]
    new = predict(answers_of({**found.documents, "version": {"version": "3.8.0"}})).config["storage"]["config"]
    assert [one.get("serial") for one in old[:2]] == ["same", "same"]
    assert [one["path"] for one in new[:2]] == ["/dev/disk/by-id/wwn-0", "/dev/disk/by-id/wwn-1"]
    second["id_path"] = first["id_path"]
    with pytest.raises(MaasError, match="MAAS refuses"):
        predict(answers_of({**found.documents, "version": {"version": "3.8.0"}}))


def static_subnets(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for item in config["network"]["config"] for one in item.get("subnets", []) if one["type"] == "static"]


@pytest.mark.parametrize(("version", "searches"), [("3.4.0", True), ("3.4.7", False), ("3.7.3", False)])
def test_a_subnet_without_maas_s_dns_gets_search_domains_up_to_3_4_0(version: str, searches: bool) -> None:
    found = named("no_subnet_dns")
    for interface in found.documents["interfaces"]:
        for link in interface["links"]:
            link["subnet"] = {**link["subnet"], "allow_dns": False, "dns_servers": ["10.9.9.9"]}
    shown = static_subnets(predict(answers_of({**found.documents, "version": {"version": version}})).config)
    assert shown
    assert all(one["dns_nameservers"] == ["10.9.9.9"] and ("dns_search" in one) is searches for one in shown)


@pytest.mark.parametrize(
    ("version", "at_first"), [("3.4.7", True), ("3.6.2", True), ("3.6.3", False), ("3.7.1", True), ("3.7.2", False)]
)
def test_a_gateway_stands_at_its_own_subnet_only_where_maas_puts_it_there(version: str, at_first: bool) -> None:
    """Of two links with gateways on one interface, the second has the one that MAAS chose."""
    found = named("gateway_by_hand_alias")
    shown = static_subnets(predict(answers_of({**found.documents, "version": {"version": version}})).config)
    assert ["gateway" in one for one in shown] == [at_first, not at_first]


def test_a_raid_of_linux_is_predicted_with_its_members_first() -> None:
    """As CurtinStorageGenerator orders: each entry behind what it needs; all members of the boot disk's RAID boot."""
    found = named("no_layout")
    boot = found.documents["machine"]["boot_disk"]["id"]
    template = disks(found)[0]
    found.documents["blockdevices"] = [
        {**template, "id": boot, "name": "sda", "serial": "S1"},
        {**template, "id": boot + 1, "name": "sdb", "serial": "S2"},
        {**template, "id": boot + 2, "name": "md0", "type": "virtual", "model": None, "serial": None},
    ]
    found.documents["machine"]["raids"] = [{"id": 7}]
    found.documents["raids"] = [
        {
            "name": "md0",
            "level": "raid-1",
            "devices": [{"id": boot + 1, "type": "physical"}, {"id": boot, "type": "physical"}],
            "spare_devices": [],
            "virtual_device": {"id": boot + 2},
        }
    ]
    entries = predict(found.answers()).config["storage"]["config"]
    assert [(one["id"], one.get("grub_device")) for one in entries] == [("sda", True), ("sdb", True), ("md0", None)]
    assert entries[2]["devices"] == ["sda", "sdb"]
    assert entries[2]["raidlevel"] == 1


FIELDS = [
    ("machine", "boot_disk"),
    ("machine", "default_gateways"),
    ("interfaces", "enabled"),
    ("interfaces", "links"),
    ("interfaces", "effective_mtu"),
    ("blockdevices", "partitions"),
    ("blockdevices", "serial"),
    ("subnets", "allow_dns"),
    ("domains", "authoritative"),
]


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_an_answer_without_a_field_is_refused_and_the_field_is_named(name: str, field: str) -> None:
    found = named("big_mixed")
    value = found.documents[name]
    (value if isinstance(value, dict) else value[0]).pop(field)
    with pytest.raises(MaasError, match=f"“{name}” cannot be used.*{field} is missing") as raised:
        found.answers()
    assert raised.value.hint


def test_an_answer_of_another_type_is_refused_without_its_value() -> None:
    found = named("vmfs7")
    found.documents["interfaces"][0]["enabled"] = "s3cret"
    with pytest.raises(MaasError, match=r"0\.enabled has an unexpected value") as raised:
        found.answers()
    assert "s3cret" not in raised.value.message


@pytest.mark.parametrize("name", ["machine", "interfaces", "blockdevices", "subnets", "static-routes", "domains"])
def test_an_answer_that_is_missing_is_named(name: str) -> None:
    found = named("vmfs7")
    del found.documents[name]
    with pytest.raises(MaasError, match=name):
        found.answers()


def test_datastores_and_volume_groups_that_the_machine_names_must_be_there() -> None:
    for name, file in (("vmfs7", "vmfs-datastores"), ("layout_lvm", "volume-groups")):
        found = named(name)
        del found.documents[file]
        with pytest.raises(MaasError, match=file):
            found.answers()


def test_a_gateway_that_no_interface_has_is_a_contradiction() -> None:
    found = named("vmfs7")
    found.documents["machine"]["default_gateways"]["ipv4"]["gateway_ip"] = "203.0.113.1"
    with pytest.raises(MaasError, match="contradict"):
        predict(found.answers())


def test_a_datastore_on_a_partition_that_is_not_listed_is_a_contradiction() -> None:
    found = named("vmfs7")
    found.documents["vmfs-datastores"][0]["devices"][0]["id"] = 4711
    with pytest.raises(MaasError, match="contradict"):
        predict(found.answers())


def test_a_machine_without_a_boot_disk_is_refused() -> None:
    found = named("vmfs7")
    found.documents["machine"]["boot_disk"] = None
    with pytest.raises(MaasError, match="no boot disk"):
        predict(found.answers())


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["10.0.0.1", "1.2.3.0/24", "auto"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_no_answer_ends_in_a_traceback(data: st.DataObject) -> None:
    found = named(data.draw(st.sampled_from(["big_mixed", "mbr_boot", "auto_reserved_ip", "v6_static"])))
    documents = copy.deepcopy(found.documents)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from([place for place in places(documents) if place]))
        target: Any = documents
        for key in way:
            target = target[key]
        if data.draw(st.booleans()):
            target[last] = data.draw(JUNK)
        else:
            del target[last]
    with suppress(ForgeError):
        judged = assess(answers_of(documents))
        assert heading(judged)
        json.dumps([assessment_document(judged), list(remarks(judged)), [one.sentence for one in against(judged)]])

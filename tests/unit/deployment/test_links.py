"""Names, MACs and links of a machine's NICs, from MAAS's answers to the plan."""

from __future__ import annotations

import pytest

from esxforge.deployment.answers import answers_of
from esxforge.deployment.assessment import assess
from esxforge.errors import MaasError
from esxforge.preview.report import Preview
from unit.deployment.pairs import named


def report(**fields: object) -> Preview:
    """The plan where each physical NIC has these fields besides the recorded ones."""
    documents = dict(named("bond_alias_route").documents)
    documents["interfaces"] = [one | fields if one["type"] == "physical" else one for one in documents["interfaces"]]
    found = assess(answers_of(documents)).report
    assert found is not None
    return found


def test_the_plan_names_the_machine_and_the_macs_of_its_nics() -> None:
    found = report()
    documents = named("bond_alias_route").documents
    assert found.machine == f"{documents['machine']['fqdn']} ({documents['machine']['system_id']})"
    recorded = {one["name"]: one["mac_address"] for one in documents["interfaces"] if one["type"] == "physical"}
    assert {nic.name: nic.mac for nic in found.nics} == recorded


def test_links_are_as_maas_recorded_them() -> None:
    # As MAAS 3.7.3 answers: Mbit/s.
    assert {(nic.link_speed, nic.link_connected) for nic in report(link_speed=40000, link_connected=True).nics} == {
        (40000, True)
    }


@pytest.mark.parametrize("fields", [{}, {"link_speed": 0}, {"link_speed": None, "link_connected": None}])
def test_a_speed_that_maas_does_not_know_is_unknown(fields: dict[str, object]) -> None:
    assert {nic.link_speed for nic in report(**fields).nics} == {None}


def test_a_speed_that_is_no_number_is_named() -> None:
    with pytest.raises(MaasError, match="link_speed"):
        report(link_speed="fast")

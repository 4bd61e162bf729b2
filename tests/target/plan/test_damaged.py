"""Real configurations with odd values anywhere: refused with a reason, or planned and then exactly as desired."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.preview.assumed import assumed_inventory, stamped
from esxforge_target.contract.desired_document import desired_host_from_json, desired_host_to_json
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.hook.kickstart import network_line
from esxforge_target.plan.differences import network_differences
from esxforge_target.plan.planner import make_plan
from esxforge_target.runtime.validation_errors import ValidationErrors
from target.plan.configs import sample
from target.plan.test_convergence import run

SECTIONS = ("network", "storage", "reporting")
BASES = [
    {key: sample(name)[key] for key in SECTIONS} for name in ("esxi67", "vmfs7-bond", "simple-static", "dhcp-only")
]
# Values that some field of a configuration takes: in the wrong place they fit well enough to be believed.
ODD: list[Any] = [
    *("", "x", "a b", "eno1", "eno2", "eno3", "bond0", "sda", "sdb", "bond", "vlan", "physical", "vmfs6", "format"),
    *("dhcp", "dhcp4", "dhcp6", "static", "manual", "802.3ad", "balance-rr", "default", "0.0.0.0/0", "::/0"),
    *("10.0.0.10/24", "10.0.0.10", "10.0.0.11/31", "10.0.0.1", "2001:db8::1", "2001:db8::9/127", "fe80::2/64"),
    *(
        "52:54:00:00:00:01",
        "02:00:00:00:00:99",
        "1G",
        "200000000000B",
        None,
        True,
        -1,
        0,
        1,
        100,
        1280,
        1499,
        1500,
        9000,
    ),
    *([], {}, ["eno1", "eno3"], [{"type": "dhcp4"}], [{"type": "static", "address": "10.0.0.77/24"}]),
]


def _places(document: Any) -> list[tuple[Any, Any]]:
    found = []
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            found += [(document, key), *_places(document[key])]
    return found


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A configuration of MAAS with some values replaced, doubled or gone."""
    config: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 4))):
        holder, key = draw(st.sampled_from(_places(config[draw(st.sampled_from(SECTIONS[:2]))])))
        deed = draw(st.sampled_from(["replace", "replace", "replace", "double", "remove"]))
        if deed == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif deed == "remove":
            holder.pop(key)
        else:
            holder[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
        if not all(_places(config[section]) for section in SECTIONS[:2]):
            break
    return config


def _is_certain(desired: DesiredHost) -> bool:
    """Whether every gateway lies on a network that is known beforehand, and not one that a lease will tell."""
    addresses = [one for interface in desired.interfaces for one in interface.addresses if one.kind == "static"]
    return all(any(one.reaches(route.gateway) for one in addresses) for route in desired.routes)


@settings(deadline=None, max_examples=200)
@given(damaged(), st.sampled_from(["6.7.0", "7.0.3", "8.0.3"]))
def test_a_damaged_configuration_is_refused_or_becomes_the_desired_host(config: Any, version: str) -> None:
    try:
        desired = stamped(desired_host_from_config(config))
    except ValidationErrors as errors:
        assert errors.reasons  # noqa: PT017  # which ones is for other tests
        return
    assert desired_host_from_json(desired_host_to_json(desired)) == desired
    assert network_line(desired)
    host = assumed_inventory(desired, version)
    plan = make_plan(desired, host)
    if plan.errors:
        return
    done = run(host, plan.steps)
    if _is_certain(desired):
        assert network_differences(desired, done) == []
        assert make_plan(desired, done).steps == ()

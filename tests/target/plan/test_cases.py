"""Whole configurations of tests/data/planner that once went wrong, planned and applied on the fake ESXi."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from esxforge_target.plan.differences import differences
from target.plan.test_on_fake import Machine, sample

CASES = Path(__file__).parents[2] / "data" / "planner"


def case(name: str) -> Any:
    (path,) = CASES.glob(name + "*.yaml")
    return sample(path)


@pytest.mark.parametrize("silent", [False, True])
def test_a_gateway_elsewhere_beside_dhcp_on_an_ipv6_management_comes_without_a_failing_step(
    tmp_path: Path, silent: bool
) -> None:
    machine = Machine(tmp_path, "8.0.3", case("d07"), dials={"already-there": "silent" if silent else "refused"})
    plan = machine.plan()
    for step in plan.steps:
        result = machine.fake.run(list(step.command), stdin=step.stdin)
        gone = step.may_fail and "remove" in step.command  # the advertised route goes with the listening
        assert result.status == 0 or gone, (step.command, result)
    assert differences(machine.desired, machine.inventory()) == []
    assert machine.plan().steps == ()


def test_a_route_to_a_network_that_the_host_is_on_is_not_planned_and_noted(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "8.0.3", case("d14"))
    plan = machine.plan()
    assert not [step for step in plan.steps if "10.0.0.0/24" in step.command]
    assert [notice for notice in plan.notices if "10.0.0.0/24" in notice]
    machine.run(plan.steps)
    assert differences(machine.desired, machine.inventory()) == []


def test_a_datastore_of_another_script_is_made_by_its_name(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "8.0.3", case("d13"))
    machine.run(machine.plan().steps)
    assert "données" in [extent.volume for extent in machine.inventory().extents]
    assert differences(machine.desired, machine.inventory()) == []


@pytest.mark.parametrize("order", [(10, 20), (20, 10)])
def test_of_two_routes_to_one_destination_the_lower_metric_is_planned(tmp_path: Path, order: tuple[int, int]) -> None:
    entries = case("d14")
    subnet = entries["network"]["config"][1]["subnets"][0]
    subnet["routes"] = [
        {"destination": "172.30.0.0/16", "gateway": f"10.7.0.{metric}", "metric": metric} for metric in order
    ]
    machine = Machine(tmp_path, "8.0.3", entries)
    machine.run(machine.plan().steps)
    routes = [route.gateway for route in machine.inventory().routes if route.network == "172.30.0.0/16"]
    assert routes == ["10.7.0.10"]

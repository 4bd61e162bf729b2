"""Every plan leads to the desired host: from a fresh install, from other set-ups, and from where a run was cut off."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.preview.assumed import assumed_inventory, stamped
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.model import Inventory, Team, VSwitch
from esxforge_target.plan.differences import differences, network_differences
from esxforge_target.plan.planner import make_plan
from esxforge_target.plan.restore import restore_network
from esxforge_target.plan.steps import Step
from target.plan.applied import RejectedError, apply
from target.plan.configs import SAMPLES, configs, found_hosts


def run(inventory: Inventory, steps: tuple[Step, ...]) -> Inventory:
    """Apply steps; each must leave what it promises."""
    for step in steps:
        try:
            inventory = apply(inventory, step.command)
        except RejectedError:
            if not step.may_fail:
                raise
            continue
        unmet = [expectation.unmet(inventory) for expectation in step.expects]
        assert not any(unmet), (step.command, unmet)
    return inventory


def restored(inventory: Inventory, found: Inventory) -> Inventory:
    """The way back to ``found``: what a round cannot do yet (a route whose gateway is not there) the next one does."""
    for _ in range(3):
        for _, command in restore_network(found, inventory):
            with contextlib.suppress(RejectedError):
                inventory = apply(inventory, command)
    assert restore_network(found, inventory) == ()
    return inventory


def desired_of(config: object) -> DesiredHost:
    return stamped(desired_host_from_config(config))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("version", ["6.7.0", "7.0.3", "8.0.3", "9.0.0"])
def test_samples_lead_to_the_desired_host_from_every_cut(path: Path, version: str) -> None:
    desired = desired_of(yaml.safe_load(path.read_text(encoding="utf-8")))
    fresh = assumed_inventory(desired, version)
    plan = make_plan(desired, fresh)
    assert plan.steps
    assert differences(desired, fresh)
    for cut in range(len(plan.steps) + 1):
        found = run(fresh, plan.steps[:cut])
        again = make_plan(desired, found)
        assert not again.errors
        done = run(found, again.steps)
        assert differences(desired, done) == []
        assert make_plan(desired, done).steps == ()


def cut_plan(data: st.DataObject, config: object, host: Inventory) -> Inventory:
    steps = make_plan(desired_of(config), host).steps
    return run(host, steps[: data.draw(st.integers(0, len(steps)))])


@settings(deadline=None, max_examples=100)
@given(configs(), found_hosts(), st.data())
def test_any_network_is_reached_from_any_found_one(config: object, host: Inventory, data: st.DataObject) -> None:
    if data.draw(st.booleans(), "was set up otherwise before"):
        host = cut_plan(data, data.draw(configs()), host)
    desired = desired_of(config)
    done = cut_plan(data, config, host)
    for _ in range(3):  # what leases bring is only known once they came
        plan = make_plan(desired, done)
        assert not plan.errors
        done = run(done, plan.steps)
    assert network_differences(desired, done) == []
    assert make_plan(desired, done).steps == ()


@settings(deadline=None, max_examples=40)
@given(configs(), found_hosts(), st.data())
def test_any_cut_can_be_taken_back(config: object, host: Inventory, data: st.DataObject) -> None:
    desired = desired_of(config)
    plan = make_plan(desired, host)
    cut = data.draw(st.integers(0, len(plan.steps)))
    back = restored(run(host, plan.steps[:cut]), host)
    for name in ("vswitches", "port_groups", "vmks", "routes", "name_servers", "search_domains"):
        assert _told(getattr(back, name)) == _told(getattr(host, name)), name


def _told(values: tuple[Any, ...]) -> list[str]:
    """All but the order of uplinks, which means nothing; that of name servers is one."""
    told = [repr(_comparable(value)) for value in values]
    return told if values and isinstance(values[0], str) else sorted(told)


def _comparable(value: Any) -> Any:
    if isinstance(value, VSwitch):
        # Without an uplink a team's policy says nothing.
        team = value.team if value.uplinks else Team("portid", (), ())
        return value.replace(uplinks=tuple(sorted(value.uplinks)), team=team)
    return value


@settings(deadline=None, max_examples=40)
@given(configs(), found_hosts())
def test_the_same_input_gives_the_same_plan(config: object, host: Inventory) -> None:
    desired = desired_of(config)
    assert make_plan(desired, host) == make_plan(desired, host)


@settings(deadline=None, max_examples=40)
@given(configs(), found_hosts())
def test_management_is_cut_in_one_stretch_and_late(config: object, host: Inventory) -> None:
    steps = make_plan(desired_of(config), host).steps
    phases = [step.phase for step in steps]
    order = ["prepare", "management", "complete", "storage"]
    assert phases == sorted(phases, key=order.index)
    for step in steps:
        if step.phase == "prepare":
            words = set(step.command)
            assert "vmk0" not in words, step.command
            assert not ({"uplink", "failover"} & words and "vSwitch0" in words), step.command

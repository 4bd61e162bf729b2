"""The product's own inventory and plans on the fake: read by real outputs, applied by real command lines."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.disk_identities import DeviceDirectory
from esxforge_target.inventory.model import Inventory
from esxforge_target.inventory.read import read
from esxforge_target.plan.differences import differences
from esxforge_target.plan.planner import make_plan
from esxforge_target.plan.steps import Plan, Step
from standin.esxi import FakeEsxi
from standin.esxi import label as labels
from standin.esxi.presets import disk, nics_from
from target.plan.configs import SAMPLES, configs

RELEASES = ["6.7.0", "7.0.3", "8.0.3", "9.0.0"]
GIB = 1 << 30


def desired_with_stamps(config: Any) -> tuple[DesiredHost, list[tuple[str, str]]]:
    """The desired host as the hook leaves it, and the stamps of its data disks."""
    desired = desired_host_from_config(config)
    stamps = [(one.id, str(uuid.uuid4())) for one in desired.datastore_disks()]
    return desired.with_disk_guids(stamps), stamps


def prepared_host(directory: Path, release: str, desired: DesiredHost, stamps: list[tuple[str, str]]) -> FakeEsxi:
    """A fresh install on the desired host's hardware, its data disks stamped and laid out as the hook does."""
    disks = [disk("naa.600508b1001c0000", 240 * GIB, "sas", boot=True)]
    disks += [disk(f"naa.5000039b98d0a1b{number}", 120 * GIB, "sas") for number, _ in enumerate(stamps)]
    macs = [nic.mac for nic in desired.interfaces if nic.kind == "physical"]
    fake = FakeEsxi.create(str(directory), "sas-12-nics", release, nics_from(macs), disks)
    channel_all_ports(fake)
    for made, (identity, stamp) in zip(disks[1:], stamps, strict=True):
        label = labels.Label(120 * GIB // 512, guid=stamp)
        unit = 2048
        for one in desired.vmfs_partitions(identity):
            label.add(labels.Partition(one.number, unit, unit + 20 * GIB // 512 - 1, labels.VMFS))
            unit += 20 * GIB // 512
        labels.write_label(str(Path(fake.devices) / made["name"]), label)
    return fake


def channel_all_ports(fake: FakeEsxi) -> None:
    """The physical switch has a static channel over all ports: 802.3ad needs one."""
    with fake.surroundings() as world:
        for cable in world["cables"].values():
            cable["channel"] = "all"


def inventory_of(fake: FakeEsxi, stamps: list[tuple[str, str]]) -> Inventory:
    return read(fake, DeviceDirectory(fake.devices), [stamp for _, stamp in stamps])


def apply(fake: FakeEsxi, steps: tuple[Step, ...]) -> None:
    for step in steps:
        result = fake.run(list(step.command), stdin=step.stdin)
        assert result.status == 0 or step.may_fail, (step.command, result)


def apply_until_done(fake: FakeEsxi, desired: DesiredHost, stamps: list[tuple[str, str]]) -> Plan:
    """Plan and apply as the agent does: where DHCP answered otherwise than expected, what remains again."""
    for _ in range(3):
        plan = make_plan(desired, inventory_of(fake, stamps))
        assert not plan.errors
        if not plan.steps:
            break
        apply(fake, plan.steps)
    return make_plan(desired, inventory_of(fake, stamps))


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_plans_of_the_samples_run_on_the_fake_and_leave_nothing_to_do(tmp_path: Path, path: Path, release: str) -> None:
    desired, stamps = desired_with_stamps(yaml.safe_load(path.read_text(encoding="utf-8")))
    fake = prepared_host(tmp_path, release, desired, stamps)
    assert make_plan(desired, inventory_of(fake, stamps)).steps
    assert apply_until_done(fake, desired, stamps).steps == ()
    done = inventory_of(fake, stamps)
    assert differences(desired, done) == []
    assert fake.reaches("10.0.0.2"), fake.why_not("10.0.0.2")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_power_cut_within_a_plan_gives_the_found_network_and_the_way_to_the_desired_one(
    tmp_path: Path, path: Path
) -> None:
    """The configuration is as found after the cut; the disks are as the commands left them."""
    release = "8.0.3"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    desired, stamps = desired_with_stamps(config)
    count = len(make_plan(desired, inventory_of(prepared_host(tmp_path / "n", release, desired, stamps), stamps)).steps)
    for cut in range(1, count + 1, max(1, count // 3)):
        fake = prepared_host(tmp_path / str(cut), release, desired, stamps)
        found = fake.running
        apply(fake, make_plan(desired, inventory_of(fake, stamps)).steps[:cut])
        fake.power_cut()
        fake.boot()
        assert fake.running["vswitches"] == found["vswitches"]
        assert fake.running["interfaces"] == found["interfaces"]
        apply_until_done(fake, desired, stamps)
        assert differences(desired, inventory_of(fake, stamps)) == []


@settings(deadline=None, max_examples=10)
@given(configs(), st.sampled_from(RELEASES))
def test_any_network_can_be_made_on_the_fake(
    tmp_path_factory: pytest.TempPathFactory, config: Any, release: str
) -> None:
    desired, stamps = desired_with_stamps(config)
    fake = prepared_host(tmp_path_factory.mktemp("host"), release, desired, stamps)
    plan = apply_until_done(fake, desired, stamps)
    assert plan.steps == ()
    assert differences(desired, inventory_of(fake, stamps)) == []

"""Plans on the stateful fake ESXi: its own outputs read, real command lines run, cut off and rolled back anywhere.

tests/standin/test_fake_esxi_planned.py covers power cuts with a boot; here a run is stopped and goes on.
"""

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
from esxforge_target.inventory.document import inventory_from_json, inventory_to_json
from esxforge_target.inventory.model import Inventory
from esxforge_target.inventory.read import read, reread_network, reread_storage
from esxforge_target.plan.differences import differences
from esxforge_target.plan.planner import make_plan
from esxforge_target.plan.restore import LEASES, restore_network
from esxforge_target.plan.steps import Plan, Step
from standin.esxi import FakeEsxi
from standin.esxi import label as labels
from standin.esxi.presets import disk, nics_from
from target.plan.configs import SAMPLES, configs

GIB = 1 << 30
# How ESXi names disks of the kinds that the template could not match.
NAMES = {
    "sas": "naa.5000039b98d0a1b{}",
    "sata": "t10.ATA_____Samsung_SSD_870_evo_____________________s5y1ng0{}",
    "nvme": "t10.NVMe____INTEL_SSDPE2KX010T8______________________010000000000000{}",
    "scsi": "mpx.vmhba0:C0:T{}:L0",
}


class Machine:
    """A fresh install on the desired hardware, its data disks laid out as the hook does."""

    def __init__(self, directory: Path, release: str, config: Any, kind: str = "sas", **quirks: Any) -> None:
        desired = desired_host_from_config(config)
        self.desired: DesiredHost = desired.with_disk_guids(
            [(one.id, str(uuid.uuid4())) for one in desired.datastore_disks()]
        )
        disks = [disk(NAMES[kind].format(9), 240 * GIB, kind, boot=True)]
        disks += [disk(NAMES[kind].format(n), 120 * GIB, kind) for n, _ in enumerate(desired.datastore_disks())]
        macs = [nic.mac for nic in desired.interfaces if nic.kind == "physical"]
        self.fake = FakeEsxi.create(str(directory), "sas-12-nics", release, nics_from(macs), disks, **quirks)
        for made, one in zip(disks[1:], self.desired.datastore_disks(), strict=True):
            label = labels.Label(120 * GIB // 512, guid=one.disk_guid)
            for index, part in enumerate(self.desired.vmfs_partitions(one.id)):
                first = 2048 + index * 20 * GIB // 512
                label.add(labels.Partition(part.number, first, first + 20 * GIB // 512 - 1, labels.VMFS))
            labels.write_label(str(Path(self.fake.devices) / made["name"]), label)

    def inventory(self) -> Inventory:
        stamps = [one.disk_guid for one in self.desired.datastore_disks()]
        return read(self.fake, DeviceDirectory(self.fake.devices), stamps)

    def plan(self) -> Plan:
        plan = make_plan(self.desired, self.inventory())
        assert plan.errors == ()
        return plan

    def run(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            result = self.fake.run(list(step.command), stdin=step.stdin)
            assert result.status == 0 or step.may_fail, (step.command, result)

    def restore(self, found: Inventory) -> None:
        """The way back, as the agent goes it."""
        for _ in range(3):
            for _, command in restore_network(found, self.inventory()):
                self.fake.run(list(command))
        assert [part for part, _ in restore_network(found, self.inventory()) if part != LEASES] == []


def sample(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    ("release", "kind"), [("6.7.0", "sata"), ("7.0.3", "nvme"), ("8.0.3", "scsi"), ("9.0.0", "sas")]
)
def test_one_run_makes_the_desired_host_and_a_second_has_nothing_to_do(
    tmp_path: Path, path: Path, release: str, kind: str
) -> None:
    machine = Machine(tmp_path, release, sample(path), kind)
    before = machine.inventory()
    plan = machine.plan()
    assert differences(machine.desired, before) != []
    machine.run(plan.steps)
    after = machine.inventory()
    assert differences(machine.desired, after) == []
    assert machine.plan().steps == ()
    # What verifying reads anew, and no more, shows the same.
    again = reread_network(machine.fake, before, [step.command for step in plan.steps])
    again = reread_storage(machine.fake, again)
    assert differences(machine.desired, again) == []
    assert inventory_from_json(inventory_to_json(after)) == after


@pytest.mark.parametrize("name", ["vmfs7-bond", "dhcp-only"])
def test_stopping_and_going_on_makes_the_desired_host(tmp_path: Path, name: str) -> None:
    (path,) = [path for path in SAMPLES if name in path.name]
    count = len(Machine(tmp_path / "first", "8.0.3", sample(path)).plan().steps)
    # test_convergence.py stops at every single one; machines take longer.
    for cut in range(1, count + 1, 3):
        machine = Machine(tmp_path / str(cut), "8.0.3", sample(path))
        machine.run(machine.plan().steps[:cut])
        machine.run(machine.plan().steps)
        assert differences(machine.desired, machine.inventory()) == []
        assert machine.plan().steps == ()


@pytest.mark.parametrize("cut", [4, 9, 14, 19, 24])
def test_what_was_done_is_taken_back(tmp_path: Path, cut: int) -> None:
    (path,) = [path for path in SAMPLES if "vmfs7-bond" in path.name]
    machine = Machine(tmp_path, "8.0.3", sample(path))
    before = machine.inventory()
    machine.run(tuple(step for step in machine.plan().steps if step.phase != "storage")[:cut])
    machine.restore(before)
    after = machine.inventory()
    for part in ("vswitches", "port_groups", "vmks", "routes", "name_servers", "search_domains"):
        assert getattr(after, part) == getattr(before, part), part


@settings(deadline=None, max_examples=15)
@given(configs(), st.sampled_from(["6.7.0", "7.0.3", "8.0.3", "9.0.0"]), st.data())
def test_any_network_is_made_in_one_run_from_any_cut(
    tmp_path_factory: pytest.TempPathFactory, config: Any, release: str, data: st.DataObject
) -> None:
    machine = Machine(tmp_path_factory.mktemp("host"), release, config)
    steps = machine.plan().steps
    machine.run(steps[: data.draw(st.integers(0, len(steps)))])
    machine.run(machine.plan().steps)
    assert differences(machine.desired, machine.inventory()) == []
    assert machine.plan().steps == ()


@pytest.mark.parametrize("blanks", [False, True])
@pytest.mark.parametrize("strings", [False, True])
def test_the_inventory_is_the_same_in_every_form_of_json(tmp_path: Path, blanks: bool, strings: bool) -> None:
    (path,) = [path for path in SAMPLES if "vmfs7-bond" in path.name]
    plain = Machine(tmp_path / "plain", "8.0.3", sample(path)).inventory()
    other = Machine(tmp_path / "other", "8.0.3", sample(path), json_blanks=blanks, json_strings=strings).inventory()
    for part in ("release", "nics", "vswitches", "port_groups", "vmks", "routes", "name_servers"):
        assert getattr(other, part) == getattr(plain, part), part


def test_a_dead_lun_costs_its_own_time_only(tmp_path: Path) -> None:
    fake = FakeEsxi.create(str(tmp_path), "dead-lun")
    found = read(fake, DeviceDirectory(fake.devices, seconds=0.5))
    dead = found.device("naa.5000144f79272808")
    assert dead is not None
    assert dead.disk_guids == ()
    boot = [device for device in found.devices if device.boot]
    assert [device.name for device in boot] == [found.boot_bank_device]
    assert boot[0].table is not None
    assert len(boot[0].disk_guids) == 1


def test_localcli_reads_the_same_where_hostd_is_down(tmp_path: Path) -> None:
    fake = FakeEsxi.create(str(tmp_path))
    directory = DeviceDirectory(fake.devices)
    with_hostd = read(fake, directory)
    with fake.edit() as host:
        host.store["power"]["hostd"] = False
    assert read(fake, directory, program="localcli") == with_hostd

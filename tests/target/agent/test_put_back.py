"""A failed deployment whose host cannot be put back at once: what is left of it, and what later boots do."""

from __future__ import annotations

import json

import pytest

from esxforge_target.agent.journal import Journal
from esxforge_target.agent.life import MOST_STARTS
from esxforge_target.agent.log import Log
from esxforge_target.agent.steps import Steps
from esxforge_target.agent.undo import NETWORK, STORAGE, Undo
from esxforge_target.inventory.document import inventory_to_json
from esxforge_target.inventory.read import read
from esxforge_target.plan.commands import RENAME
from esxforge_target.plan.steps import STORAGE as STORAGE_PHASE
from esxforge_target.plan.steps import Step
from esxforge_target.runtime.commands import Result, Runner
from standin.esxi import PowerLost
from standin.maas_metadata import MachineStatus
from target.agent.conftest import MakeSite
from target.agent.faults import settings
from target.agent.test_failures import FAILED, assert_as_found, with_vlan

UNDO = "esxcli network vswitch standard portgroup set -p Management Network --vlan-id 0"


def test_a_host_whose_undo_fails_while_hostd_is_away_is_put_back_all_the_same(site: MakeSite) -> None:
    host = site("simple-static")
    host.desired = host.desired.replace(boot_mac="")
    with_vlan(host, 999)
    before = settings(host)

    def away() -> None:
        with host.fake.edit() as esxi:
            esxi.store["power"]["hostd_refusals"] = 2

    host.moment.at[UNDO] = away
    assert host.start() == 0
    assert host.status is FAILED
    assert_as_found(host, before)


@pytest.mark.parametrize("how", ["fail", "hang", "ignore"])
@pytest.mark.parametrize("boots", [1, 2])
def test_a_host_that_cannot_be_put_back_now_is_put_back_by_a_later_boot(site: MakeSite, how: str, boots: int) -> None:
    host = site("simple-static")
    with_vlan(host, 999)
    before = settings(host)
    host.moment.fail_always.update({UNDO: how, UNDO.replace("esxcli", "localcli"): how})
    for number in range(boots):
        assert host.start() == 1
        assert host.leaks() == []
        assert settings(host) != before
        host.fake.hourly_backup()
        host.fake.power_cut()
        host.boot()
        assert number or "not as found: port_groups" in host.log
    host.moment.fail_always.clear()
    assert host.start() == 0
    assert "the host is as it was found" in host.log
    assert_as_found(host, before)


def test_a_host_that_no_boot_can_put_back_is_left_in_the_end(site: MakeSite) -> None:
    host = site("simple-static")
    with_vlan(host, 999)
    host.moment.fail_always.update({UNDO: "fail", UNDO.replace("esxcli", "localcli"): "fail"})
    assert host.start() == 1
    host.fake.hourly_backup()
    host.fake.power_cut()
    host.boot()
    assert host.live(boots=10) == MOST_STARTS
    assert "restarting did not help" in host.log
    assert host.leftovers() == []
    assert host.leaks() == []


@pytest.mark.parametrize(("policy", "running"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("obeys", [True, False])
def test_a_failed_deployment_leaves_ssh_as_its_owner_had_it(
    site: MakeSite, policy: bool, running: bool, obeys: bool
) -> None:
    host = site("simple-static")
    with host.fake.edit() as esxi:
        esxi.running["services"]["TSM-SSH"] = {"policy": policy, "running": running}
        esxi.store.save_configuration()
    before = settings(host)

    def check() -> None:
        assert host.fake.running["services"]["TSM-SSH"] == {"policy": True, "running": True}

    host.moment.at["/sbin/generate-certificates"] = check
    for option in ("--fqdn=esx01.maas", "--host=esx01", "--domain=maas"):
        host.moment.fail_always[f"esxcli system hostname set {option}"] = "ignore"  # which is found by verifying
    if not obeys:
        host.moment.fail_always["vim-cmd hostsvc/disable_ssh"] = "ignore"
    if obeys or policy:
        assert host.start() == 0
    else:
        assert host.start() == 1
        assert "not as found: whether SSH starts with the host" in host.log
        host.moment.fail_always.clear()
        host.fake.hourly_backup()
        host.fake.power_cut()
        host.boot()
        assert host.start() == 0
    assert host.status is FAILED
    assert settings(host)["services"] == before["services"]
    assert host.fake.saved["services"]["TSM-SSH"]["policy"] is policy
    assert host.leftovers() == []


def test_where_the_host_does_not_say_whether_ssh_starts_with_it_the_deployment_goes_on(site: MakeSite) -> None:
    host = site("simple-static")
    with host.fake.edit() as esxi:
        esxi.hardware["programs_missing"].append("chkconfig")
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    assert host.fake.running["services"]["TSM-SSH"] == {"policy": True, "running": True}


TAKEN_AWAY = "esxcli network ip interface ipv4 set -i vmk0 -t none"
READING = "esxcli --formatter=json network ip interface list"


def test_what_was_read_as_found_is_not_read_again_until_something_touches_it(site: MakeSite) -> None:
    host = site("simple-static")
    system = host.system()
    journal = Journal(system, "/bootbank")
    journal.add("found", inventory=inventory_to_json(read(system.runner, system.devices)))
    undo = Undo(system, journal, Log(system))
    undo.open(NETWORK)
    assert host.fake.run(TAKEN_AWAY.split()).status == 0
    assert undo.network_unlike() == ["vmks"]
    assert undo.roll_back(NETWORK) == []
    count = len(host.fake.commands)
    assert undo.network_unlike() == []
    assert len(host.fake.commands) == count
    for touch in (undo.touch, lambda: undo.open(NETWORK)):
        touch()
        assert host.fake.run(TAKEN_AWAY.split()).status == 0
        assert undo.network_unlike() == ["vmks"]
        undo.reopen(NETWORK)
        assert undo.roll_back(NETWORK) == []


def test_a_roll_back_reads_the_network_once_before_and_once_after_it(site: MakeSite) -> None:
    host = site("simple-static")
    host.moment.fail_always["vim-cmd hostsvc/start_ssh"] = "fail"
    assert host.start() == 0
    assert host.status is FAILED
    lines = [" ".join(command) for command in host.fake.commands]
    first = lines.index(TAKEN_AWAY)
    assert lines[first:].count(READING) == 1
    started = len(lines) - lines[::-1].index("vim-cmd hostsvc/enable_ssh")
    assert lines[started:].count(READING) == 2


def test_what_vmfs_cannot_give_back_is_named_in_an_event(site: MakeSite) -> None:
    host = site("vmfs7-bond")
    host.moment.fail_always["vim-cmd hostsvc/start_ssh"] = "fail"
    host.start()
    assert host.status is FAILED
    told = [one for one in host.maas.machine.event_log if "VMFS never shrinks, so this stays" in one]
    assert len(told) == 1
    assert "put-back: VMFS never shrinks, so this stays: extend the datastore datastore2 by" in told[0]


class Renaming(Runner):
    """A host with one datastore."""

    end = None

    def __init__(self, label: str) -> None:
        self.label = label

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        if arguments[1] == RENAME[1]:
            if arguments[2] != self.label:
                return Result(1, "", "not found")
            self.label = arguments[3]
            return Result(0)
        assert arguments[:5] == ["esxcli", "--formatter=json", "storage", "vmfs", "extent"]
        row = {"Volume Name": self.label, "VMFS UUID": "5", "Extent Number": 0, "Device Name": "naa.1", "Partition": 8}
        return Result(0, json.dumps([row]))


@pytest.mark.parametrize("happened", [True, False])
def test_a_rename_that_a_power_cut_followed_is_rolled_back_and_one_that_it_preceded_is_no_failure(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch, *, happened: bool
) -> None:
    system = site("simple-static").system()
    before = read(system.runner, system.devices)
    runner = Renaming("datastore1")
    monkeypatch.setattr(system, "runner", runner)
    journal = Journal(system, "/bootbank")
    step = Step(STORAGE_PHASE, (*RENAME, "datastore1", "data"), "rename", undo=((*RENAME, "data", "datastore1"),))

    def cut(command: tuple[str, ...], *_: object) -> Result:
        if happened:
            runner.run(list(command))
        raise PowerLost("before it is noted")

    monkeypatch.setattr(system, "run", cut)
    with pytest.raises(PowerLost):
        Steps(system, Undo(system, journal, Log(system)), Log(system)).run([step], STORAGE, before)
    monkeypatch.undo()
    monkeypatch.setattr(system, "runner", runner)
    again = Undo(system, Journal(system, "/bootbank"), Log(system))
    assert [again.roll_back(STORAGE), runner.label] == [[], "datastore1"]
    assert not again.changes

"""MAAS waits only so long: what restarts its clock, and what the agent does where MAAS has given up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge.selftest import maas_machine
from esxforge_target.cloud_data.plans import plan_user_data
from esxforge_target.cloud_data.power_off import is_power_off
from esxforge_target.metadata.client import MetadataClient
from standin.maas_metadata import FakeMetadataService, MachineStatus
from target.agent.conftest import MakeSite
from target.agent.faults import settings
from target.agent.site import Away, Outage, Site

RECORDED = Path(__file__).parents[2] / "data" / "maas-http" / "user-data-power-off-3.7.3.txt"
USER_DATA = "GET /MAAS/metadata/latest/user-data"


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The answer as MAAS 3.7.3's own code renders it; the stand-in gives this one, too."""
    answer = RECORDED.read_bytes()
    monkeypatch.setattr(maas_machine, "power_off_answer", lambda: answer)
    return answer


def gives_up(host: Site, status: MachineStatus) -> Callable[[], None]:
    def change() -> None:
        host.maas.machine.status = status

    return change


@pytest.mark.parametrize("status", [MachineStatus.FAILED_DEPLOYMENT, MachineStatus.ABORTED])
@pytest.mark.usefixtures("recorded")
def test_where_maas_gave_up_the_agent_says_so_runs_nothing_and_leaves(site: MakeSite, status: MachineStatus) -> None:
    host = site("simple-static")
    host.maas.machine.user_data = b"#cloud-config\nfqdn: owner.maas\n"
    host.moment.at["/sbin/auto-backup.sh"] = gives_up(host, status)
    assert host.start() == 0
    assert host.status is status
    assert "MAAS is not deploying this machine any more" in host.log
    assert "stays Deployed" not in host.log
    assert "this machine is deployed" not in host.log
    assert "starting: user-data" not in host.log
    last = host.maas.machine.events[-1]
    assert (last["name"], last["result"]) == ("esxforge", "FAIL")
    assert "release the machine and deploy it again" in last["description"]
    assert host.differences() == []
    assert (host.leftovers(), host.leaks()) == ([], [])
    host.fake.power_cut()
    host.boot()
    assert host.differences() == []
    assert host.start() is None


@pytest.mark.usefixtures("recorded")
def test_a_power_cut_right_after_that_answer_ends_the_same_way(site: MakeSite) -> None:
    host = site("simple-static")
    host.moment.at["/sbin/auto-backup.sh"] = gives_up(host, MachineStatus.FAILED_DEPLOYMENT)
    original = host.moment.end

    def cut(number: int) -> None:
        original(number)
        if host.moment.log[number - 1] == USER_DATA and host.moment.log.count(USER_DATA) == 1:
            host.cut()

    host.moment.end = cut  # type: ignore[method-assign]
    assert host.live() == 2
    assert "MAAS is not deploying this machine any more" in host.log
    assert "stays Deployed" not in host.log
    assert (host.leftovers(), host.leaks()) == ([], [])
    assert host.differences() == []


def test_a_host_of_a_deployment_that_failed_earlier_is_not_touched_by_the_script(site: MakeSite) -> None:
    host = site("simple-static")
    gives_up(host, MachineStatus.FAILED_DEPLOYMENT)()
    before = settings(host)
    assert host.start() == 0
    assert settings(host) != before, "it is set up all the same: MAAS tells its status to nobody who asks"
    assert "MAAS is not deploying this machine any more" in host.log


def test_the_recorded_answer_is_recognised_and_an_owners_script_of_the_same_name_is_not(recorded: bytes) -> None:
    assert is_power_off(recorded)
    assert is_power_off(maas_machine.power_off_answer())
    assert not plan_user_data(recorded, (8, 0)).actions
    own = recorded[: recorded.index(b"IyEv")] + b"IyEvYmluL3NoCmVjaG8gaGkK\n" + recorded[recorded.rindex(b"\n--") :]
    assert b"user_data.sh" in own
    assert not is_power_off(own)
    assert len(plan_user_data(own, (8, 0)).actions) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"#!/bin/sh\necho Powering node off.\n", b"Content-Type: multipart/mixed\n\nPowering node off", b"\xff" * 99],
)
def test_nothing_else_is_taken_for_that_answer(data: bytes) -> None:
    assert not is_power_off(data)


@pytest.mark.parametrize("restarts", [True, False])
def test_maas_up_to_3_5_waits_anew_from_the_agents_start(
    site: MakeSite, maas: FakeMetadataService, monkeypatch: pytest.MonkeyPatch, restarts: bool
) -> None:
    """A minute is left when the agent starts, and it takes longer than that."""
    host = site("simple-static")
    machine = maas.machine
    machine.version, machine.node_timeout = (3, 5), 1800.0
    machine.start_limit()
    host.clock.sleep(1740)
    host.moment.at["esxcli network ip interface ipv4 set"] = lambda: host.clock.sleep(50)
    host.moment.at["/sbin/auto-backup.sh"] = lambda: host.clock.sleep(15)
    if not restarts:
        monkeypatch.setattr(MetadataClient, "restart_limit", lambda *_rest: None)
    assert host.start() == 0
    assert host.status is (MachineStatus.DEPLOYED if restarts else MachineStatus.FAILED_DEPLOYMENT)


def test_where_maas_is_silent_at_first_its_clock_is_restarted_once_it_is_heard(site: MakeSite) -> None:
    host = site("simple-static")
    host.outages = [Outage(Away.MAAS, 0, 100)]
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    sent = [one["name"].rpartition("/")[2] for one in host.maas.machine.events]
    assert sent[:4] == ["inventory", "network", "storage", "stage-late"]

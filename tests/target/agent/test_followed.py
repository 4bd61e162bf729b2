"""``esxforge follow`` puts the agent's events in order, which MAAS stores late and in another order."""

from __future__ import annotations

from esxforge.deployment.event_log import Event, EventLog, Ordered
from esxforge.deployment.progress import Outcome, Progress
from esxforge.maas.auth import ApiKey
from esxforge.maas.client import Client, Surroundings
from esxforge.maas.connection import Connection
from standin.maas_region import ADMIN_KEY, FakeRegion, serve
from standin.maas_region.machines import DEPLOYED, DEPLOYING, FAILED_DEPLOYMENT, Live
from target.agent.conftest import MakeSite
from target.agent.site import Site

_MINUTE = 60.0


def follow(host: Site) -> tuple[Progress, list[str], list[Event]]:
    """Of a deployment that ended: what is known of it, its phases in order, and our events as they arrived."""
    machine = host.maas.machine
    region = FakeRegion()
    node = region.nodes.add({"machine": {"system_id": machine.system_id, "hostname": "esx01", "status": DEPLOYING}})
    node.live = Live(machine)
    progress, ordered, arrived = Progress(), Ordered(), []
    key = ApiKey.parse(ADMIN_KEY, "the test")
    with serve(region) as url, Client(Connection(url, key), lambda _event: None, Surroundings()) as client:
        log = EventLog(client, machine.system_id)
        log.rewind()
        for seconds in (0.0, _MINUTE):
            host.clock.sleep(seconds)
            new = list(log.new())
            arrived += [event for event in new if event.number is not None]
            for event in ordered.take(new, host.clock.elapsed):
                progress.take(event)
        for event in ordered.rest():
            progress.take(event)
    progress.status = node.own["status"]
    return progress, [phase for phase, _ in progress.phases], arrived


def test_the_phases_of_a_deployment_are_shown_in_their_order(site: MakeSite) -> None:
    host = site("vmfs7-bond", encrypted_password="QUJD")
    host.maas.machine.events_wait = _MINUTE
    assert host.start() == 0
    progress, phases, _ = follow(host)
    assert phases == [
        "inventory",
        "network",
        "storage",
        "identity",
        "password",
        "verify",
        "persist",
        "vendor-data",
        "user-data",
        "readiness",
    ]
    assert (progress.status, progress.outcome) == (DEPLOYED, Outcome.DEPLOYED)
    assert [phase["phase"] for phase in progress.times(ended=True).document()["phases"]] == phases


def test_the_reason_of_a_failure_arrives_first_and_is_the_last_that_is_shown(site: MakeSite) -> None:
    host = site("simple-static")
    for command in ("/sbin/auto-backup.sh", "/sbin/backup.sh 0"):
        host.moment.fail_always[command] = "fail"
    host.maas.machine.events_wait = _MINUTE
    assert host.start() == 0
    progress, _, arrived = follow(host)
    assert arrived[0].is_error
    assert len(arrived) > 1
    ours = [event for event in progress.events if event.number is not None]
    assert [event.number for event in ours] == sorted(event.number for event in arrived if event.number)
    assert progress.status == FAILED_DEPLOYMENT
    reason, log = progress.reason()
    assert "ESXi did not save its configuration" in reason
    assert log.strip(), "the end of the host's log"

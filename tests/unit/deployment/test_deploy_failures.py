"""How ``esxforge deploy`` and ``esxforge follow`` take what goes wrong: lost answers, silence, Ctrl-C."""

from __future__ import annotations

import json

import pytest

from esxforge.deployment import start
from esxforge.deployment.follow import Followed
from esxforge.maas.client import Client
from standin.maas_region import Fault
from standin.maas_region.machines import (
    DEPLOYED,
    DEPLOYING,
    RELEASING,
    FakeMachine,
)

from .conftest import Clock, Run, becomes, deploy_posts, deploys_well
from .site import Site


def test_maas_may_go_away_while_following(run: Run, maas: Site, machine: FakeMachine, clock: Clock) -> None:
    deploys_well(maas, machine, clock)
    clock.steps.insert(1, lambda: setattr(maas.region, "faults", [Fault("GET", "busy", times=40)]))
    status, out, _ = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 0
    assert out.count("MAAS does not answer") == 1
    assert "MAAS answers again" in out
    assert "verify: reads it back" in out


def test_after_half_an_hour_of_silence_it_is_given_up_with_the_way_back(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    clock.steps = [lambda: setattr(maas.region, "faults", [Fault("GET", "drop-before", times=10_000)])]
    status, out, _ = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "How the deployment ends is not known" in out
    assert "has not answered for 30 minutes" in out
    assert "esxforge follow esx01.maas" in out


def test_one_machine_that_maas_loses_does_not_end_following_the_others(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    other = maas.machine("routes_two_subnets", system_id="def456", hostname="esx02")
    clock.steps = [
        lambda: maas.region.nodes.machines.__delitem__("abc123"),
        becomes(other, DEPLOYED, ip_addresses=["10.0.0.12"]),
    ]
    status, out, _ = run("deploy", "esx01", "esx02", "--yes", "--json", maas=maas)
    ends = {one["machine"]: one for one in map(json.loads, out.splitlines()) if one["event"] == "end"}
    assert status == 1
    assert ends["esx01.maas"]["outcome"] == "unknown"
    assert "has no machine abc123 any more" in ends["esx01.maas"]["reason"]
    assert (ends["esx02.maas"]["outcome"], ends["esx02.maas"]["addresses"]) == ("deployed", ["10.0.0.12"])


def test_one_machine_that_maas_cannot_show_is_given_up_alone(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    other = maas.machine("routes_two_subnets", system_id="def456", hostname="esx02")
    fault = Fault("GET", "missing", path="machines/abc123/", times=10_000)
    clock.steps = [lambda: maas.region.faults.append(fault), becomes(other, DEPLOYED)]
    status, out, _ = run("deploy", "esx01", "esx02", "--yes", maas=maas)
    assert status == 1
    assert "esx02.maas: Deployed" in out
    assert "note: esx01.maas: MAAS does not answer" in out
    assert "esx01.maas: How the deployment ends is not known" in out


def test_ctrl_c_leaves_the_deployment_alone_and_says_how_to_join_it_again(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.steps = [interrupt]
    status, _, err = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 130
    assert "the deployment goes on" in err
    assert "esxforge follow esx01.maas" in err
    assert machine.own["status"] == DEPLOYING
    assert len(deploy_posts(maas)) == 1


def test_a_lost_answer_is_settled_by_looking_and_nothing_is_sent_twice(
    run: Run, maas: Site, machine: FakeMachine
) -> None:
    maas.region.faults = [Fault("POST", "drop-after")]
    assert run("deploy", "esx01", "--yes", "--detach", maas=maas)[0] == 0
    assert len(machine.deploy_requests) == 1


def test_a_request_that_never_arrived_is_an_error(run: Run, maas: Site, machine: FakeMachine) -> None:
    maas.region.faults = [Fault("POST", "drop-before")]
    status, out, err = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "It is not known whether the deployment of esx01.maas (abc123) began" in err
    assert "esxforge follow abc123" in err
    assert "How the deployment ends is not known" in out
    assert not machine.deploy_requests


def test_a_machine_of_which_it_is_not_known_is_followed_to_its_end(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    maas.region.faults = [
        Fault("POST", "drop-after"),
        Fault("GET", "busy", path="machines/abc123/", at=2, times=20),
    ]
    clock.steps = [lambda: None] * 30 + [becomes(machine, DEPLOYED, ip_addresses=["10.0.0.10"])]
    status, out, err = run("deploy", "esx01", "--yes", maas=maas)
    assert "It is not known" in err
    assert "Addresses: 10.0.0.10" in out
    assert status == 0


@pytest.mark.parametrize("options", [("--detach",), ("--detach", "--json")])
def test_a_doubt_is_a_failure_of_a_command_that_leaves(
    run: Run, maas: Site, machine: FakeMachine, options: tuple[str, ...]
) -> None:
    maas.region.faults = [Fault("POST", "drop-before")]
    status, out, _ = run("deploy", "esx01", "--yes", *options, maas=maas)
    assert status == 1
    if "--json" in options:
        started, error = map(json.loads, out.splitlines())
        assert (started["event"], started["certain"]) == ("started", False)
        assert (error["event"], error["machine"]) == ("error", "esx01.maas")


def test_ctrl_c_between_the_requests_names_what_was_started_and_what_may_be(
    run: Run, maas: Site, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for system_id, name in (("def456", "esx02"), ("ghi789", "esx03")):
        maas.machine("routes_two_subnets", system_id=system_id, hostname=name)
    real = start.start

    def interrupted(client: Client, one: start.Ready, request: start.Request) -> Followed:
        found = real(client, one, request)
        if one.system_id == "def456":
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(start, "start", interrupted)
    status, out, err = run("deploy", "esx01", "esx02", "esx03", "--yes", "--json", maas=maas)
    assert status == 130
    assert "being deployed: esx01.maas; possibly being deployed, its request was interrupted: esx02.maas" in err
    assert "not started: esx03.maas" in err
    assert "esxforge follow esx01.maas esx02.maas\n" in err
    assert "nothing was left behind" not in err
    error = json.loads(out.splitlines()[-1])["error"]
    assert error["code"] == "interrupted"
    assert "esxforge follow esx01.maas esx02.maas" in error["hint"]


def test_ctrl_c_while_following_tells_programs_how_to_join_again(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.steps = [interrupt]
    status, out, _ = run("deploy", "esx01", "--yes", "--json", maas=maas)
    assert status == 130
    assert "esxforge follow esx01.maas" in json.loads(out.splitlines()[-1])["error"]["hint"]


def test_programs_get_each_failure_as_one_line_and_each_start(
    run: Run, maas: Site, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    maas.machine("routes_two_subnets", system_id="def456", hostname="esx02")
    lock = lambda _count: maas.region.nodes.machines["def456"].own.update(locked=True)  # noqa: E731
    monkeypatch.setattr("esxforge.cli.deploy._ask", lock)
    status, out, _ = run("deploy", "esx01", "esx02", "--detach", "--json", maas=maas)
    started, error = map(json.loads, out.splitlines())
    assert status == 1
    assert started == {"event": "started", "machine": "esx01.maas", "system_id": "abc123", "certain": True}
    assert (error["event"], error["machine"]) == ("error", "esx02.maas")
    assert "changed in MAAS" in error["error"]["message"]


@pytest.mark.parametrize("verb", [("deploy", "--yes"), ("follow",)])
def test_programs_get_what_fails_before_any_machine_as_one_line_too(
    run: Run, maas: Site, machine: FakeMachine, verb: tuple[str, ...]
) -> None:
    machine.own["locked"] = True
    _, out, _ = run(*verb, "esx01", "--json", maas=maas)
    (line,) = out.splitlines()
    event = json.loads(line)
    assert (event["event"], event["machine"]) == ("error", None)
    assert event["error"]["hint"]


def test_what_maas_refuses_is_said_in_its_words(run: Run, maas: Site, machine: FakeMachine) -> None:
    maas.region.nodes.series = list
    status, _, err = run("deploy", "esx01", "--yes", "--detach", maas=maas)
    assert status == 1
    assert "is not a valid distro_series" in err


def test_a_conflict_that_maas_answers_with_409_is_said_in_its_words(
    run: Run, maas: Site, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deploys it between our last look and our request is met by MAAS itself."""
    monkeypatch.setattr(start, "_compare", lambda _client, _machine: machine.become(RELEASING))
    status, _, err = run("deploy", "esx01", "--yes", "--detach", maas=maas)
    assert status == 1
    assert "Can't deploy a machine that is in the 'Releasing' state" in err


def test_a_plain_user_whose_machine_is_taken_while_followed_hears_that(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    maas.as_user()
    clock.steps = [becomes(machine, DEPLOYING, owner="h2admin")]
    status, out, _ = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "belongs to somebody else" in out


def test_a_machine_that_is_deleted_while_followed_is_told(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    clock.steps = [maas.region.nodes.machines.clear]
    status, out, _ = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "has no machine abc123 any more" in out


def test_an_answer_without_a_status_while_following_names_it(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    clock.steps = [lambda: machine.own.pop("status_name")]
    status, out, _ = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "status_name is missing" in out

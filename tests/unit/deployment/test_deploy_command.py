"""``esxforge deploy`` and ``esxforge follow`` from the outside, against a stand-in MAAS."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from standin.maas_region.errors import ApiError
from standin.maas_region.machines import (
    ALLOCATED,
    DEPLOYED,
    DEPLOYING,
    FAILED_DEPLOYMENT,
    READY,
    RELEASING,
    FakeMachine,
)

from .conftest import OURS, Clock, Run, becomes, deploy_posts, deploys_well, says
from .site import Site


def test_a_machine_is_deployed_and_followed_to_its_addresses(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    deploys_well(maas, machine, clock)
    status, out, err = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 0, err
    assert machine.deploy_requests == [{"distro_series": "esxi/8.0.3", "vcenter_registration": "true"}]
    lines = [line[10:] for line in out.splitlines() if line[2:3] == ":"]
    assert lines == [
        "MAAS starts the machine",
        "it boots from the network",
        "curtin runs",
        "curtin clears the disks and writes the image",
        "inventory: reads what this host has",
        "network: sets up the network",
        "verify: reads it back",
    ]
    assert "Deployed" in out
    assert "Addresses: 10.0.0.10, 2001:db8::10" in out
    assert "curtin partitioning" in out
    assert "network" in out[out.index("Phases:") :]


def test_what_is_confirmed_names_the_machine_and_every_disk_that_is_lost(
    run: Run, maas: Site, machine: FakeMachine
) -> None:
    status, out, err = run("deploy", "esx01", maas=maas)
    assert (status, out) == (1, "")
    for part in (
        "esx01.maas (abc123)",
        f"esxi/8.0.3 “{OURS}”",
        "owner           none; it will be h2admin",
        "pool, tags      default, rack7",
        "power type      manual",
        "chassis serial  CZ1",
        "vCenter         MAAS's vCenter credentials go to the host",
        "ALL DATA on these disks is lost",
        "No terminal to confirm on; nothing was deployed.",
        "--yes",
    ):
        assert part in err
    for disk in machine.documents["blockdevices"]:
        if disk["type"] == "physical":
            assert f"{disk['size'] / 1e9:.1f} GB  {disk['model']}, {disk['serial']}" in err
    assert not deploy_posts(maas)


@pytest.mark.parametrize("answer", ["y\n", "n\n", "\n", ""])
def test_on_a_terminal_a_person_is_asked(
    run: Run, maas: Site, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    status, _, _ = run("deploy", "esx01", "--detach", maas=maas)
    assert bool(machine.deploy_requests) is (answer == "y\n")
    assert (status == 0) is (answer == "y\n")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": 0, "status_name": "New"}, "machine commission abc123"),
        ({"status": 2, "status_name": "Failed commissioning"}, "machine commission abc123"),
        ({"status": 8, "status_name": "Broken"}, "mark-fixed"),
        ({"status": DEPLOYED, "status_name": "Deployed"}, "machine release abc123"),
        ({"status": DEPLOYING, "status_name": "Deploying"}, "esxforge follow abc123"),
        ({"status": FAILED_DEPLOYMENT, "status_name": "Failed deployment"}, "machine release abc123"),
        ({"status": RELEASING, "status_name": "Releasing"}, "wait until it is released"),
        ({"locked": True}, "machine unlock abc123"),
        ({"status": ALLOCATED, "status_name": "Allocated", "owner": "somebody"}, "--owner somebody"),
        ({"bios_boot_method": "pxe"}, "legacy BIOS"),
    ],
)
def test_what_must_not_be_deployed_is_refused_with_the_command_that_helps(
    run: Run, maas: Site, machine: FakeMachine, fields: dict[str, Any], reason: str
) -> None:
    machine.own.update(fields)
    status, _, err = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert reason in err
    assert "Nothing was deployed" in err
    assert not deploy_posts(maas)


def test_somebody_elses_machine_is_deployed_only_where_the_owner_is_named(
    run: Run, maas: Site, machine: FakeMachine
) -> None:
    machine.become(ALLOCATED, owner="somebody")
    assert run("deploy", "esx01", "--yes", "--detach", "--owner", "someone", maas=maas)[0] == 1
    assert not machine.deploy_requests
    assert run("deploy", "esx01", "--yes", "--detach", "--owner", "somebody", maas=maas)[0] == 0
    assert machine.deploy_requests


def test_the_series_is_always_sent_and_no_image_is_guessed(run: Run, maas: Site, machine: FakeMachine) -> None:
    maas.image("esxi/7.0.3", OURS)
    status, _, err = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "several ESXi images: esxi/7.0.3, esxi/8.0.3" in err
    assert run("deploy", "esx01", "--yes", "--detach", "--image", "esxi/7.0.3", maas=maas)[0] == 0
    assert machine.deploy_requests[0]["distro_series"] == "esxi/7.0.3"


def test_an_image_that_maas_lacks_is_refused(run: Run, maas: Site, machine: FakeMachine) -> None:
    status, _, err = run("deploy", "esx01", "--yes", "--image", "esxi/9.9", maas=maas)
    assert status == 1
    assert "MAAS has no image esxi/9.9" in err
    assert not machine.deploy_requests


def test_vcenter_registration_can_be_switched_off_and_user_data_sent(
    run: Run, maas: Site, machine: FakeMachine, tmp_path: Path
) -> None:
    (tmp_path / "data").write_bytes(b"#!/bin/sh\n\x00\xff")
    arguments = ("--no-vcenter-registration", "--user-data", tmp_path / "data")
    status, _, err = run("deploy", "esx01", "--yes", "--detach", *arguments, maas=maas)
    assert status == 0
    assert "vCenter         off" in err
    assert machine.deploy_requests[0]["vcenter_registration"] == "false"
    assert base64.b64decode(machine.deploy_requests[0]["user_data"]) == b"#!/bin/sh\n\x00\xff"


@pytest.mark.parametrize("content", [None, b"", b"x" * ((8 << 20) + 1)], ids=["missing", "empty", "large"])
def test_user_data_that_cannot_be_sent_is_refused_first(
    run: Run, maas: Site, machine: FakeMachine, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "data").write_bytes(content)
    assert run("deploy", "esx01", "--yes", "--user-data", tmp_path / "data", maas=maas)[0] == 1
    assert not machine.deploy_requests


def changed(documents: dict[str, Any], what: str) -> None:
    own = documents["machine"]
    if what == "owner":
        own["owner"] = "somebody"
    elif what == "status":
        own.update(status=ALLOCATED, status_name="Allocated")
    elif what == "locked":
        own["locked"] = True
    elif what == "its interfaces":
        documents["interfaces"][0]["links"][0]["ip_address"] = "10.9.9.9"
    elif what == "its disks":
        documents["blockdevices"][0]["serial"] = "another"
    elif what == "its datastores":
        documents["vmfs-datastores"] = []


@pytest.mark.parametrize("what", ["owner", "status", "locked", "its interfaces", "its disks", "its datastores"])
def test_whatever_changed_since_the_check_stops_the_deployment(
    run: Run, maas: Site, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    # The check is over when the person is asked.
    monkeypatch.setattr("esxforge.cli.deploy._ask", lambda _count: changed(machine.documents, what))
    status, _, err = run("deploy", "esx01", maas=maas)
    assert status == 1
    assert f"changed in MAAS since it was checked: {what}" in err
    assert not machine.deploy_requests


def test_another_order_of_answers_or_a_lease_is_no_change(
    run: Run, maas: Site, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shuffle(_count: int) -> None:
        machine.documents["interfaces"].reverse()
        machine.documents["blockdevices"].reverse()
        machine.documents["interfaces"][0]["discovered"] = [{"ip_address": "10.0.0.77", "subnet": None}]

    monkeypatch.setattr("esxforge.cli.deploy._ask", shuffle)
    assert run("deploy", "esx01", "--detach", maas=maas)[0] == 0


def test_all_machines_are_checked_before_the_first_is_deployed(run: Run, maas: Site, machine: FakeMachine) -> None:
    maas.machine("routes_two_subnets", system_id="def456", hostname="esx02", locked=True)
    status, _, err = run("deploy", "esx01", "esx02", "--yes", maas=maas)
    assert status == 1
    assert "esx02.maas (def456) is locked" in err
    assert not machine.deploy_requests


def test_several_machines_are_followed_with_their_names(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    other = maas.machine("routes_two_subnets", system_id="def456", hostname="esx02")
    clock.steps = [
        says(maas, "'curtin' curtin command install"),
        becomes(machine, DEPLOYED, ip_addresses=["10.0.0.10"]),
        becomes(other, FAILED_DEPLOYMENT),
    ]
    status, out, _ = run("deploy", "esx01", "esx02", "--yes", maas=maas)
    assert status == 1
    assert "esx01.maas  curtin runs" in out
    assert "esx01.maas: Addresses: 10.0.0.10" in out
    assert "esx02.maas: Failed deployment" in out


def test_one_machine_under_two_names_is_refused(run: Run, maas: Site, machine: FakeMachine) -> None:
    status, _, err = run("deploy", "esx01", "abc123", "--yes", maas=maas)
    assert status == 1
    assert "the same machine" in err
    assert not machine.deploy_requests


def test_a_failure_on_the_host_is_told_with_its_reason_and_the_end_of_its_log(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    text = "'esxforge' #1.04 No gateway answers at 10.0.0.1.\n\nThe end of the host's log:\n2026 line 1\n2026 line 2"
    clock.steps = [
        says(maas, text, level="ERROR", kind="Node installation failure"),
        says(maas, "Installation failed (refer to the installation log).", level="ERROR", kind="Marking node failed"),
        becomes(machine, FAILED_DEPLOYMENT),
    ]
    status, out, _ = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "Reason: No gateway answers at 10.0.0.1." in out
    assert out.count("line 2") == 1
    assert "  2026 line 1" in out


def test_a_refusal_of_the_hook_is_read_from_the_installation_log(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    machine.installation_log = (
        "start\nesxforge: this host was NOT prepared:\nesxforge:   firmware: Secure Boot is on\n"
        "Traceback (most recent call last):\n  curtin\n"
    )
    clock.steps = [
        says(maas, "Installation failed", level="ERROR", kind="Marking node failed"),
        becomes(machine, FAILED_DEPLOYMENT),
    ]
    status, out, _ = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "Marking node failed: Installation failed" in out
    assert "firmware: Secure Boot is on" in out
    assert "Traceback" not in out


def test_a_deployment_that_somebody_aborts_is_told_as_that(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    clock.steps = [
        says(maas, "(somebody)", kind="User aborting deployment"),
        becomes(machine, ALLOCATED),
    ]
    status, out, _ = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "ended by someone else" in out
    assert "User aborting deployment (somebody)" in out


def replace_image(maas: Site, what: str) -> None:
    resource = maas.region.resources[100]
    if what == "title":
        resource.title = "VMware ESXi 6.7 (other)"
    elif what == "bytes":
        file = resource.sets[0][1][0]
        file.stored = dataclasses.replace(file.stored, sha256="f" * 64)
    elif what == "another":
        maas.region.resources = {200: dataclasses.replace(resource, id=200)}
    elif what == "deleted":
        maas.region.resources.clear()
    else:
        maas.image("esxi/8.0.3", OURS)


@pytest.mark.parametrize("what", ["title", "bytes", "another", "deleted", "two"])
def test_an_image_that_is_replaced_while_the_question_stands_is_not_deployed(
    run: Run, maas: Site, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("esxforge.cli.deploy._ask", lambda _count: replace_image(maas, what))
    status, _, err = run("deploy", "esx01", "--detach", maas=maas)
    assert status == 1
    assert "changed in MAAS since it was checked: the image" in err
    assert not machine.deploy_requests


def test_a_closed_stdin_is_no_terminal(
    run: Run, maas: Site, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    status, _, err = run("deploy", "esx01", maas=maas)
    assert status == 1
    assert "No terminal to confirm on" in err
    assert not machine.deploy_requests


def test_images_that_maas_does_not_show_are_the_reason_then(
    run: Run, maas: Site, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(_kind: str) -> NoReturn:
        raise ApiError(403, "", "text/plain")

    monkeypatch.setattr(maas.region, "listing", hidden)
    status, _, err = run("deploy", "esx01", "--yes", "--image", "esxi/8.0.3", maas=maas)
    assert status == 1
    assert "MAAS does not show its images to this user" in err
    assert "no image was chosen" not in err


@pytest.mark.parametrize("series", ["lab", "esxi/8.0.3", "8.0u3", "6.7"])
def test_an_image_of_any_name_is_no_traceback_once_it_is_deployed(
    run: Run, maas: Site, machine: FakeMachine, series: str
) -> None:
    machine.become(DEPLOYED, owner="h2admin", osystem="esxi", distro_series=series)
    status, _, err = run("deploy", "esx01", "--yes", maas=maas)
    assert status == 1
    assert "is “Deployed”" in err
    assert run("plan", "--machine", "esx01", maas=maas)[0] == 0


def test_a_plain_user_deploys_a_free_machine_and_is_told_what_goes_not(
    run: Run, maas: Site, machine: FakeMachine
) -> None:
    maas.as_user()
    status, _, err = run("deploy", "esx01", "--yes", "--detach", maas=maas)
    assert status == 0, err
    assert "vCenter         no: you are not an administrator" in err
    assert machine.own["owner"] == "h2user"


@pytest.mark.parametrize("name", ["abc123", "esx01"])
def test_a_plain_user_gets_no_machine_of_somebody_else(run: Run, maas: Site, machine: FakeMachine, name: str) -> None:
    machine.become(ALLOCATED, owner="h2admin")
    maas.as_user()
    for verb in (("deploy", name, "--yes"), ("follow", name)):
        status, _, err = run(*verb, maas=maas)
        assert status == 1
        assert "belongs to somebody else" in err or "that this user may see" in err
    assert not deploy_posts(maas)


def test_a_running_deployment_can_be_joined_from_its_beginning(
    run: Run, maas: Site, machine: FakeMachine, clock: Clock
) -> None:
    assert run("deploy", "esx01", "--yes", "--detach", maas=maas)[0] == 0
    says(maas, "'curtin' configuring storage")()
    clock.steps = [becomes(machine, DEPLOYED, ip_addresses=["10.0.0.10"])]
    status, out, _ = run("follow", "esx01", maas=maas)
    assert status == 0
    assert "MAAS starts the machine" in out
    assert "curtin clears the disks" in out
    assert "10.0.0.10" in out


def test_nobody_follows_a_machine_that_nobody_deploys(run: Run, maas: Site, machine: FakeMachine) -> None:
    assert machine.own["status"] == READY
    status, _, err = run("follow", "esx01", maas=maas)
    assert status == 1
    assert "it is not being deployed" in err
    assert "esxforge deploy esx01.maas" in err


def test_programs_get_one_json_object_a_line(run: Run, maas: Site, machine: FakeMachine, clock: Clock) -> None:
    deploys_well(maas, machine, clock)
    status, out, _ = run("deploy", "esx01", "--yes", "--json", maas=maas)
    events = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert events[0]["event"] == "started"
    phases = [one["phase"] for one in events if one["event"] == "phase"]
    assert phases == ["start", "network boot", "curtin", "curtin partitioning", "inventory", "network", "verify"]
    end = events[-1]
    assert (end["event"], end["outcome"], end["status"]) == ("end", "deployed", "Deployed")
    assert end["addresses"] == ["10.0.0.10", "2001:db8::10"]
    assert [one["phase"] for one in end["times"]["phases"]] == phases


def test_text_from_maas_does_not_drive_the_terminal(run: Run, maas: Site, machine: FakeMachine, clock: Clock) -> None:
    machine.own.update(tag_names=["a\x1b[2J"], status_name="Ready\x1b[2J")
    machine.documents["blockdevices"][0]["model"] = "b\x1b[31m"
    clock.steps = [
        says(maas, "'esxforge' #1.01 network: c\x1b]0;x\x07\u202e"),
        says(maas, "d\x1b[2J", level="ERROR", kind="e\x1b[2J"),
        becomes(machine, FAILED_DEPLOYMENT),
    ]
    _, out, err = run("deploy", "esx01", "--yes", maas=maas)
    for character in ("\x1b", "\x07", "\u202e"):
        assert character not in out + err


def test_text_from_maas_in_an_error_does_not_drive_the_terminal(run: Run, maas: Site, machine: FakeMachine) -> None:
    machine.own.update(owner="eve\x1b[2J", status=ALLOCATED, status_name="Allocated\x1b[2J\x9b")
    status, _, err = run("deploy", "abc123", "--yes", maas=maas)
    assert status == 1
    assert "belongs to eve" in err
    assert "\x1b" not in err
    assert "\x9b" not in err

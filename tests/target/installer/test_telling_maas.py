"""What MAAS hears when ESXi cannot be installed, and that nobody waits long where it hears nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from esxforge_target.contract.desired_document import desired_host_from_json, desired_host_to_json
from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.host_record import HostRecord
from esxforge_target.contract.names import DESIRED_HOST, HOST_RECORD, SECRETS
from esxforge_target.contract.secrets import Secrets
from esxforge_target.contract.secure_boot_steps import INSTALLED, INSTALLER_RUNS
from esxforge_target.runtime.commands import ProcessRunner, Result, Runner
from standin.maas_metadata import FakeMetadataService, MachineStatus
from target.installer.conftest import Prepared
from target.installer.site import Site


class WithPython(Runner):
    """Python runs as a process, all else on the fake. Remembers how long Python was given."""

    def __init__(self, site: Site) -> None:
        self._fake = site.fake
        self.seconds = 0.0
        self.arguments: list[str] = []

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        if "python" not in Path(arguments[0]).name:
            return self._fake.run(arguments, timeout, stdin)
        self.seconds, self.arguments = timeout, arguments
        return ProcessRunner().run(arguments, timeout, stdin)


@pytest.fixture
def maas() -> Iterator[FakeMetadataService]:
    with FakeMetadataService() as service:
        yield service


def known_to(site: Site, maas: FakeMetadataService, name: str = "") -> None:
    """Let the host's documents lead to this service, by another host name if one is given."""
    listen_at(site, maas.endpoint.replace("127.0.0.1", name) if name else maas.endpoint, ["127.0.0.1"])
    # The secrets must stay as they are on the disk.
    token = Secrets.from_bytes(site.ram(SECRETS).read_bytes()).token
    machine = maas.machine
    machine.consumer_key, machine.token_key, machine.token_secret = token.parts()


def listen_at(site: Site, url: str, addresses: list[str]) -> None:
    """Let the desired host name another endpoint of MAAS."""
    place = site.ram(DESIRED_HOST)
    desired = desired_host_from_json(place.read_text())
    place.write_text(desired_host_to_json(desired.replace(maas=parse_endpoint(url, addresses))))


@pytest.mark.parametrize("name", ["", "maas.invalid"])
def test_a_stopped_installation_is_a_failed_deployment_in_maas(
    name: str, prepared: Prepared, maas: FakeMetadataService
) -> None:
    site = prepared(without=("sda",))
    known_to(site, maas, name)
    site.installer.runner = runner = WithPython(site)
    assert site.pre() == 1
    assert "MAAS was notified" in site.said
    assert maas.machine.status == MachineStatus.FAILED_DEPLOYMENT
    assert runner.seconds <= 60
    told = json.dumps(maas.machine.events)
    assert "No disk carries the mark of sda" in told
    assert not any(value in told + " ".join(runner.arguments) for value in maas.reporting.values() if len(value) > 20)


def test_without_a_network_the_log_says_that_maas_was_not_told(prepared: Prepared) -> None:
    site = prepared(without=("sda",))
    listen_at(site, "http://127.0.0.1:1/MAAS/metadata/status/abc123", [])
    site.installer.runner = WithPython(site)
    assert site.pre() == 1
    assert "MAAS could not be notified, and will give up by itself: MAAS at 127.0.0.1:1 refused" in site.said


def test_secrets_that_are_used_up_leave_nothing_to_tell_maas_with(prepared: Prepared) -> None:
    site = prepared()
    site.ram("/esxforge/secrets.json").write_bytes(bytes(4092) + os.urandom(4))
    site.installer.runner = WithPython(site)
    assert site.pre() == 1
    assert "holds no token for MAAS any more" in site.said


def test_each_step_restarts_the_time_limit_of_a_maas_that_it_reaches(
    prepared: Prepared, maas: FakeMetadataService
) -> None:
    site = prepared()
    known_to(site, maas)
    site.installer.runner = WithPython(site)
    site.run()
    assert site.said.count("MAAS was notified that this is running") == 2
    assert [(one["origin"], one["name"], one["result"]) for one in maas.machine.events] == [
        ("curtin", "cmd-install/stage-late", "SUCCESS")
    ] * 2
    assert maas.machine.log.lines == [], "and nobody sees it in the log"
    assert maas.machine.status is MachineStatus.DEPLOYING


@pytest.mark.parametrize("status", [1, 124])
def test_a_maas_that_is_not_reached_stops_no_step(prepared: Prepared, status: int) -> None:
    class NoNetwork(WithPython):
        def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
            if "python" in Path(arguments[0]).name:
                return Result(status, "", "MAAS at 10.0.0.2:5248 did not answer within 5 seconds.")
            return super().run(arguments, timeout, stdin)

    site = prepared()
    site.installer.runner = NoNetwork(site)
    site.run()
    assert "MAAS was not reached, its time limit goes on: MAAS at 10.0.0.2:5248 did not answer" in site.said


def test_with_secure_boot_on_maas_hears_how_far_the_machine_came(prepared: Prepared, maas: FakeMetadataService) -> None:
    site = prepared()
    known_to(site, maas)
    record = HostRecord.from_json(site.ram(HOST_RECORD).read_text())
    site.ram(HOST_RECORD).write_text(record.replace(secure_boot=True).to_json())
    site.installer.runner = WithPython(site)
    assert site.pre() == 0
    first = [event["description"] for event in maas.machine.events if event["origin"] == "esxforge"]
    assert first == [INSTALLER_RUNS]
    site.install()
    assert site.post() == 0
    assert [event["description"] for event in maas.machine.events if event["origin"] == "esxforge"] == [
        INSTALLER_RUNS,
        INSTALLED,
    ]
    assert maas.machine.status == MachineStatus.DEPLOYING


def test_with_secure_boot_off_no_such_event_is_sent(prepared: Prepared, maas: FakeMetadataService) -> None:
    site = prepared()
    known_to(site, maas)
    site.installer.runner = WithPython(site)
    assert site.pre() == 0
    assert [event for event in maas.machine.events if event["origin"] == "esxforge"] == []

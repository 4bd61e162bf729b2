"""What MAAS hears where it, or the way to its name, is not there just then."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from esxforge_target.agent import deadlines
from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.metadata import connection
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.metadata.errors import SILENCE, MetadataError, RejectedError, UnreachableError
from esxforge_target.metadata.exchange import MetadataResponse
from standin.maas_metadata import Fault, MachineStatus
from target.agent.conftest import MakeSite
from target.agent.site import MAAS, BridgedClient, Outage


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        ("/etc/init.d/rhttpproxy restart", "esxforge/password"),
        ("/sbin/auto-backup.sh", "esxforge/persist"),
        ("esxcli system ntp", "esxforge/vendor-data"),
    ],
)
def test_after_a_moment_of_503_maas_hears_the_whole_story(site: MakeSite, moment: str, phase: str) -> None:
    host = site("simple-static", encrypted_password="QUJD")
    host.maas.machine.vendor_data = b"cloud-init: '#cloud-config\n\n  ntp: {servers: [10.0.0.2]}'\n"

    def start() -> None:
        host.outages.append(Outage(Fault.BUSY, host.clock.elapsed, host.clock.elapsed + 3))

    host.moment.at[moment] = start
    assert host.start() == 0
    assert "MAAS has not been notified yet" in host.log
    assert host.status is MachineStatus.DEPLOYED
    names = [one["name"] for one in host.maas.machine.events]
    assert phase in names
    log = host.maas.machine.event_log
    assert any("Root's password, encrypted" in line for line in log)
    assert [line.split()[0] for line in log] == [f"#1.{number:02}" for number in range(1, 11)]


def test_a_failure_of_user_data_is_told_though_maas_answers_503_just_then(site: MakeSite) -> None:
    host = site("simple-static")
    host.maas.machine.user_data = b"#cloud-config\nfqdn: other.maas\nchpasswd: {list: ['root:clear']}\n"
    host.moment.at["esxcli system hostname set --fqdn=other.maas"] = lambda: host.outages.append(
        Outage(Fault.BUSY, host.clock.elapsed, host.clock.elapsed + 30)
    )
    assert host.start() == 0
    assert any("root is not a hash" in line for line in host.maas.machine.event_log[-2:])


@pytest.mark.parametrize("error", [UnreachableError("silent", SILENCE), RejectedError("no", 400)])
def test_without_its_password_in_maas_a_host_is_not_called_deployed(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch, error: MetadataError
) -> None:
    host = site("simple-static", encrypted_password="QUJD")
    report = MetadataClient.report

    def poor(client: MetadataClient, kind: str, name: str, *rest: Any) -> None:
        if name == "esxforge/password" and host.clock.elapsed < deadlines.MOST - 1:
            host.clock.sleep(rest[2])
            raise error
        report(client, kind, name, *rest)

    monkeypatch.setattr(MetadataClient, "report", poor)
    assert host.start() == 0
    assert host.status is MachineStatus.FAILED_DEPLOYMENT
    assert "MAAS did not take the event that holds root's encrypted password" in host.maas.machine.event_log[-1]
    assert not [step for step in host.moment.log if step.endswith("user-data")]
    assert host.differences() == []
    assert host.leaks() == []


class NamedClient(BridgedClient):
    """Connects as the agent does, over the host's network; MAAS's addresses lead to the service here."""

    def _once(self, method: str, path: str, body: bytes | None, limit: int, timeout: float) -> MetadataResponse:
        number = self.site.moment.begin(f"{method} {path}")
        answer = MetadataClient._once(self, method, path, body, limit, timeout)
        self.site.moment.end(number)
        return answer


@pytest.mark.parametrize("kind", ["installer", "golden"])
def test_maas_known_by_name_is_reached_though_no_name_server_answers(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    host = site("simple-static", kind=kind)
    maas = host.desired.maas
    name = "10-0-0-0--24.maas-internal"
    host.desired = host.desired.replace(maas=maas.replace(host=name, addresses=(MAAS,)))
    host.rewrite_module()

    def connect(endpoint: Endpoint, *rest: Any) -> MetadataClient:
        client = NamedClient(endpoint, *rest)
        client.site = host
        return client

    def open_socket(address: str, port: int, seconds: float) -> socket.socket:
        if host.fake.why_not(address, port):
            host.clock.sleep(seconds)
            raise TimeoutError
        return socket.create_connection(("127.0.0.1", host.maas.port), seconds)

    def look_up(name: str, port: int, seconds: float) -> list[str]:
        host.clock.sleep(seconds)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(host, "connect", connect)
    monkeypatch.setattr(connection, "open_socket", open_socket)
    monkeypatch.setattr(connection, "look_up", look_up)
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED, host.log
    assert f"MAAS at {name}:5248 answered for this machine" in host.log
    assert host.clock.elapsed < 60
    assert host.differences() == []

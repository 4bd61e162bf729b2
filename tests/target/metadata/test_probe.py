from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.token import Token
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.metadata.errors import ANSWERED, RIGHT, SILENCE, UnreachableError
from standin.maas_metadata import FakeMetadataService, Fault, VirtualClock

Connect = Callable[..., MetadataClient]


def test_a_right_answer_is_right_also_with_a_wrong_clock(
    maas: FakeMetadataService, connect: Connect, clock: VirtualClock
) -> None:
    clock.wrong_by = -1e8
    assert connect().probe().connectivity == RIGHT
    assert clock.sleeps == []


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in (Fault.HANG, Fault.DRIP)])
def test_any_answer_proves_the_network(maas: FakeMetadataService, connect: Connect, fault: Fault) -> None:
    maas.fault = fault
    assert connect().probe().connectivity == ANSWERED


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DRIP])
def test_a_connection_that_came_about_proves_the_network(
    maas: FakeMetadataService, connect: Connect, fault: Fault
) -> None:
    maas.fault = fault
    probe = connect().probe(timeout=0.2)
    assert probe.connectivity == ANSWERED
    assert "127.0.0.1" in probe.detail


def test_a_refused_connection_proves_the_network(maas: FakeMetadataService) -> None:
    token = Token.from_config(maas.reporting)
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port, and it refuses
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/MAAS/metadata/status/abc"
        assert MetadataClient(parse_endpoint(url), token).probe(1).connectivity == ANSWERED


def test_silence_is_told_from_all_of_these(maas: FakeMetadataService, connect: Connect) -> None:
    client = connect(request=0.2, total=0)
    maas.vanish()
    assert client.probe(timeout=0.2).connectivity == SILENCE
    with pytest.raises(UnreachableError) as caught:
        client.instance_id()
    assert caught.value.connectivity == SILENCE
    assert "VLAN" in caught.value.hint
    maas.come_back()
    assert client.probe().connectivity == RIGHT


def test_an_address_without_a_route_is_silence(maas: FakeMetadataService, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_route(*_: object, **__: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket, "create_connection", no_route)
    client = MetadataClient(parse_endpoint(maas.endpoint), Token.from_config(maas.reporting))
    probe = client.probe()
    assert (probe.connectivity, "No route to host" in probe.detail) == (SILENCE, True)


def test_another_machines_answer_is_not_right(maas: FakeMetadataService, connect: Connect) -> None:
    client = connect()
    maas.machine.system_id = "other1"
    assert client.probe().connectivity == ANSWERED

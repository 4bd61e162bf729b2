"""MAAS by its name: no name server, one that hangs, addresses that are dead."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.token import Token
from esxforge_target.metadata import connection as connection_module
from esxforge_target.metadata.client import MetadataClient, Patience
from esxforge_target.metadata.errors import ANSWERED, RIGHT, SILENCE
from standin.maas_metadata import FakeMetadataService
from standin.vcenter import Dialects, FakeVcenter, VcenterInventory, make_certificate

NAME = "10-0-0-0--24.maas-internal"


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No name is known; what was asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def unknown(name: str, *rest: Any, **more: Any) -> Any:
        if name[0].isdigit() and "-" not in name:
            return real(name, *rest, **more)
        asked.append(name)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    return asked


@pytest.fixture
def hanging_lookup(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    over = threading.Event()
    done = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        over.wait()
        done.set()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield
    over.set()
    done.wait()


def client(maas: FakeMetadataService, *addresses: str) -> MetadataClient:
    endpoint = parse_endpoint(maas.endpoint.replace("127.0.0.1", NAME), addresses)
    return MetadataClient(endpoint, Token.from_config(maas.reporting), Patience(request=1.0, total=0.0))


def test_by_its_known_address_maas_is_reached_without_a_name_server(
    maas: FakeMetadataService, lookups: list[str]
) -> None:
    one = client(maas, "127.0.0.1")
    assert one.probe().connectivity == RIGHT
    one.report_start("network", "Setting up the network")
    assert maas.machine.event_log == ["Setting up the network"]
    assert lookups == []


def test_without_an_address_a_name_that_is_not_known_is_silence(maas: FakeMetadataService, lookups: list[str]) -> None:
    probe = client(maas).probe()
    assert (probe.connectivity, lookups) == (SILENCE, [NAME])
    assert f"MAAS at {NAME}:{maas.port} cannot be reached: Name or service not known" in probe.detail


def test_a_look_up_that_hangs_is_left_behind(maas: FakeMetadataService, hanging_lookup: None) -> None:
    probe = client(maas).probe(0.1)
    assert probe.connectivity == SILENCE
    assert "its name was not looked up within 0.1 seconds" in probe.detail


def test_the_name_is_asked_where_the_known_address_is_dead(
    maas: FakeMetadataService, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    real = connection_module.open_socket

    def connect(address: str, port: int, seconds: float) -> socket.socket:
        tried.append(address)
        if address == "192.0.2.1":
            raise TimeoutError("timed out")
        return real(address, port, seconds)

    monkeypatch.setattr(connection_module, "open_socket", connect)
    monkeypatch.setattr(connection_module, "look_up", lambda name, port, seconds: ["192.0.2.1", "127.0.0.1"])
    assert client(maas, "192.0.2.1").probe().connectivity == RIGHT
    assert tried[:2] == ["192.0.2.1", "127.0.0.1"]
    assert set(tried[2:]) <= {"127.0.0.1"}  # a dead one costs time once


def test_one_address_that_refuses_proves_the_network(
    maas: FakeMetadataService, lookups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(address: str, port: int, seconds: float) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused") if address.endswith("2") else TimeoutError()

    monkeypatch.setattr(connection_module, "open_socket", connect)
    assert client(maas, "192.0.2.1").probe().connectivity == SILENCE
    assert client(maas, "192.0.2.1", "192.0.2.2").probe().connectivity == ANSWERED


def test_by_an_address_tls_still_wants_the_certificate_of_the_name(tmp_path: Path, lookups: list[str]) -> None:
    right, other = make_certificate(NAME), make_certificate("other.maas-internal", "127.0.0.1")
    for certificate, detail in ((right, "status 404"), (other, "")):
        web = VcenterInventory(lambda name, password: False, "", Dialects.NONE)  # any web server will do
        with FakeVcenter(web, certificate, tmp_path) as server:
            endpoint = parse_endpoint(f"https://{NAME}:{server.port}/MAAS/metadata/status/abc", ["127.0.0.1"])
            context = ssl.create_default_context(cadata=certificate.pem)
            probe = MetadataClient(endpoint, Token("c", "t", "s"), context=context).probe()
        assert probe.connectivity == ANSWERED
        assert detail in probe.detail
        assert bool(web.requests) == (certificate is right), probe.detail

"""The metadata service for a virtual host: what the host's own client finds there."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request

import pytest

from esxforge.selftest.maas_machine import PREFIX, MaasMachine, MachineStatus, Reply
from esxforge.selftest.metadata_server import MetadataServer
from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.token import Token
from esxforge_target.metadata.client import MetadataClient


def _client(server: MetadataServer) -> MetadataClient:
    machine = server.machine
    reporting = {
        "consumer_key": machine.consumer_key,
        "token_key": machine.token_key,
        "token_secret": machine.token_secret,
    }
    return MetadataClient(parse_endpoint(server.endpoint("127.0.0.1")), Token.from_config(reporting))


def test_the_client_of_the_host_is_answered_and_each_request_has_its_time() -> None:
    began = time.time()
    with MetadataServer(MaasMachine(time.time, hostname="a.b")) as server:
        client = _client(server)
        assert client.instance_id() == server.machine.system_id
        assert client.hostname() == "a.b"
    heard = server.machine.heard
    assert all(one.accepted for one in heard)
    assert began <= heard[0].at <= heard[-1].at <= time.time()
    assert server.machine.status is MachineStatus.DEPLOYING


def test_the_intake_is_asked_first_and_leaves_the_rest_to_maas() -> None:
    taken: list[bytes] = []

    def intake(method: str, path: str, body: bytes) -> Reply | None:
        if (method, path) != ("POST", "/told"):
            return None
        taken.append(body)
        return Reply(204)

    with MetadataServer(MaasMachine(time.time), intake=intake) as server:
        base = f"http://127.0.0.1:{server.port}"
        with urllib.request.urlopen(urllib.request.Request(base + "/told", b'{"a": 1}')) as answer:  # noqa: S310
            assert answer.status == 204
        with urllib.request.urlopen(base + PREFIX + "latest/meta-data/instance-id") as answer:  # noqa: S310
            assert answer.read() == b"i-maas-enlistment"
    assert [json.loads(one) for one in taken] == [{"a": 1}]


def test_a_preferred_port_is_taken_where_it_is_free_and_else_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with MetadataServer(MaasMachine(time.time), preferred_port=taken) as server:
            assert server.port != taken
    with MetadataServer(MaasMachine(time.time), preferred_port=taken) as server:
        assert server.port == taken


def test_what_is_too_large_is_not_read() -> None:
    with MetadataServer(MaasMachine(time.time)) as server:
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}/", b"x", {"Content-Length": "99999999"})
        with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request):  # noqa: S310
            pass
        assert refused.value.code == 413
        refused.value.close()

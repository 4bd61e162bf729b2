"""Whatever answers in MAAS's place, a request ends in time, in bounded memory, with a sentence, and leaks no key."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from esxforge import events
from esxforge.errors import MaasError
from esxforge.maas.auth import ApiKey
from esxforge.maas.client import Client, Surroundings
from esxforge.maas.connection import Connection
from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.metadata.errors import MetadataError
from esxforge_target.metadata.exchange import Request, exchange
from standin.hostile_server import WAYS, hostile_server

SECONDS = 0.5
_KEY = "consumer12:token345678:secret9012"
# The kernel's own buffers, and a loaded machine, take some time beside the deadline.
_GRACE = 8.0
_MEMORY = 128 << 20


@pytest.mark.parametrize("way", WAYS)
def test_the_client_ends_in_time_with_a_sentence(way: str) -> None:
    told: list[events.Event] = []
    with hostile_server(way) as port:
        connection = Connection(f"http://127.0.0.1:{port}/MAAS", ApiKey.parse(_KEY, "the test"), timeout=SECONDS)
        tracemalloc.start()
        started = time.monotonic()
        with Client(connection, told.append, Surroundings()) as client, pytest.raises(MaasError) as caught:
            client.json("GET", "version/")
        seconds, memory = time.monotonic() - started, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert seconds < 2 * SECONDS + _GRACE
    assert memory < _MEMORY
    assert caught.value.hint
    shown = f"{caught.value.message} {caught.value.hint} {told}"
    assert not any(part in shown for part in _KEY.split(":"))
    if way.startswith("drips"):
        assert "did not finish its answer within 0.5 seconds" in caught.value.message


@pytest.mark.parametrize("way", [way for way in WAYS if "brackets" not in way and "no text" not in way])
def test_the_host_ends_in_time_with_a_sentence(way: str) -> None:
    with hostile_server(way) as port:
        endpoint = Endpoint(False, "127.0.0.1", port, "/MAAS/metadata/", "abc123")
        started = time.monotonic()
        failure, answer = None, None
        try:
            answer = exchange(endpoint, Request("GET", "/MAAS/metadata/", {}), SECONDS, 1 << 20)
        except MetadataError as error:
            failure = error
    assert time.monotonic() - started < 2 * SECONDS + _GRACE
    if failure is not None:
        assert failure.hint
        assert not way.startswith("drips") or "did not finish its answer within 0.5 seconds" in failure.message
    elif answer is not None:
        # It follows no redirect, unpacks nothing, and leaves it to its callers to judge the bytes.
        assert len(answer.body) <= 1 << 20
        assert way.startswith(("redirects", "sends"))

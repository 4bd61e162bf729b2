from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.token import Token
from esxforge_target.metadata.client import MetadataClient, Patience
from standin.maas_metadata import FakeMetadataService, VirtualClock

Connect = Callable[..., MetadataClient]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def maas(clock: VirtualClock) -> Iterator[FakeMetadataService]:
    with FakeMetadataService(clock=clock.true_time) as service:
        yield service


@pytest.fixture
def connect(maas: FakeMetadataService, clock: VirtualClock) -> Connect:
    """Make a client of the fake service; keyword arguments go to Patience."""

    def make(request: float = 5.0, total: float = 60.0) -> MetadataClient:
        patience = Patience(request=request, total=total)
        return MetadataClient(parse_endpoint(maas.endpoint), Token.from_config(maas.reporting), patience, clock)

    return make

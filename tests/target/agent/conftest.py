"""Hosts for the agent, with MAAS beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from standin.maas_metadata import FakeMetadataService, VirtualClock
from target.agent.site import Site

MakeSite = Callable[..., Site]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def maas(clock: VirtualClock) -> Iterator[FakeMetadataService]:
    with FakeMetadataService(clock=clock.true_time) as service:
        yield service


@pytest.fixture
def site(maas: FakeMetadataService, clock: VirtualClock, tmp_path: Path) -> MakeSite:
    """Make a host on which ESXi was just installed."""

    def make(config: Any = "simple-static", release: str = "8.0.3", **host: Any) -> Site:
        return Site(tmp_path, maas, clock, config, release, **host)

    return make

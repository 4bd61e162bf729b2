"""A stand-in MAAS with recorded machines, and a client's surroundings in which no time passes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from esxforge import events
from esxforge.maas.auth import ApiKey
from esxforge.maas.client import Client, Surroundings
from esxforge.maas.connection import Connection
from standin.maas_region import ADMIN_KEY, USER_KEY, FakeRegion, serve
from standin.maas_region.machines import READY, FakeMachine
from standin.maas_region.region import File, Resource
from standin.maas_region.storage import Stored

from .pairs import named

TITLE = "VMware ESXi 8.0U3e"


@dataclass
class Site:
    """A served region. ``key`` is whose client is used."""

    region: FakeRegion
    url: str
    key: str = ADMIN_KEY
    told: list[events.Event] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def machine(self, pair: str = "rack_on_vlan_dns_not_allowed", **changes: Any) -> FakeMachine:
        """A machine of a recorded pair, Ready unless ``changes`` of its own answer say otherwise."""
        found = named(pair)
        documents = copy.deepcopy(found.documents)
        documents["machine"].update({"status": READY, "status_name": "Ready", "owner": None, **changes})
        if "hostname" in changes:
            documents["machine"]["fqdn"] = f"{changes['hostname']}.{documents['machine']['domain']['name']}"
        return self.region.nodes.add(documents, found.curtin)

    def image(self, name: str = "esxi/8.0.3", title: str = TITLE, *, complete: bool = True) -> None:
        """An uploaded image."""
        size = 1000
        stored = Stored(f"{len(self.region.resources):064x}", size)
        self.region.storage.disk[0, stored.sha256] = bytearray(size)
        stored.counts[0] = size if complete else 10
        number = 100 + len(self.region.resources)
        resource = Resource(number, name, "amd64/generic", title, [("20261123", [File(number, "root-dd.gz", stored)])])
        self.region.resources[number] = resource

    def as_user(self) -> None:
        """From now on a plain user asks."""
        self.key = USER_KEY

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A client that waits in no time."""
        connection = Connection(self.url, ApiKey.parse(self.key, "the test"), timeout=10.0)
        with Client(connection, self.told.append, Surroundings(sleep=self.slept.append)) as client:
            yield client


@contextmanager
def site(version: str = "3.7.3") -> Iterator[Site]:
    """Serve one."""
    region = FakeRegion(version)
    with serve(region) as url:
        yield Site(region, url)

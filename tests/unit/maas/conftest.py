"""An image, a stand-in MAAS, and a client's surroundings in which no time passes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from esxforge import events
from esxforge.maas.auth import ApiKey
from esxforge.maas.client import Surroundings
from esxforge.maas.connection import Connection
from esxforge.maas.upload import UploadImage, UploadResult, upload_image
from standin.maas_region import ADMIN_KEY, FakeRegion, Fault, serve

CHUNK = 1000


@pytest.fixture(autouse=True)
def _no_credentials_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither this machine's profiles nor its proxies have a say."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("MAAS_URL", "MAAS_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def image(tmp_path: Path) -> UploadImage:
    """Four chunks and a bit."""
    return make_image(tmp_path / "esxi.dd.gz", bytes(i * 7 % 251 for i in range(4 * CHUNK + 321)))


def make_image(path: Path, content: bytes) -> UploadImage:
    path.write_bytes(content)
    return UploadImage(path, len(content), hashlib.sha256(content).hexdigest(), "esxi/8.0.3", "VMware ESXi 8.0U3e")


@dataclass
class Maas:
    """A served region, and what its client told and slept."""

    region: FakeRegion
    url: str
    key: str = ADMIN_KEY
    told: list[events.Event] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    timeout: float = 10.0

    def connection(self) -> Connection:
        return Connection(self.url, ApiKey.parse(self.key, "the test"), timeout=self.timeout)

    def surroundings(self) -> Surroundings:
        return Surroundings(sleep=self.slept.append)

    def upload(self, image: UploadImage) -> UploadResult:
        return upload_image(
            image, self.connection(), self.told.append, surroundings=self.surroundings(), chunk_size=CHUNK
        )

    def fault(self, *faults: Fault) -> None:
        self.region.faults = list(faults)

    def requests(self, method: str) -> list[str]:
        return [path for sent, path in self.region.requests if sent == method]

    def notices(self) -> str:
        return "\n".join(event.text for event in self.told if isinstance(event, events.Notice))


ServeMaas = Callable[..., Maas]


@pytest.fixture
def serve_maas() -> Iterator[ServeMaas]:
    with ExitStack() as stack:

        def start(
            version: str = "3.6.5", *, regions: int = 1, balance: bool = False, counts_refused: bool = True
        ) -> Maas:
            region = FakeRegion(version, regions=regions, balance=balance, counts_refused=counts_refused)
            return Maas(region, stack.enter_context(serve(region)))

        yield start


@pytest.fixture
def maas(serve_maas: ServeMaas) -> Maas:
    return serve_maas()

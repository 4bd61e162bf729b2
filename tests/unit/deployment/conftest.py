"""A stand-in MAAS, and the command line as a person types it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from esxforge import __version__
from esxforge.cli.main import main
from standin.maas_region import ADMIN_KEY, USER_KEY
from standin.maas_region.machines import DEPLOYED, FakeMachine

from .site import Site, site

OURS = f"VMware ESXi 8.0U3e (esxforge {__version__})"
Run = Callable[..., tuple[int, str, str]]
SECRETS = [part for key in (ADMIN_KEY, USER_KEY) for part in key.split(":")]


@pytest.fixture(autouse=True)
def _no_credentials_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("MAAS_URL", "MAAS_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def maas() -> Iterator[Site]:
    with site() as found:
        yield found


@dataclass
class Clock:
    """Time that passes only while somebody waits. ``steps`` happen one by one, one at each wait."""

    now: float = 0.0
    steps: list[Callable[[], None]] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.steps:
            self.steps.pop(0)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("esxforge.maas.client.Client.wait", lambda _client, seconds: found.wait(seconds))
    monkeypatch.setattr("esxforge.cli.deploy.time", SimpleNamespace(monotonic=lambda: found.now))
    return found


@pytest.fixture
def run(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Run:
    """Run a command line against ``maas``, if given: the status, stdout and stderr. No secret is in any of it."""
    assert clock.now == 0.0
    caplog.set_level(logging.DEBUG)

    def start(*arguments: object, maas: Site | None = None) -> tuple[int, str, str]:
        if maas is not None:
            monkeypatch.setenv("MAAS_URL", maas.url)
            monkeypatch.setenv("MAAS_API_KEY", maas.key)
        monkeypatch.setattr(sys, "argv", ["esxforge", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        shown = capsys.readouterr()
        everything = f"{shown.out}\n{shown.err}\n{caplog.text}"
        assert not [secret for secret in SECRETS if secret.lower() in everything.lower()]
        return status, shown.out, shown.err

    return start


@pytest.fixture
def machine(maas: Site) -> FakeMachine:
    maas.image(title=OURS)
    return maas.machine(
        system_id="abc123", hostname="esx01", tag_names=["rack7"], hardware_info={"chassis_serial": "CZ1"}
    )


def says(maas: Site, text: str, **more: str) -> Callable[[], None]:
    return lambda: maas.region.nodes.log("abc123", text, **more)


def becomes(machine: FakeMachine, status: int, **fields: Any) -> Callable[[], None]:
    return lambda: machine.become(status, **fields)


def deploys_well(maas: Site, machine: FakeMachine, clock: Clock) -> None:
    clock.steps = [
        says(maas, "", level="INFO", kind="Performing PXE boot"),
        says(maas, "'curtin' curtin command install"),
        says(maas, "'curtin' configuring storage"),
        says(maas, "'esxforge' #1.02 network: sets up the network"),
        says(maas, "'esxforge' #1.01 inventory: reads what this host has"),
        says(maas, "'esxforge' #1.03 verify: reads it back"),
        becomes(machine, DEPLOYED, ip_addresses=["10.0.0.10", "2001:db8::10"]),
    ]


def deploy_posts(maas: Site) -> list[str]:
    return [path for method, path in maas.region.requests if method == "POST"]

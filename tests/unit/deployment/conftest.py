"""A stand-in MAAS, and the command line as a person types it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from esxforge.cli.main import main
from standin.maas_region import ADMIN_KEY, USER_KEY

from .site import Site, site

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

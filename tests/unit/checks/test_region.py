"""MAAS on the check list: asked through the real client, over a transport of the test's own."""

from __future__ import annotations

import httpx2
import pytest

from esxforge.checks.region import RegionFacts, ask, check_region
from esxforge.checks.report import CheckStatus, missing
from esxforge.events import ignore
from esxforge.maas.auth import ApiKey
from esxforge.maas.client import Surroundings
from esxforge.maas.connection import Connection
from esxforge.maas.retry import Backoff

URL = "http://maas.test:5240/MAAS"


def _ask(answers: dict[str, httpx2.Response]) -> RegionFacts:
    def answer(request: httpx2.Request) -> httpx2.Response:
        tail = request.url.path.rsplit("/api/2.0/", 1)[1]
        if "node_timeout" in str(request.url):
            assert request.url.params["op"] == "get_config"
            tail = "node_timeout"
        return answers.get(tail, httpx2.Response(404, text="Not Found"))

    surroundings = Surroundings(
        transport=httpx2.MockTransport(answer), sleep=lambda _seconds: None, backoff=Backoff(attempts=1)
    )
    connection = Connection(URL, ApiKey("consumer", "token", "secret"))
    return ask(connection, ignore, surroundings)


def _good(timeout: httpx2.Response) -> dict[str, httpx2.Response]:
    return {
        "version/": httpx2.Response(200, json={"version": "3.6.5", "subversion": ""}),
        "regioncontrollers/": httpx2.Response(200, json=[{}]),
        "node_timeout": timeout,
    }


def test_a_patient_maas_is_well() -> None:
    facts = _ask(_good(httpx2.Response(200, text="60")))
    assert facts == RegionFacts(URL, "3.6.5", 60)
    assert all(line.status is CheckStatus.OK for line in check_region(facts))


@pytest.mark.parametrize(
    ("version", "minutes", "status", "reason"),
    [
        ("3.5.13", 44, CheckStatus.ADVICE, "hear nothing for 45 minutes"),
        ("3.5.13", 45, CheckStatus.OK, ""),
        ("3.6.5", 34, CheckStatus.ADVICE, "2 times node_timeout, and it can take 70 minutes"),
        ("3.6.5", 35, CheckStatus.OK, ""),
        ("3.8.0a1", 30, CheckStatus.ADVICE, "2 times node_timeout"),
    ],
)
def test_the_advised_node_timeout_follows_from_how_the_version_counts_it(
    version: str, minutes: int, status: CheckStatus, reason: str
) -> None:
    line = check_region(RegionFacts(URL, version, minutes))[-1]
    assert line.status is status
    assert reason in line.hint
    assert bool(line.hint) is (status is CheckStatus.ADVICE)


@pytest.mark.parametrize(
    ("answer", "minutes"),
    [
        (httpx2.Response(200, text="30"), 30),
        (httpx2.Response(200, text="true"), None),
        (httpx2.Response(200, text='"x"'), None),
        (httpx2.Response(403, text="no"), None),
    ],
)
def test_an_impatient_maas_gets_advice(answer: httpx2.Response, minutes: int | None) -> None:
    facts = _ask(_good(answer))
    assert facts.node_timeout == minutes
    line = check_region(facts)[-1]
    assert line.status is CheckStatus.ADVICE
    assert "node_timeout" in line.hint


def test_no_maas_is_missing_with_the_reason() -> None:
    facts = _ask({})
    assert facts.problem
    lines = check_region(facts)
    assert missing(lines) == lines
    assert lines[0].found == facts.problem


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("3.6.5", CheckStatus.OK),
        ("3.2.0", CheckStatus.OK),
        ("10.0", CheckStatus.OK),
        ("2.9.2", CheckStatus.ADVICE),
        ("new", CheckStatus.ADVICE),
    ],
)
def test_versions_are_compared_as_numbers(version: str, status: CheckStatus) -> None:
    assert check_region(RegionFacts(URL, version, 60))[1].status is status

"""A host that cannot reach MAAS by any interface is refused before anything is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from esxforge_target.contract.management import no_way_to_maas
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.runtime.validation_errors import ValidationErrors
from target.plan.configs import network, nic, static

CASES = Path(__file__).parents[2] / "data" / "planner"


@pytest.mark.parametrize("name", ["d05a-nogw-remote-maas", "d05b-ipv6only-ipv4maas"])
def test_the_cases_without_a_way_are_refused(name: str) -> None:
    config = yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))
    with pytest.raises(ValidationErrors) as caught:
        desired_host_from_config(config)
    (reason,) = caught.value.reasons
    assert reason.startswith("network: no interface leads to MAAS (")


def way(maas: str, subnet: dict[str, Any], **others: Any) -> str:
    """Why there is none; a configuration that is taken for its own MAAS, then asked for another."""
    config = network(nic(1, subnet, **others), maas="maas.example")
    desired = desired_host_from_config(config)
    return no_way_to_maas(desired.replace(maas=desired.maas.replace(addresses=(maas,))))


def route(to: str, via: str) -> dict[str, Any]:
    return {"routes": [{"destination": to, "gateway": via}]}


@pytest.mark.parametrize(
    ("maas", "subnet"),
    [
        ("10.0.0.9", static("10.0.0.5/24")),
        ("192.0.2.9", static("10.0.0.5/24", gateway="10.0.0.1")),
        ("192.0.2.9", {"type": "dhcp4"}),
        ("192.0.2.9", static("10.0.0.5/24", **route("192.0.2.0/24", "10.0.0.1"))),
        ("2001:db8:9::9", static("2001:db8::5/64")),  # a router may say the way
        ("2001:db8:9::9", {"type": "dhcp6"}),
    ],
)
def test_a_way_that_is_there_or_may_be_is_left(maas: str, subnet: dict[str, Any]) -> None:
    assert not way(maas, subnet)


@pytest.mark.parametrize(
    ("maas", "subnet"),
    [
        ("192.0.2.9", static("10.0.0.5/24")),
        ("192.0.2.9", static("10.0.0.5/24", **route("198.51.100.0/24", "10.0.0.1"))),
        ("192.0.2.9", static("2001:db8::5/64", gateway="2001:db8::1")),
        ("192.0.2.9", {"type": "dhcp6"}),
    ],
)
def test_where_none_can_be_it_is_said(maas: str, subnet: dict[str, Any]) -> None:
    assert maas in way(maas, subnet)


def test_ipv6_without_router_advertisements_needs_a_gateway() -> None:
    assert way("2001:db8:9::9", static("2001:db8::5/64"), **{"accept-ra": False})

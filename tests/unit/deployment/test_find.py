"""Which machine a name means; no doubt is left."""

from __future__ import annotations

from typing import Any

import pytest

from esxforge.deployment.find import find_machine
from esxforge.errors import MaasError
from standin.maas_region.machines import ALLOCATED

from .site import Site


def find(maas: Site, name: str) -> str:
    with maas.client() as client:
        return find_machine(client, name)


def machine(maas: Site, system_id: str, hostname: str, domain: str = "maas", **more: Any) -> None:
    maas.machine(system_id=system_id, hostname=hostname, **more).own.update(
        domain={"name": domain}, fqdn=f"{hostname}.{domain}"
    )


@pytest.mark.parametrize("name", ["abc123", "esx01", "esx01.maas", "esx01.maas.", "ESX01.maas"])
def test_a_machine_is_found_by_id_fqdn_and_a_host_name_that_is_unique(maas: Site, name: str) -> None:
    machine(maas, "abc123", "esx01")
    machine(maas, "def456", "esx02")
    assert find(maas, name) == "abc123"


def test_a_host_name_in_two_domains_is_refused_with_both_and_an_fqdn_is_not(maas: Site) -> None:
    machine(maas, "abc123", "esx01", "maas")
    machine(maas, "def456", "esx01", "lab")
    with pytest.raises(MaasError, match=r"fits several machines: esx01\.maas \(abc123\), esx01\.lab \(def456\)"):
        find(maas, "esx01")
    assert find(maas, "esx01.lab") == "def456"
    assert find(maas, "def456") == "def456"


def test_a_host_name_that_is_another_machines_system_id_is_refused(maas: Site) -> None:
    machine(maas, "abc123", "esx01")
    machine(maas, "def456", "abc123")
    with pytest.raises(MaasError, match="fits several machines") as raised:
        find(maas, "abc123")
    assert "FQDN" in raised.value.hint
    assert find(maas, "abc123.maas") == "def456"


@pytest.mark.parametrize("name", ["esx09", "zzzzzz", "esx01.lab", "esx01.maas.example"])
def test_a_name_that_no_machine_has_is_refused(maas: Site, name: str) -> None:
    machine(maas, "abc123", "esx01")
    with pytest.raises(MaasError, match="has no machine"):
        find(maas, name)


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "x" * 300, "-x", "é", "a\n", "\x1b[2J"])
def test_what_is_no_name_never_reaches_maas(maas: Site, name: str) -> None:
    with pytest.raises(MaasError, match="not the name of a machine") as raised:
        find(maas, name)
    assert "\x1b" not in raised.value.message
    assert not maas.region.requests


def test_somebody_elses_machine_is_said_to_be_that_by_its_id_and_hidden_by_its_name(maas: Site) -> None:
    """MAAS leaves it out of lists, and answers 403 for its id."""
    machine(maas, "abc123", "esx01", status=ALLOCATED, status_name="Allocated", owner="h2admin")
    maas.as_user()
    with pytest.raises(MaasError, match="belongs to somebody else"):
        find(maas, "abc123")
    with pytest.raises(MaasError, match="that this user may see"):
        find(maas, "esx01")

"""What is known of each version of MAAS, from one table."""

from __future__ import annotations

import pytest

from esxforge.maas.versions import Capabilities, capabilities, parse_version

_DATABASE = Capabilities(images_in_database=True, searches_without_dns=True)
_WORKFLOWS = Capabilities(complete_means_compared=True, whole_deployment_timeouts=2)
_GATEWAYS = Capabilities(complete_means_compared=True, whole_deployment_timeouts=2, gateway_at_its_own_subnet=True)
_NEWEST = Capabilities(
    appends_to_shared_file=True,
    permissions_by_group=True,
    whole_deployment_timeouts=2,
    names_twin_disks_by_path=True,
    gateway_at_its_own_subnet=True,
)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.5.0", _DATABASE),
        ("3.4.0", _DATABASE),
        ("3.4.7", Capabilities(images_in_database=True)),
        ("3.5.0", Capabilities(complete_means_compared=True)),
        ("3.6.2", _WORKFLOWS),
        ("3.6.5", _GATEWAYS),
        ("3.7.1", _WORKFLOWS),
        ("3.7.3", _GATEWAYS),
        ("3.8.0~alpha1", _NEWEST),
        ("3.10", _NEWEST),
        ("4.0", _NEWEST),
        ("unknown", _NEWEST),
    ],
)
def test_each_version_has_the_capabilities_of_the_newest_row_that_is_not_newer(
    version: str, expected: Capabilities
) -> None:
    assert capabilities(version) == expected


@pytest.mark.parametrize(("text", "numbers"), [("3.6.5", (3, 6)), ("10.0", (10, 0)), ("", None), ("v3", None)])
def test_versions_are_read_as_numbers(text: str, numbers: tuple[int, int] | None) -> None:
    assert parse_version(text) == numbers

"""What is known of each version of MAAS, from one table."""

from __future__ import annotations

import pytest

from esxforge.maas.versions import Capabilities, capabilities, parse_version


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.5.0", Capabilities(images_in_database=True)),
        ("3.4.7", Capabilities(images_in_database=True)),
        ("3.5.0", Capabilities(complete_means_compared=True)),
        ("3.6.5", Capabilities(complete_means_compared=True, whole_deployment_timeouts=2)),
        ("3.7.3", Capabilities(complete_means_compared=True, whole_deployment_timeouts=2)),
        ("3.8.0~alpha1", Capabilities(appends_to_shared_file=True, whole_deployment_timeouts=2)),
        ("3.10", Capabilities(appends_to_shared_file=True, whole_deployment_timeouts=2)),
        ("4.0", Capabilities(appends_to_shared_file=True, whole_deployment_timeouts=2)),
        ("unknown", Capabilities(appends_to_shared_file=True, whole_deployment_timeouts=2)),
    ],
)
def test_each_version_has_the_capabilities_of_the_newest_row_that_is_not_newer(
    version: str, expected: Capabilities
) -> None:
    assert capabilities(version) == expected


@pytest.mark.parametrize(("text", "numbers"), [("3.6.5", (3, 6)), ("10.0", (10, 0)), ("", None), ("v3", None)])
def test_versions_are_read_as_numbers(text: str, numbers: tuple[int, int] | None) -> None:
    assert parse_version(text) == numbers

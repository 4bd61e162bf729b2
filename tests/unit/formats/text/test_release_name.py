"""Releases are taken by all the names that VMware gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge.errors import FormatError
from esxforge.formats.release_name import version_of
from esxforge.media.release import _UPDATES


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("8.0", "8.0"),
        ("8", "8.0"),
        ("8.0.3", "8.0.3"),
        ("8U3", "8.0.3"),
        ("8u3", "8.0.3"),
        ("8.0U3e", "8.0.3"),
        ("8.0 U3e", "8.0.3"),
        (" 8.0 Update 3e ", "8.0.3"),
        ("ESXi 8.0 Update 3", "8.0.3"),
        ("VMware ESXi 8.0.3", "8.0.3"),
        ("ESXi-8.0U3e-24674464-standard", "8.0.3"),
        ("8.0.3-24674464", "8.0.3"),
        ("8.0.3-0.35.24280767", "8.0.3"),
        ("7.0b", "7.0"),
        ("7U3d", "7.0.3"),
        ("6.7U3b", "6.7"),
        ("6.5.0", "6.5.0"),
        ("9.0", "9.0"),
        ("9.1.1.0-25714478", "9.1.1"),
    ],
)
def test_a_name_gives_its_version(text: str, version: str) -> None:
    assert version_of(text) == version


@pytest.mark.parametrize("update", sorted(_UPDATES.values()))
def test_every_update_that_is_known_by_its_build_is_taken(update: str) -> None:
    assert update.startswith(version_of(update)[:3])


@pytest.mark.parametrize(
    "text", ["", "new", "5.5", "6", "6.0U3", "U3", "8.0.3 or so", "8.x", "\N{SUPERSCRIPT TWO}.0", "8" * 400]
)
def test_anything_else_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(FormatError, match="is not a release of ESXi") as caught:
        version_of(text)
    assert "8.0U3e" in caught.value.hint
    assert len(caught.value.message) < 120


@given(st.text())
def test_no_text_ends_in_a_traceback(text: str) -> None:
    try:
        version = version_of(text)
    except FormatError:
        return
    assert version_of(version) == version

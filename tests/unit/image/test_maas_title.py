"""The title in MAAS says who built the image and what it needs, and is read again from MAAS."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge.image.maas_title import TitleMarks, read_title, title_of


def details(**recipe: Any) -> dict[str, Any]:
    return {"tool": {"name": "esxforge", "version": "0.9.0"}, "recipe": recipe}


RANDOM = {"given_as": "random", "public_key": None}
WITH_KEY = {"given_as": "random", "public_key": {"name": "k"}}


@pytest.mark.parametrize(
    ("recipe", "kind", "title", "marks"),
    [
        ({}, "installer", "ESXi (esxforge 0.9.0)", (False, False, False)),
        ({}, "golden", "ESXi (esxforge 0.9.0, golden)", (True, False, False)),
        ({"root_password": RANDOM}, "installer", "ESXi (esxforge 0.9.0, SSH key needed)", (False, False, True)),
        (
            {"root_password": {**RANDOM, "public_key": {"name": "k"}}},
            "installer",
            "ESXi (esxforge 0.9.0)",
            (False,) * 3,
        ),
        ({"root_password": RANDOM, "install": {"ssh_keys": ["k"]}}, "installer", "ESXi (esxforge 0.9.0)", (False,) * 3),
        ({"root_password": RANDOM, "vcenter": {"server": "v"}}, "installer", "ESXi (esxforge 0.9.0)", (False,) * 3),
        ({"root_password": {"given_as": "hash"}}, "installer", "ESXi (esxforge 0.9.0)", (False,) * 3),
        ({"image": {"sector_size": 4096}}, "installer", "ESXi (esxforge 0.9.0, 4Kn disks)", (False, True, False)),
    ],
)
def test_the_title_says_what_the_image_needs(
    recipe: dict[str, Any], kind: str, title: str, marks: tuple[bool, bool, bool]
) -> None:
    assert title_of("ESXi", details(**recipe), kind) == title
    assert read_title(title) == TitleMarks("0.9.0", *marks)


@pytest.mark.parametrize("title", ["", "VMware ESXi 8.0U3e", "mine (esxforge)", "(esxforge 1) or so", "(esxforge -1)"])
def test_other_titles_say_nothing(title: str) -> None:
    assert read_title(title) is None


@given(st.text(max_size=400))
def test_any_title_fits_into_maas_and_can_be_read_again(title: str) -> None:
    written = title_of(title, details(root_password=RANDOM), "golden")
    assert len(written) <= 255
    assert read_title(written) == TitleMarks("0.9.0", golden=True, sectors_4096=False, key_needed=True)


@given(st.text())
def test_no_title_ends_in_a_traceback(title: str) -> None:
    read_title(title)


def test_a_manifest_with_odd_details_has_a_title_all_the_same() -> None:
    assert title_of("x", {"recipe": 3, "tool": []}, "installer") == "x (esxforge 0)"

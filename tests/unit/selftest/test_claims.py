"""The page of claims, the claims in the code, and their checks are one list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from esxforge.selftest.claims import CLAIMS, Area, Claim, Part
from esxforge.selftest.judgement import CHECKS

PAGE = Path(__file__).parents[3] / "docs" / "seen.md"


def row(claim: Claim) -> str:
    part = "" if claim.part in (Part.ALWAYS, Part.BY_HAND) else f" ({claim.part.value})"
    return f"| `{claim.id}` | {claim.sentence} | {claim.source} | {claim.how}{part} |"


def test_every_claim_has_one_check_and_every_check_a_claim() -> None:
    assert sorted(CHECKS) == sorted(claim.id for claim in CLAIMS)


def test_the_page_has_every_claim_and_no_other() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## The claims\n")[1]
    assert re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE) == [
        claim.id for area in Area for claim in CLAIMS if claim.area is area
    ]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_page_says_what_the_claim_says(claim: Claim) -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text.split(f"\n### {claim.area.value}\n", 1)[1].split("\n### ", 1)[0]
    assert row(claim) in section.splitlines()


def test_what_is_left_to_people_says_how() -> None:
    assert all(claim.how for claim in CLAIMS)
    assert all(claim.part is Part.BY_HAND for claim in CLAIMS if claim.area is Area.BY_HAND)

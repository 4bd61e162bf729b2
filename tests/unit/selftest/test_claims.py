"""docs/seen.md has the claims of the code, each with its check."""

from __future__ import annotations

import os
from pathlib import Path

from esxforge.selftest.behaviours import BEHAVIOURS
from esxforge.selftest.claim import Area, Claim, Part
from esxforge.selftest.claims import CLAIMS
from esxforge.selftest.judge_behaviours import RENAMED
from standin.esxi import dials

PAGE = Path(__file__).parents[3] / "docs" / "seen.md"
HEAD = """
## The claims

Made from `src/esxforge/selftest/claims.py`, where each claim has its check.
"""
COLUMNS = "| id | claim | believed because of | the check |\n|---|---|---|---|\n"


def row(claim: Claim) -> str:
    part = "" if claim.part in (Part.ALWAYS, Part.BY_HAND) else f" ({claim.part.value})"
    return f"| `{claim.id}` | {claim.sentence} | {claim.source} | {claim.how}{part} |\n"


def claims() -> str:
    """The page's last part."""
    areas = [(area, "".join(row(claim) for claim in CLAIMS if claim.area is area)) for area in Area]
    return HEAD + "".join(f"\n### {area.value}\n\n{COLUMNS}{rows}" for area, rows in areas)


def test_the_page_is_made_from_the_claims() -> None:
    text = PAGE.read_text(encoding="utf-8")
    made = text[: text.index("\n## The claims\n")] + claims()
    if os.environ.get("ESXFORGE_RENEW_GOLDEN"):
        PAGE.write_text(made, encoding="utf-8")
    assert text == made, "ESXFORGE_RENEW_GOLDEN=1 pytest tests/unit/selftest/test_claims.py renews the page"


def test_each_claim_has_its_own_id_and_says_how_it_is_looked_at() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    assert all(claim.how for claim in CLAIMS)


def test_what_the_self_test_cannot_see_is_left_to_people() -> None:
    assert all(claim.part is Part.BY_HAND for claim in CLAIMS if claim.area is Area.BY_HAND)


def test_each_dial_of_the_fake_esxi_is_a_claim_and_the_other_way_round() -> None:
    assert [one.id for one in BEHAVIOURS] == list(dials.DIALS)
    for one in BEHAVIOURS:
        dial = dials.DIALS[one.id]
        assert (one.question, dict(one.settings), one.known) == (dial.question, dial.settings, dial.known)
        assert one.how == dial.observed
        assert not one.look or dial.observed, f"{one.id}: the dial says that no run can see it"
    assert RENAMED == dials.RENAMED
    assert {f"esxi-{one.id}" for one in BEHAVIOURS} == {claim.id for claim in CLAIMS if claim.area is Area.BEHAVIOUR}

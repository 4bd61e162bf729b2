"""Every mutant still applies to the source; `make mutants` runs them all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from target.judge.mutants import MUTANTS, PACKAGE, Mutant, Place, StaleMutantError, apply


def copy(one: Mutant, directory: Path) -> Path:
    """The files that a mutant is about."""
    for place in one.places:
        if (PACKAGE / place.file).exists():
            (directory / place.file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PACKAGE / place.file, directory / place.file)
    return directory


@pytest.mark.parametrize("one", MUTANTS, ids=lambda one: one.defect.replace(" ", "-"))
def test_a_mutant_applies_to_the_source(tmp_path: Path, one: Mutant) -> None:
    package = copy(one, tmp_path)
    place = apply(one, package)
    assert (package / place.file).read_text() != (PACKAGE / place.file).read_text()


def test_a_mutant_whose_source_is_gone_is_an_error(tmp_path: Path) -> None:
    gone = Mutant("gone", (Place("plan/layout.py", "no such text", ""), Place("no/such/file.py", "x", "")))
    with pytest.raises(StaleMutantError, match="re-target"):
        apply(gone, copy(gone, tmp_path))


def test_there_are_thirty_and_each_is_another() -> None:
    assert len(MUTANTS) >= 30
    assert len({one.defect for one in MUTANTS}) == len(MUTANTS)

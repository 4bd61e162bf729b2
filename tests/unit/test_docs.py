"""What the documents name is there, and what is there is named in them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from esxforge.cli.main import app

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")


def section(page: Path, title: str) -> str:
    """The text of ``page`` from the heading ``title`` to the next of its rank."""
    return page.read_text(encoding="utf-8").split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """Everything set as code in the first column of the tables of ``text``."""
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return [code for row in rows for code in _CODE.findall(row.split("|")[1])]


def verbs(command: Any, name: str = "") -> Iterator[str]:
    """Each verb that does something, as one types it."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name
        return
    for word, inner in below.items():
        yield from verbs(inner, f"{name} {word}".strip())


def anchors(page: Path) -> set[str]:
    """The names by which links reach the headings of ``page``."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def names(requirements: list[str]) -> list[str]:
    found = [_REQUIREMENT.match(requirement) for requirement in requirements]
    return [match.group() for match in found if match]


def test_the_table_of_verbs_has_every_verb_and_no_other() -> None:
    told = first_cells(section(ROOT / "README.md", "Verbs"))
    assert sorted(told) == sorted(verbs(typer.main.get_command(app)))


def test_every_dependency_has_its_reason_and_no_other_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = ROOT / "docs" / "dependencies.md"
    assert sorted(first_cells(section(page, "At run time"))) == sorted(names(project["dependencies"]))
    extras = {name for extra in project["optional-dependencies"].values() for name in names(extra)}
    assert sorted(first_cells(section(page, "To build and to work on it"))) == sorted(extras)


def test_every_debian_package_of_the_tests_has_its_reason_and_no_other_has() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    listed = re.search(r"^DEBIAN_TEST_PACKAGES := (.+)$", makefile, re.MULTILINE)
    assert listed is not None
    page = ROOT / "docs" / "dependencies.md"
    assert sorted(first_cells(section(page, "Debian packages that tests use"))) == sorted(listed.group(1).split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_an_event_by_what_maas_does_not_show(page: Path) -> None:
    """MAAS's API shows the description of an event, not its name."""
    assert not re.search(r"`esxforge/[a-z…-]+`", page.read_text(encoding="utf-8"))

"""What the documents name is there, and what is there is named in them."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from esxforge.cli.main import app
from esxforge.standin_iso.iso import make_standin_iso
from unit.deployment.site import site

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


def commands_of(title: str) -> str:
    """The commands under a heading of the README, at any rank, as they stand."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.split(rf"^##+ {re.escape(title)}$", text, maxsplit=1, flags=re.MULTILINE)[1].split("\n#", 1)[0]
    return "".join(line[4:] + "\n" for line in block.splitlines() if line.startswith("    "))


def as_typed(commands: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run them in bash, as a person does in an empty directory, who types a password at the first question."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(directory), "LANG": "C.UTF-8", **variables}
    return subprocess.run(
        ["bash", "-euc", commands],
        cwd=directory,
        env=environment,
        input="An-Example-1\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_readme_fits_its_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_the_readmes_commands_without_an_iso_work_as_they_stand(tmp_path: Path) -> None:
    done = as_typed(commands_of("Try it without an ISO, MAAS or KVM"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "installer image" in done.stdout


def test_the_readmes_commands_up_to_the_deployment_work_as_they_stand(tmp_path: Path) -> None:
    commands = commands_of("Build, upload, deploy")
    iso = re.search(r"\S+\.iso", commands)
    assert iso is not None
    make_standin_iso(tmp_path / iso.group(), release="8.0")
    before, _, deploy = commands.rpartition("esxforge deploy ")
    assert deploy.startswith("esx01.maas")
    with site() as maas:
        machine = maas.machine(hostname="esx01").own
        before = before.replace("esx01.maas", machine["fqdn"])
        done = as_typed(before, tmp_path, MAAS_URL=maas.url, MAAS_API_KEY=maas.key)
    assert "esxi/8.0.3" in done.stdout
    assert f"{machine['fqdn']} ({machine['system_id']}): Ready" in done.stdout
    assert stat.S_IMODE((tmp_path / "root-password.txt").stat().st_mode) == 0o600
    assert (tmp_path / "root-password.txt").read_text(encoding="ascii") == "An-Example-1\n"
    assert done.returncode == 0, done.stderr

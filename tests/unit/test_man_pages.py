"""Man pages hold what ``--help`` says, for every verb, and a formatter of man pages has nothing to say about them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from esxforge.cli.main import app
from unit.test_docs import verbs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, ROOT / "tools" / "man_pages.py", directory], check=True)
    return directory


def formatted(page: Path) -> str:
    """As a reader sees it, in lines of any length; nothing may be warned of."""
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=2000n", "-rHY=0", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return " ".join(done.stdout.split())


def test_every_verb_has_a_page_and_no_other_has(pages: Path) -> None:
    command = typer.main.get_command(app)
    groups = [name for name, inner in command.commands.items() if hasattr(inner, "commands")]  # type: ignore[attr-defined]
    words = ["", *groups, *verbs(command)]
    expected = {"-".join(["esxforge", *name.split()]) + ".1" for name in words}
    assert {path.name for path in pages.iterdir()} == expected


@pytest.mark.parametrize("verb", sorted(verbs(typer.main.get_command(app))))
def test_a_page_holds_what_help_says(verb: str, pages: Path) -> None:
    page = formatted(pages / f"esxforge-{verb.replace(' ', '-')}.1")
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="esxforge", **command.context_settings)
    for word in verb.split():
        command = command.commands[word]
        context = command.context_class(command, info_name=word, parent=context, **command.context_settings)
    for _, rows in command.help_sections(context):
        for text in (cell for row in rows for cell in row):
            # The formatter chooses its own quotes and dashes.
            assert _plain(text) in _plain(page), text


def test_the_first_page_leads_to_all_others(pages: Path) -> None:
    page = formatted(pages / "esxforge.1")
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"esxforge-{name}(1)" in page


def test_pages_are_plain_ascii_and_the_same_each_time(pages: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "man_pages.py", tmp_path], check=True)
    for path in pages.iterdir():
        assert path.read_text(encoding="ascii") == (tmp_path / path.name).read_text(encoding="ascii")


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.,:]+", "", text)

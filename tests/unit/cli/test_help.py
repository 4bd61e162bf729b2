"""What ``--help`` and completion show, and what they cost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from esxforge import __version__
from esxforge.cli.main import app


def _esxforge(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "esxforge", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80", **environment},
    )


def test_each_verb_has_its_whole_sentence_in_80_columns_of_plain_text() -> None:
    shown = _esxforge("--help", FORCE_COLOR="1", TERM="xterm-256color").stdout
    assert "\x1b" not in shown
    assert "..." not in shown.replace("[ARGS]...", "")
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "Show release, firmware, boot files, VIBs, partitions, sizes, and what esxforge added." in " ".join(
        shown.split()
    )
    assert shown.index("  build ") < shown.index("Development:") < shown.index("  standin-iso ")


def test_options_for_maas_stand_in_a_section_of_their_own() -> None:
    shown = _esxforge("build", "--help").stdout
    plain, maas = shown.split("\nMAAS:\n")
    assert "--accept-eula  " in plain
    assert "--api-key-file PATH" in maas
    assert "--verbose" not in maas


_ODD = re.compile(r"\b(told|anew|mend|Else|somebody|nobody|heeded|folder|switch(ed)? (on|off)|stands?|is no)\b")


def _texts(command: Any, name: str = "") -> Iterator[tuple[str, str]]:
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for word, inner in getattr(command, "commands", {}).items():
        yield from _texts(inner, f"{name} {word}".strip())


def test_help_is_plain_english_in_full_sentences() -> None:
    for place, text in _texts(typer.main.get_command(app)):
        assert not _ODD.search(text.replace("stand-in", "")), f"{place}: {text}"
        sentences = re.sub(r" ?\[default: [^]]*\]", "", text).strip()
        assert sentences == "" or sentences[-1] == ".", f"{place}: {text}"


@pytest.mark.parametrize("arguments", [(), ("images",), ("recipe",), ("kickstart",)])
def test_without_a_verb_the_verbs_are_shown(arguments: tuple[str, ...]) -> None:
    assert "Commands:" in _esxforge(*arguments).stderr + _esxforge(*arguments).stdout


@pytest.mark.parametrize("arguments", [("version",), ("-V",), ("--version",)])
def test_the_version_is_shown_as_people_ask_for_it(arguments: tuple[str, ...]) -> None:
    done = _esxforge(*arguments)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == f"esxforge {__version__}"


def test_the_version_names_what_it_runs_on_for_a_report() -> None:
    document = json.loads(_esxforge("version", "--json").stdout)
    assert document["python"] == sys.version.split()[0]
    assert set(document) == {"version", "python", "platform"}


@pytest.mark.parametrize("verb", [(), ("build",), ("images",), ("images", "delete")])
def test_help_of_a_verb_is_what_its_option_shows(verb: tuple[str, ...]) -> None:
    assert _esxforge("help", *verb).stdout == _esxforge(*verb, "--help").stdout


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        (("imags",), "No such command 'imags'. Did you mean 'images'?"),
        (("images", "lis"), "No such command 'images lis'. Did you mean 'list'?"),
        (("build", "x"), "No such command 'build x'."),
    ],
)
def test_help_of_a_verb_that_is_not_there_is_a_usage_error(verb: tuple[str, ...], text: str) -> None:
    done = _esxforge("help", *verb)
    assert done.returncode == 2
    assert text in done.stderr


def test_a_mistyped_verb_is_guessed() -> None:
    done = _esxforge("biuld")
    assert done.returncode == 2
    assert "Did you mean 'build'?" in done.stderr


def test_help_loads_nothing_that_is_slow_to_import() -> None:
    script = (
        "import sys; sys.argv = ['esxforge', '--help']\n"
        "from esxforge.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "slow = {'rich', 'pydantic', 'httpx2', 'cryptography', 'pycdlib', 'passlib', 'yaml', 'cyclonedx', 'asyncio'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("esxforge bu", 1, "build"),
        ("esxforge images ", 2, "delete"),
        ("esxforge build --root-password-r", 2, "--root-password-random"),
    ],
)
def test_bash_completes_verbs_and_options(words: str, position: int, expected: str) -> None:
    asked = {"_ESXFORGE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    # The installed command, since completion goes by its name.
    done = subprocess.run(
        [Path(sys.executable).with_name("esxforge")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **asked},
    )
    assert expected in done.stdout.splitlines()


def test_the_script_for_completion_is_shown() -> None:
    done = _esxforge("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "complete -o default -F" in done.stdout

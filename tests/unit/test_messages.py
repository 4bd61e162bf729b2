"""docs/messages.md has every sentence by which esxforge says that something failed, as the source has it now.

ESXFORGE_RENEW_GOLDEN=1 writes the page anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from messages.collect import Message, collect
from messages.page import area_of, page
from messages.source import ROOT, Source

PAGE = ROOT / "docs" / "messages.md"
RENEW = "renew it: ESXFORGE_RENEW_GOLDEN=1 .venv/bin/pytest tests/unit/test_messages.py"


_ODD = re.compile(
    r"\b(told|anew|mend|heeded|becomes of|in vain|stands?(?!-in)|(?<!there )is no [a-z]+)\b", re.IGNORECASE
)


def said_by(tmp_path: Path, **files: str) -> list[tuple[str, str]]:
    """Sentences and hints of a project that has these files."""
    root = tmp_path / "src"
    for name, text in files.items():
        path = root / "project" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return sorted((message.sentence, message.hint) for message in collect(Source(root)))


ERRORS = """
class ForgeError(Exception):
    def __init__(self, message, hint=""):
        pass
class ValidationErrors(ForgeError):
    def __init__(self, reasons, hint="Change it in MAAS."):
        pass
"""
IMPORT = "from project.errors import ForgeError, ValidationErrors\n"


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return collect(Source())


def test_the_page_is_what_the_source_says(messages: list[Message]) -> None:
    text = page(messages)
    if os.environ.get("ESXFORGE_RENEW_GOLDEN") == "1":
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, RENEW


def test_messages_are_in_plain_english(messages: list[Message]) -> None:
    odd = [message.sentence for message in messages if _ODD.search(message.sentence + " " + message.hint)]
    assert odd == []


def test_each_message_says_what_to_do(messages: list[Message]) -> None:
    """A hint stands with the error, not on the page: whoever sees the message sees it too."""
    silent = {
        (message.path, message.sentence)
        for message in messages
        if not message.hint and not message.one_of_many and not area_of(message).general
    }
    assert not silent, "give these a hint, in the source"


def test_values_become_ellipses_in_both_ways_of_formatting(tmp_path: Path) -> None:
    code = IMPORT + "raise ForgeError(f'There is no file {name}.', 'Name one.')\n"
    code += "raise ForgeError('Byte {} of {} is wrong.'.format(at, path))\n"
    assert said_by(tmp_path, errors=ERRORS, code=code) == [
        ("Byte … of … is wrong.", ""),
        ("There is no file ….", "Name one."),
    ]


def test_constants_are_written_out_also_those_of_other_modules(tmp_path: Path) -> None:
    code = IMPORT + "from project import limits\n_HINT = 'Build it ' + limits.HOW\n"
    code += "raise ForgeError(f'More than {limits.MOST >> 20} MiB are there.', _HINT)\n"
    limits = "HOW = 'again.'\nMOST = 64 * 1048576\n"
    assert said_by(tmp_path, errors=ERRORS, code=code, limits=limits) == [
        ("More than 64 MiB are there.", "Build it again."),
    ]


def test_relative_imports_are_followed(tmp_path: Path) -> None:
    code = "from .errors import ForgeError\nfrom . import limits\nraise ForgeError(limits.WHY)\n"
    assert said_by(tmp_path, errors=ERRORS, code=code, limits="WHY = 'It is too late.'\n") == [("It is too late.", "")]


def test_each_way_of_a_sentence_is_told(tmp_path: Path) -> None:
    code = IMPORT + "def stop(left):\n    why = 'nobody answers' if left else 'the time is over'\n"
    code += "    raise ForgeError('It stopped: {}.'.format(why))\n"
    assert [sentence for sentence, _ in said_by(tmp_path, errors=ERRORS, code=code)] == [
        "It stopped: nobody answers.",
        "It stopped: the time is over.",
    ]


def test_a_function_that_makes_errors_is_told_for_each_of_its_calls(tmp_path: Path) -> None:
    code = IMPORT + "def wrong(what, hint=''):\n    return ForgeError(f'This is no table: {what}.', hint)\n"
    code += "def read(x):\n    if x:\n        raise wrong(f'it has {x} bytes', 'Copy it again.')\n"
    code += "    raise wrong('it is empty')\n"
    assert said_by(tmp_path, errors=ERRORS, code=code) == [
        ("This is no table: it has … bytes.", "Copy it again."),
        ("This is no table: it is empty.", ""),
    ]


def test_what_differs_only_in_its_values_is_told_once_unless_the_remedy_differs(tmp_path: Path) -> None:
    code = IMPORT + "def wrong(what, hint):\n    return ForgeError(f'{what} is missing.', hint)\n"
    code += "def read(name):\n    raise wrong(name, 'Make it.')\n    raise wrong('The directory', 'Make it.')\n"
    code += "    raise wrong('The disk', 'Buy one.')\n"
    assert said_by(tmp_path, errors=ERRORS, code=code) == [
        ("The disk is missing.", "Buy one."),
        ("… is missing.", "Make it."),
    ]


def test_lists_of_problems_and_refusals_are_told_one_by_one(tmp_path: Path) -> None:
    code = IMPORT + "problems.append(f'{name} is not there.')\nreasons.refuse('network', 'ESXi has no bridges.')\n"
    code += "raise ValidationErrors(['There is no disk.', 'There is no NIC.'])\n"
    assert said_by(tmp_path, errors=ERRORS, code=code) == [
        ("ESXi has no bridges.", ""),
        ("There is no NIC.", "Change it in MAAS."),
        ("There is no disk.", "Change it in MAAS."),
        ("… is not there.", ""),
    ]


def test_rows_of_a_table_are_told_one_by_one(tmp_path: Path) -> None:
    code = IMPORT + "TABLE = (('a', 'it is too old', 'Buy one.'), ('b', 'it is too new', 'Wait a year.'))\n"
    code += "def f(word):\n    for key, meaning, hint in TABLE:\n"
    code += "        raise ForgeError(f'{word} failed: {meaning}.', hint)\n"
    assert said_by(tmp_path, errors=ERRORS, code=code) == [
        ("… failed: it is too new.", "Wait a year."),
        ("… failed: it is too old.", "Buy one."),
    ]

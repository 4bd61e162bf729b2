"""What reaches a terminal or a log drives neither, and means what it did."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge_target.runtime.visible import one_line, visible, visible_json

_KEPT = "\n\t\u200c\u200d"


def is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _KEPT


def test_of_all_characters_exactly_the_hidden_ones_are_escaped() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        if is_hidden(character):
            assert visible(character) != character
        elif unicodedata.category(character) != "Cn":  # this Python's Unicode may be older than the filter's
            assert visible(character) == character


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07\x1b[31mred", "\\x1b]0;title\\x07\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("over\rwritten", "over\\rwritten"),
        ("esxi\u202egpj.exe", "esxi\\u202egpj.exe"),
        ("two\r\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        (
            "M\u00fcnchen \u65e5\u672c \U0001f469\u200d\U0001f4bb",
            "M\u00fcnchen \u65e5\u672c \U0001f469\u200d\U0001f4bb",
        ),
    ],
)
def test_escapes_show_what_was_there(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_one_line_stays_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert not any(is_hidden(character) for character in one_line(text))


@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_a_json_document_means_what_it_did(document: dict[str, object]) -> None:
    text = visible_json(json.dumps(document, indent=1, ensure_ascii=False))
    assert json.loads(text) == document
    assert not any(is_hidden(character) for character in text)

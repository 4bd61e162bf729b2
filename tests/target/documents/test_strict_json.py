"""JSON from outside: what programs read differently is an error in words, and nothing of it is repeated."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import DEEPEST, load_json

NOT_ALLOWED = {
    '{"a": 1, "a": 2}': "The paper has an object that holds the same name twice.",
    '{"a": {"b": 1, "b": 1}}': "The paper has an object that holds the same name twice.",
    "NaN": "The paper holds NaN, which is not a number.",
    '{"a": Infinity}': "The paper holds Infinity, which is not a number.",
    "[-Infinity]": "The paper holds -Infinity, which is not a number.",
    "1e999": "The paper holds a number that is too large.",
    "-1e999": "The paper holds a number that is too large.",
    "1" + "0" * 400: "The paper holds a number of 401 digits, too large for 64 bits.",
    "9" * 100_000: "The paper holds a number of 100000 digits, too large for 64 bits.",
    str(2**63): "The paper holds a number of 19 digits, too large for 64 bits.",
    str(-(2**63) - 1): "The paper holds a number of 19 digits, too large for 64 bits.",
    '"\\ud800"': "The paper holds half a character (a lone surrogate).",
    '{"\\udfff": 1}': "The paper holds half a character (a lone surrogate).",
    "[" * 100_000: f"The paper is nested more than {DEEPEST} levels deep.",
    '{"a":' * 100_000: f"The paper is nested more than {DEEPEST} levels deep.",
    "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1): f"The paper is nested more than {DEEPEST} levels deep.",
    "": "The paper is not JSON: Expecting value: line 1 column 1 (char 0).",
    '{"secret" 1}': "The paper is not JSON: Expecting ':' delimiter: line 1 column 11 (char 10).",
    '"a" "b"': "The paper is not JSON: Extra data: line 1 column 5 (char 4).",
}


@pytest.mark.parametrize("text", NOT_ALLOWED, ids=lambda text: text[:24])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_what_is_not_allowed_is_named(text: str, as_bytes: bool) -> None:
    with pytest.raises(FormatError) as caught:
        load_json(text.encode() if as_bytes else text, "The paper", "Take another.")
    assert caught.value.message == NOT_ALLOWED[text]
    assert caught.value.hint == "Take another."


def test_bytes_that_are_no_text_are_named() -> None:
    with pytest.raises(FormatError, match=r"The paper is not text: byte 2 is not UTF-8\."):
        load_json(b'"a\xff"', "The paper")


def test_a_document_has_a_largest_size() -> None:
    assert load_json("[1]", "The paper", most_bytes=3) == [1]
    with pytest.raises(FormatError, match=r"The paper is longer than 3 bytes\."):
        load_json("[12]", "The paper", most_bytes=3)


def test_the_largest_numbers_and_the_deepest_nesting_are_read() -> None:
    assert load_json(f"[{2**63 - 1}, {-(2**63)}]", "The paper") == [2**63 - 1, -(2**63)]
    assert load_json("[" * DEEPEST + "]" * DEEPEST, "The paper")
    assert load_json('"\\ud83d\\ude00"', "The paper") == "\U0001f600"


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=30,
)


@given(_values, st.booleans())
def test_everything_else_is_read_as_python_reads_it(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert load_json(text, "The paper") == json.loads(text)


@given(st.text() | st.text(alphabet='[]{}",:0123456789.eE+-truefalsn\\ud8'))
def test_nothing_but_an_error_in_words_comes_of_any_text(text: str) -> None:
    with suppress(FormatError):
        load_json(text, "The paper")


def test_bytes_of_another_encoding_are_let_through_where_they_are_expected() -> None:
    text = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert load_json(json.dumps(text), "The paper", raw_bytes=True) == text
    with pytest.raises(FormatError, match="half a character"):
        load_json(json.dumps("\ud800"), "The paper", raw_bytes=True)

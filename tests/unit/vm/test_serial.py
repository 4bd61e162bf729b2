"""The serial log as text that is fit to be shown."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.vm.serial import last_lines, plain_text, read


def test_escape_sequences_and_carriage_returns_go() -> None:
    raw = b"\x1b[2J\x1b[01;01H\x1b[=3h\x1b]0;title\x07Loading\r\nESXi\x1b(B \x00now\r"
    assert plain_text(raw) == "Loading\nESXi now\n"


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_become_text_without_control_characters(raw: bytes) -> None:
    text = plain_text(raw)
    assert all(letter in "\n\t" or (letter >= " " and letter != "\x7f") for letter in text)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
@settings(deadline=None)
def test_plain_text_stays(text: str) -> None:
    assert plain_text(text.encode()) == text


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    log.write_bytes(b"x" * 5000 + b"end")
    assert read(log, 10) == "xxxxxxxend"


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == ""


def test_the_last_lines_leave_out_blank_ones() -> None:
    assert last_lines("a\n\nb  \n \nc\n", 2) == "b\nc"

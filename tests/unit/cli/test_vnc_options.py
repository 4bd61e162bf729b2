"""A VNC display that other computers reach needs a password, or the flag that says what having none means."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from esxforge.cli.machine_options import vnc_display
from esxforge.errors import RecipeError


@pytest.mark.parametrize("text", ["3", "127.0.0.1:3", "127.9.9.9:3", "[::1]:3", "localhost:3"])
def test_displays_of_this_computer_need_nothing(text: str) -> None:
    display = vnc_display(text, None, without_password=False)
    assert display is not None
    assert display.where.endswith(":5903")
    assert "password" not in display.argument


@pytest.mark.parametrize("text", ["0.0.0.0:3", "[::]:3", "192.0.2.7:3", "[2001:db8::7]:3", "localhost.evil.example:3"])
def test_any_other_display_needs_a_password_or_the_flag(text: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"anyone who reaches .*:5903") as caught:
        vnc_display(text, None, without_password=False)
    assert "--vnc-without-password" in caught.value.hint
    display = vnc_display(text, None, without_password=True)
    assert display is not None
    assert "password" not in display.argument
    (tmp_path / "password").write_text("s3cret\nsecond line\n")
    display = vnc_display(text, tmp_path / "password", without_password=False)
    assert display is not None
    assert (display.password, display.argument.endswith(",password=on")) == ("s3cret", True)
    assert "s3cret" not in repr(display) + display.argument


@pytest.mark.parametrize("text", ["", "\n", "123456789", "pässwort", "a\tb"])
def test_passwords_that_the_protocol_cannot_have_are_refused_and_not_shown(text: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(text, "utf-8")
    with pytest.raises(RecipeError, match="1 to 8 printable ASCII characters") as caught:
        vnc_display("3", tmp_path / "password", without_password=False)
    assert not text.strip() or text.strip() not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("text", "file", "flag"), [(None, Path("x"), False), (None, None, True), ("3", Path("x"), True)]
)
def test_options_that_contradict_each_other_are_a_usage_error(text: str | None, file: Path | None, flag: bool) -> None:
    with pytest.raises(typer.BadParameter):
        vnc_display(text, file, without_password=flag)

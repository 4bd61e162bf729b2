"""A declaration is all that a setting of any kind needs: choices, numbers, lists, lists of tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import TypeAdapter, ValidationError
from typer.testing import CliRunner

from esxforge.cli import recipe_options
from esxforge.cli.help import App
from esxforge.cli.recipe_options import RecipeFlags
from esxforge.recipe.setting import Setting, document, flags_of, tables_of


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


def _pair(text: str) -> dict[str, str]:
    name, separator, path = text.partition("=")
    if not separator:
        raise ValueError("give NAME=PATH")
    return {"name": name, "path": path}


@dataclass(frozen=True)
class Door:
    """How it opens."""

    mode: Annotated[Literal["refuse", "try"], Setting("Mode.", flag="--mode")] = "refuse"
    width: Annotated[int | None, Setting("Width.", flag="--width", minimum=2, maximum=8, check=_even)] = None
    words: Annotated[tuple[str, ...], Setting("Words.", flag="--word", longest=2)] = ()
    open: Annotated[bool, Setting("Open it.", flag="--open", verbs=("other",))] = False


@dataclass(frozen=True)
class Key:
    """A key of the door."""

    name: Annotated[str, Setting("Its name.", example='"a"')]
    path: Annotated[Path, Setting("Its file.", example='"b"')]


@dataclass(frozen=True)
class House:
    """All of it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    door: Door = Door()
    keys: Annotated[tuple[Key, ...], Setting("Keys.", flag="--key", from_flag=_pair)] = ()


def _problems(value: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(House).validate_python(value)
    return [".".join(map(str, detail["loc"])) for detail in caught.value.errors()]


def test_tables_and_keys_are_found_in_the_order_of_their_declaration() -> None:
    door, keys = tables_of(House)
    assert (door.name, door.about, door.repeated, door.optional) == ("door", "How it opens.", False, False)
    assert [key.place for key in door.keys] == ["door.mode", "door.width", "door.words", "door.open"]
    assert (keys.repeated, keys.optional, keys.key is not None) == (True, True, True)
    assert [key.setting.flag for key in flags_of(House, "build")] == ["--mode", "--width", "--word", "--key"]
    assert [key.setting.flag for key in flags_of(House, "other")] == ["--open"]


@pytest.mark.parametrize("value", [1, 3, 10, "4", True])
def test_limits_and_checks_hold_for_optional_values_and_numbers_are_numbers(value: object) -> None:
    assert _problems({"door": {"width": value}}) == ["door.width"]


def test_lists_and_lists_of_tables_are_validated() -> None:
    assert _problems({"door": {"words": ["a", "b", "c"]}, "keys": [{"name": "x"}], "cellar": 1}) == [
        "door.words",
        "keys.0.path",
        "cellar",
    ]
    house = TypeAdapter(House).validate_python({"keys": [{"name": "x", "path": "y"}]})
    assert document(house)["keys"] == [{"name": "x", "path": "y"}]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a verb with the flags of ``House`` is given for a command line."""
    monkeypatch.setattr(recipe_options, "Recipe", House)
    seen: list[RecipeFlags] = []

    class Flags(RecipeFlags):
        verb = "build"

    def verb(*, flags: Flags) -> None:
        """Do it."""
        seen.append(flags)

    verb.__annotations__ = {"flags": Flags, "return": None}
    app = App()
    app.command()(verb)

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(app, list(arguments))
        return seen.pop().given if done.exit_code == 0 else done.output

    return run


def test_flags_have_the_shape_of_the_file(given: Any) -> None:
    assert given() == {}
    assert given("--mode", "try", "--width", "4", "--word", "a", "--word", "b", "--key", "n=p") == {
        "door": {"mode": "try", "width": 4, "words": ["a", "b"]},
        "keys": [{"name": "n", "path": "p"}],
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--mode", "maybe"), "'maybe' is not one of 'refuse', 'try'"),
        (("--width", "9"), "Invalid value for '--width'"),
        (("--key", "n"), "give NAME=PATH"),
        (("--open",), "No such option"),
    ],
)
def test_a_flag_with_a_wrong_value_is_a_usage_error(given: Any, arguments: tuple[str, ...], text: str) -> None:
    assert text in " ".join(given(*arguments).split())

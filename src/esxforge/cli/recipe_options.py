"""The flags that set keys of the recipe, made from the declarations in ``recipe/model.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import typer

from esxforge.cli.option_groups import OptionGroup
from esxforge.recipe.model import Recipe
from esxforge.recipe.setting import Key, flags_of


@dataclass(frozen=True)
class RecipeFlags(OptionGroup):
    """The recipe's file and the flags that were given. ``given`` has the shape of ``esxforge.toml``."""

    verb: ClassVar[str]
    config: Path | None
    given: Mapping[str, Any]

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """``--config``, and a flag for each declared setting that the verb has."""
        return [_config(), *(_parameter(key) for key in flags_of(Recipe, cls.verb))]

    @classmethod
    def from_options(cls, values: Mapping[str, Any]) -> RecipeFlags:
        """The flags that were given, each at its place in the recipe."""
        given: dict[str, Any] = {}
        for key in flags_of(Recipe, cls.verb):
            value = _value(key, values[_name(key)])
            if value is not None:
                (given.setdefault(key.table, {}) if key.table else given)[key.name] = value
        return cls(values["config"], given)

    def with_value(self, table: str, name: str, value: Any) -> dict[str, Any]:
        """``given``, with one more key."""
        return {**self.given, table: {**self.given.get(table, {}), name: value}}


class BuildFlags(RecipeFlags):
    """Those of ``build``."""

    verb = "build"


class CaptureFlags(RecipeFlags):
    """Those of ``capture``."""

    verb = "capture"


def _config() -> Parameter:
    option = typer.Option("--config", help="Recipe file (esxforge.toml).", show_default=False, readable=False)
    return Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, option])


def _parameter(key: Key) -> Parameter:
    setting = key.setting
    option = typer.Option(
        setting.flag,
        help=_help(key),
        show_default=False,
        readable=False,
        metavar=setting.metavar or ("N" if key.type is int else None),
        min=setting.minimum,
        max=setting.maximum,
        rich_help_panel=setting.section or None,
    )
    default = False if key.type is bool else None
    return Parameter(_name(key), Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[_type(key), option])


def _help(key: Key) -> str:
    default = key.setting.left_out or ("" if key.type is bool or key.is_list else key.default)
    return key.setting.help + (f" [default: {default}]" if default not in (None, "") else "")


def _name(key: Key) -> str:
    return key.setting.flag.lstrip("-").replace("-", "_")


def _type(key: Key) -> Any:
    """The type that typer converts to: choices are texts, and everything may be left out."""
    literal: Any = Literal
    if key.choices:
        return literal[tuple(map(str, key.choices))] | None
    if key.is_list:
        return list[str] | None
    if key.type is bool:
        return bool
    return (str if key.setting.from_flag else key.type) | None


def _value(key: Key, value: Any) -> Any:
    """The value as the file would have it; None for a flag that was not given. ValueError becomes a usage error."""
    if key.choices:
        return next((choice for choice in key.choices if str(choice) == value), None)
    if key.is_list:
        convert: Callable[[str], Any] = key.setting.from_flag or str
        return [_converted(key, convert, text) for text in value] if value else None
    if value is None or value is False:
        return None
    return _converted(key, key.setting.from_flag, value) if key.setting.from_flag else value


def _converted(key: Key, convert: Callable[[str], Any], text: str) -> Any:
    try:
        return convert(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=key.setting.flag) from error

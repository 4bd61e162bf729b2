"""From ``esxforge.toml`` and flags to one :class:`Recipe`, or to every error at once with its place."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from esxforge.errors import InputError, RecipeError
from esxforge.local.reading import check_readable, read_file
from esxforge.recipe.model import Recipe
from esxforge.recipe.setting import model_of, tables_of, types_of
from esxforge_target.runtime.documents import shown

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same library, before it joined the standard one
    import tomli as tomllib

_LARGEST_RECIPE_BYTES = 1 << 20
_HINT = "See “esxforge recipe example” for every key, or “esxforge recipe schema” for your editor."


@dataclass(frozen=True)
class ResolvedRecipe:
    """A recipe, and for each of its keys (``image.kind``) where the value came from."""

    recipe: Recipe
    origins: Mapping[str, Literal["flag", "file", "default"]]


def load_recipe(path: Path | None, flags: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of :func:`resolve_recipe` alone."""
    return resolve_recipe(path, flags).recipe


def resolve_recipe(path: Path | None, flags: Mapping[str, Any] | None = None) -> ResolvedRecipe:
    """Read the recipe at ``path`` (or none) and lay ``flags`` over it.

    ``flags`` has the shape of the TOML document and holds the flags that were given. Relative paths in the file are
    relative to the file's directory, those of flags to the working directory. Raises :class:`RecipeError`.
    """
    document = _read(path) if path is not None else {}
    flags = flags or {}
    try:
        recipe = _validator().validate_python(_lay_over(document, flags))
    except ValidationError as error:
        place = str(path) if path is not None else "command line"
        raise RecipeError([f"{place}: {_sentence(detail)}" for detail in error.errors()], _HINT, place) from error
    problems = _missing_files(recipe)
    if problems:
        raise RecipeError(problems, "Correct the paths; those in a recipe are relative to the recipe's directory.")
    return ResolvedRecipe(recipe, _origins(document, flags))


@cache
def _validator() -> TypeAdapter[Recipe]:
    return TypeAdapter(Recipe)


def _origins(document: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Literal["flag", "file", "default"]]:
    found: dict[str, Literal["flag", "file", "default"]] = {}
    for table in tables_of(Recipe):
        keys = (table.name,) if table.repeated else tuple(f"{table.name}.{key.name}" for key in table.keys)
        for place in keys:
            found[place] = "flag" if _has(flags, place) else "file" if _has(document, place) else "default"
    return found


def _has(document: Mapping[str, Any], place: str) -> bool:
    value: Any = document
    for part in place.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(read_file(path, largest=_LARGEST_RECIPE_BYTES, pipes=True).decode("utf-8-sig"))
    except InputError as error:
        raise RecipeError([error.message], error.hint, error.place) from error
    except UnicodeDecodeError as error:
        raise RecipeError([f"{path}: byte {error.start} is not UTF-8 text."], _HINT) from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError([f"{path}: not TOML: {error}."], _HINT) from error
    except RecursionError as error:
        raise RecipeError([f"{path}: nested too deeply."], _HINT) from error
    except ValueError as error:  # Python's limit on the digits of a number
        raise RecipeError([f"{path}: holds a number that is too long."], _HINT) from error
    return _relative_to(document, Recipe, path.absolute().parent)


def _relative_to(document: dict[str, Any], model: type, directory: Path) -> dict[str, Any]:
    """The same document with the text of every path made absolute; what does not fit is left for validation."""
    changed = dict(document)
    for name, kind in types_of(model).items():
        value, inner = changed.get(name), model_of(kind)
        if inner is not None and isinstance(value, dict):
            changed[name] = _relative_to(value, inner, directory)
        elif inner is not None and isinstance(value, list):
            changed[name] = [_relative_to(item, inner, directory) if isinstance(item, dict) else item for item in value]
        elif kind is Path and isinstance(value, str):
            changed[name] = str(directory / _expanded(value))
    return changed


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except (RuntimeError, ValueError):  # ~nobody, or a zero byte: the file is then missing, which is told later
        return Path(text)


def _lay_over(document: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(document)
    for name, value in flags.items():
        below = merged.get(name, {})
        if not isinstance(value, Mapping):
            merged[name] = value
        elif isinstance(below, Mapping):  # else validation names it
            merged[name] = _lay_over(below, value)
    return merged


def _sentence(detail: Mapping[str, Any]) -> str:
    """One of pydantic's errors as a sentence; a value is never shown, it may be a secret."""
    location = detail["loc"]
    place = ".".join(_part(part) for part in location) or "recipe"
    if detail["type"] == "unexpected_keyword_argument":
        close = difflib.get_close_matches(str(location[-1]), _known_keys(location[:-1]), n=1)
        return f"{place}: unknown key" + (f"; did you mean “{close[0]}”?" if close else ".")
    text = str(detail["msg"]).removeprefix("Value error, ")
    return f"{place}: {text}" + ("" if text.endswith((".", "?")) else ".")


def _part(part: int | str) -> str:
    text = str(part)
    return text if isinstance(part, int) or text.replace("-", "_").isidentifier() else shown(text)


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    model: type = Recipe
    for part in location:
        if not isinstance(part, int):
            inner = model_of(types_of(model).get(part))
            if inner is None:
                return []
            model = inner
    return list(types_of(model))


def named_files(recipe: Recipe) -> dict[str, Path]:
    """Every file that the recipe names, by its place there."""
    return dict(_named_files(recipe, ""))


def _named_files(value: Any, place: str) -> Iterator[tuple[str, Path]]:
    if isinstance(value, Path):
        yield place, value
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from _named_files(inner, f"{place}.{index}")
    elif is_dataclass(value):
        for name in types_of(value.__class__):
            yield from _named_files(getattr(value, name), f"{place}.{name}".lstrip("."))


def _missing_files(recipe: Recipe) -> list[str]:
    problems = []
    for place, path in named_files(recipe).items():
        try:
            check_readable(path, pipes=not place.startswith(("files.", "add.")))
        except InputError as error:  # noqa: PERF203 - every file that is missing is named
            problems.append(f"{place}: {error.message}")
    return problems

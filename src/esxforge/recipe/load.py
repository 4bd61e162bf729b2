"""From ``esxforge.toml`` and flags to one :class:`Recipe`, or to every error at once with its place."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from esxforge.errors import InputError, RecipeError
from esxforge.local.reading import check_readable, read_file
from esxforge.recipe.model import Recipe
from esxforge_target.runtime.documents import shown

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same library, before it joined the standard one
    import tomli as tomllib

_LARGEST_RECIPE_BYTES = 1 << 20
_HINT = "See “esxforge recipe example” for every key, or “esxforge recipe schema” for your editor."


def load_recipe(path: Path | None, flags: Mapping[str, Any] | None = None) -> Recipe:
    """Read the recipe at ``path`` (or none) and lay ``flags`` over it.

    ``flags`` has the shape of the TOML document; a None in it means that the flag was not given. Relative paths in the
    file are relative to the file's directory, those of flags to the working directory. Raises :class:`RecipeError`.
    """
    document = _read(path) if path is not None else {}
    laid_over = _lay_over(document, flags or {})
    try:
        recipe = Recipe.model_validate(laid_over)
    except ValidationError as error:
        place = str(path) if path is not None else "command line"
        raise RecipeError([f"{place}: {_sentence(detail)}" for detail in error.errors()], _HINT, place) from error
    problems = _missing_files(recipe)
    if problems:
        raise RecipeError(problems, "Mend the paths; those in a recipe are relative to the recipe's directory.")
    return recipe


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


def _relative_to(document: dict[str, Any], model: type[BaseModel], directory: Path) -> dict[str, Any]:
    """The same document with the text of every path field made absolute; what does not fit is left for validation."""
    changed = dict(document)
    for name, field in model.model_fields.items():
        value = changed.get(name)
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        inner = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if inner is not None and isinstance(value, dict):
            changed[name] = _relative_to(value, inner, directory)
        elif inner is not None and isinstance(value, list):
            changed[name] = [_relative_to(item, inner, directory) if isinstance(item, dict) else item for item in value]
        elif Path in kinds and isinstance(value, str):
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
        if isinstance(value, Mapping):
            below = merged.get(name, {})
            if not isinstance(below, Mapping):
                continue  # validation will name it
            laid = _lay_over(below, value)
            if laid or name in merged:
                merged[name] = laid
        elif value is not None:
            merged[name] = value
    return merged


def _sentence(detail: Mapping[str, Any]) -> str:
    """One of pydantic's errors as a sentence; a value is never shown, it may be a secret."""
    location = detail["loc"]
    place = ".".join(_part(part) for part in location) or "recipe"
    if detail["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _known_keys(location[:-1]), n=1)
        return f"{place}: unknown key" + (f"; did you mean “{close[0]}”?" if close else ".")
    text = str(detail["msg"]).removeprefix("Value error, ")
    return f"{place}: {text}" + ("" if text.endswith((".", "?")) else ".")


def _part(part: int | str) -> str:
    text = str(part)
    return text if isinstance(part, int) or text.replace("-", "_").isidentifier() else shown(text)


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        kinds = (*get_args(field.annotation), field.annotation) if field is not None else ()
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def named_files(recipe: Recipe) -> dict[str, Path]:
    """Every file that the recipe names, by its place there."""
    named = {
        "install.kickstart": recipe.install.kickstart,
        "root_password.file": recipe.root_password.file,
        "root_password.public_key": recipe.root_password.public_key,
        **{f"files.{index}.source": file.source for index, file in enumerate(recipe.files)},
        **{f"add.{index}.file": added.file for index, added in enumerate(recipe.add)},
    }
    if recipe.vcenter is not None:
        named["vcenter.ca_file"] = recipe.vcenter.ca_file
    return {place: path for place, path in named.items() if path is not None}


def _missing_files(recipe: Recipe) -> list[str]:
    problems = []
    for place, path in named_files(recipe).items():
        try:
            check_readable(path, pipes=not place.startswith(("files.", "add.")))
        except InputError as error:  # noqa: PERF203 - every file that is missing is named
            problems.append(f"{place}: {error.message}")
    return problems

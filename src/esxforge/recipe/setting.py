"""A setting is declared once, beside its key in ``model.py``; everything that people see of it is made from there.

A key of the recipe is a field of a dataclass: its name, its type, its default and a :class:`Setting`. From these come

- the validation of ``esxforge.toml``, by pydantic, and its JSON schema (``load.py``, ``describe.py``);
- the flag of ``build`` and ``capture`` with its help, its choices and their completion (``cli/recipe_options.py``);
- ``esxforge recipe example``, the tables of ``docs/recipe.md`` and what ``build --dry-run`` prints.

The module does not import pydantic, which takes longer than all of ``--help``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Setting:
    """A key's properties besides its name, type and default.

    ``kind: Annotated[Literal["a", "b"], Setting("…")] = "a"`` declares a key.

    ``help`` is one sentence, for ``--help``, the example and the schema; ``more`` follows it in ``docs/recipe.md``.
    ``left_out`` says there what happens without the key, where the default does not. ``example`` is a TOML value.

    ``flag`` is the option of the ``verbs`` that have one, in a ``section`` of their help. A list takes its flag
    repeatedly. ``from_flag`` makes a value as it would stand in the file of the flag's text; it raises ValueError.

    ``minimum``, ``maximum`` and ``longest`` (characters, or elements) are limits. ``check`` raises ValueError with a
    sentence, or returns the value. The value of a ``secret`` is never shown.
    """

    help: str
    flag: str = ""
    metavar: str = ""
    section: str = ""
    verbs: tuple[str, ...] = ("build",)
    from_flag: Callable[[str], Any] | None = None
    more: str = ""
    left_out: str = ""
    example: str = ""
    secret: bool = False
    minimum: int | None = None
    maximum: int | None = None
    longest: int | None = None
    check: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Add the limits and the check; pydantic calls this for the notes in ``Annotated``."""
        from pydantic_core.core_schema import no_info_after_validator_function  # noqa: PLC0415 - not for --help

        schema = handler(source)
        optional = schema["type"] == "nullable"
        inner = dict(schema["schema"] if optional else schema)
        limits = {"ge": self.minimum, "le": self.maximum, "max_length": self.longest}
        inner |= {name: limit for name, limit in limits.items() if limit is not None}
        if inner["type"] in ("bool", "int"):
            # A text or a number in their place is a mistake, above all where something is accepted.
            inner["strict"] = True
        if self.check is not None:
            inner = dict(no_info_after_validator_function(self.check, inner))
        return {**schema, "schema": inner} if optional else inner

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Add the help; pydantic calls this, too."""
        return {**handler(schema), "description": self.help}


@dataclass(frozen=True, slots=True)
class Key:
    """A declared key. ``type`` is without ``None`` and ``Annotated``; ``default`` is MISSING for a key that must be
    there. ``table`` is empty for a list of tables, which is a key of the recipe itself."""

    table: str
    name: str
    type: Any
    default: Any
    setting: Setting

    @property
    def place(self) -> str:
        """The key as errors and ``docs/recipe.md`` call it: ``image.kind``."""
        return f"{self.table}.{self.name}" if self.table else self.name

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values that there are, or none where others than these are possible."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    @property
    def is_list(self) -> bool:
        """True if it has several values."""
        return get_origin(self.type) is tuple


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the recipe. ``repeated``: ``[[name]]``. ``optional``: without it, something is not done at all.
    ``key`` is the table itself as a key, where it has a setting of its own."""

    name: str
    about: str
    repeated: bool
    optional: bool
    keys: tuple[Key, ...]
    key: Key | None


@cache
def tables_of(recipe: type) -> tuple[Table, ...]:
    """The tables of ``recipe``, a dataclass, with their keys in the order of their declaration."""
    found = []
    for name, (kind, setting, default) in _declared(recipe).items():
        repeated = get_origin(kind) is tuple
        model = get_args(kind)[0] if repeated else kind
        keys = tuple(
            Key("" if repeated else name, key, inner, value, declared)
            for key, (inner, declared, value) in _declared(model).items()
            if declared is not None
        )
        itself = Key("", name, kind, default, setting) if setting is not None else None
        about = (model.__doc__ or "").splitlines()[0]
        found.append(Table(name, about, repeated, repeated or default is None, keys, itself))
    return tuple(found)


def flags_of(recipe: type, verb: str) -> tuple[Key, ...]:
    """The keys for which ``verb`` has a flag."""
    keys = (key for table in tables_of(recipe) for key in (*table.keys, table.key) if key is not None)
    return tuple(key for key in keys if key.setting.flag and verb in key.setting.verbs)


def model_of(kind: Any) -> type | None:
    """The dataclass that a table of this type is made of, or None."""
    inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
    return inner if isinstance(inner, type) and is_dataclass(inner) else None


@cache
def types_of(model: type) -> dict[str, Any]:
    """The type of each field, without ``None`` and ``Annotated``."""
    return {name: kind for name, (kind, _, _) in _declared(model).items()}


def document(value: Any) -> Any:
    """A table, or anything in it, as JSON has it: paths as text."""
    if is_dataclass(value):
        return {field.name: document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [document(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def _declared(model: type) -> dict[str, tuple[Any, Setting | None, Any]]:
    """(type, setting, default) of each field."""
    hints = get_type_hints(model, include_extras=True)
    return {field.name: (*_taken_apart(hints[field.name]), _default(field)) for field in fields(model)}


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _taken_apart(hint: Any) -> tuple[Any, Setting | None]:
    setting = None
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        setting = next((note for note in notes if isinstance(note, Setting)), None)
    if get_origin(hint) in (Union, UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    return hint, setting

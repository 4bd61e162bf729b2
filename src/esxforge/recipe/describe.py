"""The recipe described, from its declarations: schema for editors, example with every key, tables of docs/recipe.md."""

from __future__ import annotations

import json
from dataclasses import MISSING
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esxforge.recipe.model import Recipe
from esxforge.recipe.setting import Key, Table, document, flags_of, tables_of

if TYPE_CHECKING:
    from esxforge.recipe.load import ResolvedRecipe

_KINDS = {bool: "`true`, `false`", int: "number", str: "text", Path: "path"}


def schema() -> dict[str, Any]:
    """The recipe's JSON schema (draft 2020-12)."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - slow to import, and not needed for the others

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(Recipe).json_schema()}


def example() -> str:
    """A recipe with every key: those with a default have it, the others are comments."""
    lines = ["# A recipe for esxforge build --config esxforge.toml", "# Keys that are left out have the values shown."]
    for table in tables_of(Recipe):
        lines += ["", f"# {table.about}", f"# {_header(table)}" if table.optional else _header(table)]
        lines += [_example_line(key, table) for key in table.keys]
    return "\n".join(lines) + "\n"


def _example_line(key: Key, table: Table) -> str:
    unset = table.optional or key.default is None
    value = key.setting.example or json.dumps(key.default)
    return f"{'# ' if unset else ''}{key.name} = {value}  # {key.setting.help}"


def keys_page() -> str:
    """The table of keys in docs/recipe.md."""
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for table in tables_of(Recipe):
        lines.append(f"| **`{_header(table)}`** | | | {_marked_up(table.about)} |")
        lines += [
            f"| `{key.name}` | {_values(key)} | {_default(key)} | {_marked_up(key.setting.help)}"
            f"{' ' if key.setting.more else ''}{key.setting.more} |"
            for key in table.keys
        ]
    return "\n".join(lines) + "\n"


def _values(key: Key) -> str:
    if key.choices:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in key.choices)
    return "list" if key.is_list else _KINDS[key.type]


def _default(key: Key) -> str:
    if key.setting.left_out or key.default is None:
        return key.setting.left_out or "none"
    return "required" if key.default is MISSING else f"`{json.dumps(key.default)}`"


def flags_page() -> str:
    """The table of flags in docs/recipe.md."""
    capture = {key.place for key in flags_of(Recipe, "capture")}
    lines = ["| flag | key | verbs |", "|---|---|---|"]
    for key in flags_of(Recipe, "build"):
        verbs = "`build`, `capture`" if key.place in capture else "`build`"
        lines.append(f"| `{key.setting.flag}` | `{key.place}` | {verbs} |")
    return "\n".join(lines) + "\n"


def _header(table: Table) -> str:
    return f"[[{table.name}]]" if table.repeated else f"[{table.name}]"


def _marked_up(text: str) -> str:
    return text.replace("|", "\\|").replace("$", "\\$")


def resolved_document(resolved: ResolvedRecipe) -> dict[str, dict[str, Any]]:
    """Each key (``image.kind``) with its value, and where it came from: “flag”, “file” or “default”. Of a secret, only
    its presence is shown."""
    found: dict[str, dict[str, Any]] = {}
    for table in tables_of(Recipe):
        value = getattr(resolved.recipe, table.name)
        if table.repeated:
            found[table.name] = {"value": document(value), "from": resolved.origins[table.name]}
            continue
        for key in table.keys:
            given = None if value is None else getattr(value, key.name)
            shown = {"secret": True} if key.setting.secret and given is not None else {"value": document(given)}
            found[key.place] = {**shown, "from": resolved.origins[key.place]}
    return found

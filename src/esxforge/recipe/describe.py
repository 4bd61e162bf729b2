"""The recipe's schema for editors, and an example with every key, both made from the model itself."""

from __future__ import annotations

import json
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from esxforge.recipe.model import AddedFile, ExtraFile, Recipe, VcenterRecipe

_EXAMPLE_VALUES: dict[tuple[str, str], str] = {
    ("install", "kickstart"): '"KS.CFG"',
    ("root_password", "hash"): '"$6$salt$…"',
    ("root_password", "file"): '"root-password.txt"',
    ("root_password", "public_key"): '"passwords.pem"',
    ("golden", "disk_size"): "32",
    ("golden", "memory"): "8192",
    ("golden", "timeout"): "60",
    ("files", "source"): '"driver.vib"',
    ("files", "path"): '"driver.vib"',
    ("add", "file"): '"net-driver-offline_bundle.zip"',
    ("add", "vibs"): '["net-driver"]',
    ("maas", "name"): '"esxi/8.0.3"',
    ("maas", "title"): '"VMware ESXi 8.0U3e"',
    ("vcenter", "server"): '"vc.example.com"',
    ("vcenter", "datacenter"): '"DC1"',
    ("vcenter", "ca_file"): '"ca.pem"',
    ("vcenter", "thumbprint"): '"AB:CD:…"',
}


def schema() -> dict[str, Any]:
    """The recipe's JSON schema (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}


def example() -> str:
    """A recipe with every key: those with a default carry it, the others stand as comments."""
    lines = ["# A recipe for esxforge build --config esxforge.toml", "# Keys that are left out have the values shown."]
    for table, field in Recipe.model_fields.items():
        inner = next(
            kind
            for kind in (field.annotation, *get_args(field.annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        )
        optional = inner in (AddedFile, ExtraFile, VcenterRecipe)
        header = f"[[{table}]]" if inner in (AddedFile, ExtraFile) else f"[{table}]"
        lines += ["", f"# {_about(inner)}", f"# {header}" if optional else header]
        lines += [_line(table, name, info, optional=optional) for name, info in inner.model_fields.items()]
    return "\n".join(lines) + "\n"


def _about(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").splitlines()[0]


def _line(table: str, name: str, info: FieldInfo, *, optional: bool) -> str:
    default = info.default
    unset = optional or default is None or default is PydanticUndefined
    value = _EXAMPLE_VALUES.get((table, name)) or json.dumps(default)
    return f"{'# ' if unset else ''}{name} = {value}  # {info.description}"

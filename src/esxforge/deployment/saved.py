"""Answers as a directory of files, for a second look or to post with a report.

Only the fields that esxforge reads are written, so no key or token can be among them; of curtin's configuration only
the network, the storage and where MAAS listens. A user whose name is an e-mail address is written as ``user1``,
``user2``. One file an answer, named as in ``answers.py``.
"""

from __future__ import annotations

import itertools
import json
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from esxforge.deployment.answers import (
    ACCOUNT,
    CONFIG,
    MACHINE,
    TYPES,
    Documents,
)
from esxforge.errors import FormatError
from esxforge.local.output import output_directory
from esxforge.local.reading import read_file
from esxforge_target.runtime.strict_json import load_json

_MOST_BYTES = 32 << 20
_HINT = "Name a directory that “esxforge plan --machine NAME --save DIR” wrote."
_STRANGE = "(not what MAAS sends)"


def reduced(documents: Documents) -> dict[str, Any]:
    """The same answers with only the fields that are read. What is not as expected is kept as far as it fits."""
    found = {name: _fields(TYPES[name]._type, value) for name, value in documents.items() if name in TYPES}
    config = documents.get(CONFIG)
    if isinstance(config, Mapping):
        found[CONFIG] = _without_secrets(config)
    return found


def _without_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: config[name] for name in ("network", "storage") if name in config}
    reporting = config.get("reporting")
    maas = reporting.get("maas") if isinstance(reporting, Mapping) else None
    if isinstance(maas, Mapping):
        kept["reporting"] = {"maas": {key: maas[key] for key in ("type", "endpoint") if key in maas}}
    return kept


_USERS = ((MACHINE, "owner"), (ACCOUNT, "username"))


def _without_addresses(documents: dict[str, Any]) -> dict[str, Any]:
    """E-mail addresses of users replaced, the same one by the same name: whose a machine is must stay comparable."""
    found = {place: documents[place[0]].get(place[1]) for place in _USERS if isinstance(documents.get(place[0]), dict)}
    names = {name for name in found.values() if isinstance(name, str)}
    free = (name for name in (f"user{number}" for number in itertools.count(1)) if name not in names)
    pseudonyms = {name: next(free) for name in sorted(names) if "@" in name}
    kept = dict(documents)
    for (document, field), name in found.items():
        if name in pseudonyms:
            kept[document] = {**kept[document], field: pseudonyms[name]}
    return kept


def _fields(kind: Any, value: Any) -> Any:
    """The part of a raw value that its type reads."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        desired = dict if isinstance(value, dict) else list if isinstance(value, list) else None
        fitting = [one for one in arguments if desired is None or _holds(one, desired)]
        return _fields(fitting[0], value) if fitting else _STRANGE
    if origin is list and isinstance(value, list):
        return [_fields(arguments[0], one) for one in value]
    if origin is dict and isinstance(value, dict):
        return {str(key): _fields(arguments[1], one) for key, one in value.items()}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not isinstance(value, dict):
            return value if value is None or isinstance(value, str | int | float) else _STRANGE
        fields = kind.model_fields
        return {name: _fields(fields[name].annotation, value[name]) for name in fields if name in value}
    return _STRANGE if isinstance(value, dict | list) and kind is not Any else value


def _holds(kind: Any, desired: type) -> bool:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return desired is dict
    return get_origin(kind) is desired


def save(documents: Documents, directory: Path) -> None:
    """Write the reduced answers. The directory appears complete or not at all; raises OutputError."""
    with output_directory(directory, option="--save") as complete:
        for name, document in _without_addresses(reduced(documents)).items():
            text = json.dumps(document, indent=1, sort_keys=True, default=str)
            (complete / f"{name}.json").write_text(text + "\n", "ascii")


def load(directory: Path) -> dict[str, Any]:
    """The answers in a directory, by name. Raises InputError and FormatError for what cannot be read."""
    if not directory.is_dir():
        raise FormatError(f"{directory} is not a directory.", _HINT)
    found = {}
    for name in (*TYPES, CONFIG):
        path = directory / f"{name}.json"
        if path.exists() or path.is_symlink():
            found[name] = _read(path)
    if not found:
        raise FormatError(f"{directory} holds none of MAAS's answers.", _HINT)
    return found


def _read(path: Path) -> Any:
    return load_json(read_file(path, largest=_MOST_BYTES), str(path), _HINT, most_bytes=_MOST_BYTES)

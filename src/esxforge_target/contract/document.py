"""Typed documents with the contract's version: JSON, one object, read completely or rejected with every problem."""

import json
from typing import Any, Callable, TypeVar, cast

from esxforge_target.contract.errors import ContractError
from esxforge_target.runtime.documents import Builder, Schema, plain
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import load_json
from esxforge_target.runtime.values import Value

# Raised whenever a field is added, dropped or means something else.
VERSION = 3
HINT = "Another version of esxforge wrote it, or it is damaged: build the image again, and redeploy."

V = TypeVar("V", bound=Value)


def write_document(value: Value) -> str:
    """``value`` with the contract's version: JSON in ASCII, keys in order, ending in a newline."""
    return json.dumps(dict(plain(value), version=VERSION), indent=1, sort_keys=True) + "\n"


def read_document(text: str, kind: "Callable[..., V]", schema: Schema, name: str, secret: bool = False) -> V:
    """Read ``write_document``'s text back; ``name`` is what messages call it.

    Raises ContractError for another version, and with all problems for a damaged document. Of a ``secret`` one no
    value is repeated.
    """
    document = _parse(text, name)
    version = document.pop("version", None)
    if version != VERSION or isinstance(version, bool):
        found = "no version" if version is None else "version {!r}".format(version)[:40]
        raise ContractError("{} has {}; this esxforge reads version {}.".format(name, found, VERSION), HINT)
    builder = Builder(schema, secret)
    value = builder.build(kind, document, name.partition(".")[0])
    if builder.problems:
        raise ContractError("{} is damaged: {}".format(name, " ".join(builder.problems)), HINT)
    return cast("V", value)


def _parse(text: str, name: str) -> Any:
    try:
        document = load_json(text, name, HINT)
    except FormatError as error:
        raise ContractError(error.message, error.hint) from None
    if not isinstance(document, dict):
        raise ContractError("{} is not a JSON object.".format(name), HINT)
    return document

"""The wanted host as a JSON document: the hook writes it, the agent reads it. No secret is in it."""

import json
from typing import Any, Dict, Tuple, Type

from esxforge_target.errors import FormatError
from esxforge_target.values import Value
from esxforge_target.wanted.model import (
    Address,
    Datastore,
    Disk,
    Interface,
    Maas,
    Partition,
    Route,
    WantedHost,
)

VERSION = 1
_HINT = "The host module was made by another version of esxforge, or is damaged: build the image anew."
# What the tuples and values of a class hold, where it is more than text, numbers and texts.
_INSIDE = {
    (WantedHost, "interfaces"): Interface,
    (WantedHost, "routes"): Route,
    (WantedHost, "disks"): Disk,
    (WantedHost, "partitions"): Partition,
    (WantedHost, "datastores"): Datastore,
    (WantedHost, "maas"): Maas,
    (Interface, "addresses"): Address,
}  # type: Dict[Tuple[Type[Value], str], Type[Value]]


def to_json(wanted: WantedHost) -> str:
    """The document: one JSON object with its version, keys in order, ending in a newline."""
    document = {"version": VERSION, "wanted": plain(wanted)}
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def from_json(text: str) -> WantedHost:
    """Read a document back. Raises ``FormatError`` for another version or a damaged one."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise FormatError("The wanted host is no JSON: {}.".format(error), _HINT)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise FormatError("The wanted host is not a document of version {}.".format(VERSION), _HINT)
    wanted = _build(WantedHost, document.get("wanted"), "wanted")
    assert isinstance(wanted, WantedHost)  # noqa: S101  # for the type checker
    return wanted


def plain(value: Any) -> Any:
    """A value as dictionaries, lists, texts and numbers."""
    if isinstance(value, Value):
        return {name: plain(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, tuple):
        return [plain(element) for element in value]
    return value


def _build(kind: Type[Value], data: Any, where: str) -> Value:
    if not isinstance(data, dict) or set(data) != set(kind.__slots__):
        raise FormatError("The wanted host is damaged at {}.".format(where), _HINT)
    fields = {}  # type: Dict[str, Any]
    for name in kind.__slots__:
        value, inside = data[name], _INSIDE.get((kind, name))
        place = "{}.{}".format(where, name)
        if isinstance(value, list):
            fields[name] = tuple(_build(inside, element, place) if inside else element for element in value)
        else:
            fields[name] = _build(inside, value, place) if inside else value
    return kind(**fields)

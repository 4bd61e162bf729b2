"""Reads curtin's configuration as people have it: MAAS's YAML, or the JSON that reaches the hook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from esxforge.errors import FormatError
from esxforge.local.reading import read_file
from esxforge_target.cloud_data.documents import load_yaml
from esxforge_target.cloud_data.errors import CloudDataError

# Real ones have some kilobytes; PyYAML takes seconds for each megabyte.
_MOST_BYTES = 1 << 20
_HINT = "Let esxforge ask MAAS itself: esxforge plan --machine NAME"


class _PlainLoader(yaml.SafeLoader):
    """YAML's safe loader, but 52:54:00:00:00:01 stays a MAC address and 2024-01-02 stays a name."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("bool", "null", "merge")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_WHOLE_NUMBER = re.compile(r"\A[-+]?(0|[1-9][0-9]{0,18})\Z")
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:int", _WHOLE_NUMBER, list("-+0123456789"))


def load_config(path: Path) -> Any:
    """The configuration in ``path``. Raises InputError for a file that cannot be read, and FormatError, with the place,
    for one that is neither YAML nor JSON."""
    return _parse(read_file(path, largest=_MOST_BYTES, pipes=True), str(path))


def parse_config(text: str, name: str) -> Any:
    """The configuration in a text; ``name`` says in errors where it comes from. Raises FormatError."""
    data = text.encode()
    if len(data) > _MOST_BYTES:
        raise FormatError(f"{name} has more than {_MOST_BYTES} bytes: not a configuration from MAAS.", _HINT)
    return _parse(data, name)


def _parse(data: bytes, name: str) -> Any:
    try:
        # The text at that place is not quoted: it may be the token.
        return load_yaml(data, name, _PlainLoader)
    except CloudDataError as error:
        raise FormatError(error.message, _HINT) from None

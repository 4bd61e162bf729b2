"""Reads curtin's configuration as people have it: MAAS's YAML, or the JSON that reaches the hook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from esxforge.errors import FormatError
from esxforge_target.cloud_data.documents import load_yaml
from esxforge_target.cloud_data.errors import CloudDataError

# Real ones have some kilobytes; PyYAML takes seconds for each megabyte.
_MOST_BYTES = 1 << 20
_HINT = "Get it from MAAS: maas PROFILE machine get-curtin-config SYSTEM_ID > curtin.yaml"


class _PlainLoader(yaml.SafeLoader):
    """YAML's safe loader, but 52:54:00:00:00:01 stays a MAC address and 2024-01-02 stays a name."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("bool", "null", "merge")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_WHOLE_NUMBER = re.compile(r"\A[-+]?(0|[1-9][0-9]{0,18})\Z")
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:int", _WHOLE_NUMBER, list("-+0123456789"))


def load_config(path: Path) -> Any:
    """The configuration in ``path``. Raises FormatError with the place where the file is no YAML and no JSON."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}.", _HINT) from None
    if len(data) > _MOST_BYTES:
        raise FormatError(f"{path} has more than {_MOST_BYTES} bytes: it is no configuration of MAAS.", _HINT)
    try:
        # What stands at the place is not quoted: it may be the token.
        return load_yaml(data, str(path), _PlainLoader)
    except CloudDataError as error:
        raise FormatError(error.message, _HINT) from None

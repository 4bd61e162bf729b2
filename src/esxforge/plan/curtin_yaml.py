"""Reads curtin's configuration as people have it: MAAS's YAML, or the JSON that reaches the hook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from esxforge.errors import FormatError

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
    """The configuration in ``path``. Raises FormatError with the line where the file is no YAML and no JSON."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is no text: byte {error.start} is not UTF-8.", _HINT) from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}.", _HINT) from None
    try:
        # Safe: _PlainLoader is SafeLoader with fewer types.
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        # What stands on the line is not quoted: it may be the token.
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise FormatError(f"{path}{where}: this is no valid YAML: {error.problem or error.context}.", _HINT) from None
    except (yaml.YAMLError, ValueError) as error:
        raise FormatError(f"{path} is no valid YAML: {type(error).__name__}.", _HINT) from None
    except RecursionError:
        raise FormatError(f"{path} is nested too deeply to be a configuration of MAAS.", _HINT) from None

"""Reads curtin's configuration as people have it: MAAS's YAML, or the JSON that reaches the hook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from esxforge.errors import FormatError
from esxforge.local.reading import read_file
from esxforge_target.cloud_data.documents import check_growth
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


def _load(text: str, what: str) -> Any:
    """The value of a document. Its nodes are counted before it is constructed: aliases and merges can be a bomb."""
    loader = _PlainLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        check_growth(node, what)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def load_config(path: Path) -> Any:
    """The configuration in ``path``. Raises InputError for a file that cannot be read, and FormatError, with the line,
    for one that is neither YAML nor JSON."""
    try:
        text = read_file(path, largest=_MOST_BYTES, pipes=True).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is no text: byte {error.start} is not UTF-8.", _HINT) from None
    return parse_config(text, str(path))


def parse_config(text: str, name: str) -> Any:
    """The configuration in a text; ``name`` says in errors where it comes from. Raises FormatError."""
    if len(text.encode()) > _MOST_BYTES:
        raise FormatError(f"{name} has more than {_MOST_BYTES} bytes: it is no configuration of MAAS.", _HINT)
    try:
        return _load(text, name)
    except CloudDataError as error:
        raise FormatError(error.message, _HINT) from None
    except yaml.MarkedYAMLError as error:
        # What stands on the line is not quoted: it may be the token.
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise FormatError(f"{name}{where}: this is no valid YAML: {error.problem or error.context}.", _HINT) from None
    except (yaml.YAMLError, ValueError) as error:
        raise FormatError(f"{name} is no valid YAML: {type(error).__name__}.", _HINT) from None
    except RecursionError:
        raise FormatError(f"{name} is nested too deeply to be a configuration of MAAS.", _HINT) from None

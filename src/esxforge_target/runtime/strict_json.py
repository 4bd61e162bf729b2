"""Read external JSON within limits: one document, each name once, and only what every program reads alike.

RFC 8259 leaves open what a repeated name, a number beyond 64 bits or half a surrogate pair mean, and Python's reader
takes NaN and Infinity besides. None of these occurs in a document of ours, of MAAS's or of esxcli's.
"""

import json
import re
from typing import Any, Dict, List, Tuple, Union

from esxforge_target.runtime.errors import FormatError

MOST_BYTES = 16 << 20
DEEPEST = 32
# 64 bits with a sign have at most 20 characters.
_LONGEST_NUMBER = 20
_SMALLEST, _LARGEST = -(1 << 63), (1 << 63) - 1
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_NOT_A_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class _NotAllowedError(ValueError):
    """Something that JSON allows and these documents do not."""


def load_json(
    data: "Union[bytes, str]", what: str, hint: str = "", most_bytes: int = MOST_BYTES, raw_bytes: bool = False
) -> Any:
    """Return the plain value in ``data`` (UTF-8); ``what`` begins the error's sentence, as in "The inventory".

    ``raw_bytes``: texts may hold bytes that are not UTF-8, as Python's ``surrogateescape`` writes them.

    Raises FormatError, which contains nothing of the document: it may hold secrets.
    """
    if len(data) > most_bytes:
        raise FormatError("{} is longer than {} bytes.".format(what, most_bytes), hint)
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_whole_number,
            parse_float=_number,
            parse_constant=_constant,
        )
        _check(value, _HALF_CHARACTER if not raw_bytes else _NOT_A_BYTE)
    except UnicodeDecodeError as error:
        raise FormatError("{} is not text: byte {} is not UTF-8.".format(what, error.start), hint)
    except RecursionError:
        raise FormatError("{} is nested more than {} levels deep.".format(what, DEEPEST), hint)
    except _NotAllowedError as error:
        raise FormatError("{} {}.".format(what, error), hint)
    except ValueError as error:
        raise FormatError("{} is not JSON: {}.".format(what, error), hint)
    return value


def _object(pairs: "List[Tuple[str, Any]]") -> "Dict[str, Any]":
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotAllowedError("has an object that holds the same name twice")
    return found


def _whole_number(text: str) -> int:
    if len(text) > _LONGEST_NUMBER or not _SMALLEST <= int(text) <= _LARGEST:
        raise _NotAllowedError("holds a number of {} digits, too large for 64 bits".format(len(text.lstrip("-"))))
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _NotAllowedError("holds a number that is too large")
    return value


def _constant(name: str) -> Any:
    raise _NotAllowedError("holds {}, which is not a number".format(name))


def _check(value: Any, not_allowed: Any) -> None:
    """Check depth and texts, without recursion."""
    left = [(value, 1)]  # type: List[Tuple[Any, int]]
    while left:
        found, depth = left.pop()
        if isinstance(found, str):
            if not_allowed.search(found):
                raise _NotAllowedError("holds half a character (a lone surrogate)")
        elif isinstance(found, (dict, list)):
            if depth > DEEPEST:
                raise _NotAllowedError("is nested more than {} levels deep".format(DEEPEST))
            inner = found if isinstance(found, list) else list(found) + list(found.values())
            left.extend((one, depth + 1) for one in inner)

"""MAAS's answers are input: each is checked against its type before anything is read from it."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from esxforge.errors import MaasError

_Model = TypeVar("_Model")
_MOST_NAMED = 5
# A failure comes with the end of a log; names and the like are far shorter.
_LONGEST_TEXT = 1 << 16
_HINT = "Check that the address is MAAS's; if it is, this version of MAAS may be too new or too old for esxforge."


class CheckedAnswer(BaseModel):
    """Part of an answer. Fields without a default must be present: an absent field is unknown, not empty."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, str_max_length=_LONGEST_TEXT)


def checked(adapter: TypeAdapter[_Model], answer: Any, name: str) -> _Model:
    """The typed answer. ``name`` says in errors which answer it is, such as ``interfaces``.

    Raises MaasError that names every field that is missing or has another type than MAAS's.
    """
    try:
        return adapter.validate_python(answer)
    except ValidationError as error:
        problems = [_problem(one["loc"], one["type"]) for one in error.errors(include_url=False, include_input=False)]
        more = f" and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
        listed = ", ".join(problems[:_MOST_NAMED]) + more
        raise MaasError(f"MAAS's answer “{name}” cannot be used: {listed}.", _HINT) from None


def _problem(location: tuple[int | str, ...], kind: str) -> str:
    # The value is not quoted: it may be anything, a secret included.
    place = ".".join(str(part) for part in location) or "it"
    return f"{place} is missing" if kind == "missing" else f"{place} has an unexpected value"

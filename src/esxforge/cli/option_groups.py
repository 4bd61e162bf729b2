"""Options that belong together, as one parameter of a verb.

A verb takes a dataclass that derives from :class:`OptionGroup`; on the command line it has an option for each field::

    @dataclass(frozen=True)
    class ServerOptions(OptionGroup):
        url: Annotated[str, typer.Option("--url", help="…")] = "http://localhost"
        insecure: Annotated[bool, typer.Option("--insecure", help="…")] = False

    def status(name: …, *, server: ServerOptions) -> None: ...

``App.command`` (help.py) calls :func:`with_option_groups` for every verb.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import wraps
from inspect import Parameter
from typing import Any, TypeVar, get_type_hints

_Group = TypeVar("_Group", bound="OptionGroup")


class OptionGroup:
    """Base of the frozen dataclasses whose fields are options, annotated as a verb's parameters are."""

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """The options, as parameters of a function that typer understands."""
        hints = get_type_hints(cls, include_extras=True)
        return [
            Parameter(
                field.name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if field.default is MISSING else field.default,
                annotation=hints[field.name],
            )
            for field in fields(cls)  # type: ignore[arg-type]  # those that derive from it are dataclasses
        ]

    @classmethod
    def from_options(cls: type[_Group], values: Mapping[str, Any]) -> _Group:
        """The group, made of the values of its options."""
        return cls(**values)


def with_option_groups(verb: Callable[..., Any]) -> Callable[..., Any]:
    """``verb`` as typer has to see it: with the options of its groups instead of the groups."""
    parameters: list[Parameter] = []
    groups: dict[str, type[OptionGroup]] = {}
    for parameter in inspect.signature(verb, eval_str=True).parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and issubclass(kind, OptionGroup):
            groups[parameter.name] = kind
            parameters += kind.parameters()
        else:
            parameters.append(parameter)

    @wraps(verb)
    def run(**values: Any) -> Any:
        for name, group in groups.items():
            values[name] = group.from_options({part.name: values.pop(part.name) for part in group.parameters()})
        return verb(**values)

    return with_parameters(run, parameters)


def with_parameters(verb: Callable[..., Any], parameters: Sequence[Parameter]) -> Callable[..., Any]:
    """``verb``, which takes keywords, with the parameters that typer is to see."""
    verb.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # a function's signature may be set
        [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    verb.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return verb

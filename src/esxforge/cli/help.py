"""How ``--help`` reads: plain text, quick to come, and in sections.

Typer's own way draws boxes with rich, whose import takes longer than all the rest of ``--help``; it also calls a flag
``<bool>``. Plain text reads well in pipes and in logs, and needs no ``NO_COLOR``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from esxforge.cli.log_file import logged
from esxforge.cli.option_groups import with_option_groups

_WHOLE_SENTENCE = 1000
_NUMBERS = dict.fromkeys(("int", "int range", "float", "float range"), "N")
_PLACEHOLDERS = {**_NUMBERS, "path": "PATH", "str": "TEXT", "list[str]": "TEXT"}
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Verb(TyperCommand):
    """A verb whose options stand in the sections that their ``rich_help_panel`` names."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments as ``ISO`` and ``[VERB]``, not as ``{iso}`` and ``[verb]``."""
        pieces = super().collect_usage_pieces(ctx)
        return [pieces[0], *(piece.upper().replace("{", "").replace("}", "") for piece in pieces[1:])]

    def help_sections(self, ctx: Any) -> list[tuple[str, list[tuple[str, str]]]]:
        """Arguments, options, and then each further section: its title, and the names and the help of each."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                section = getattr(parameter, "rich_help_panel", None) or ("Arguments" if is_argument else "Options")
                sections.setdefault(section, []).append((_names(record[0], is_argument), _limits(record[1])))
        # Stable: a section keeps the place of its first option, behind the usual two.
        return sorted(sections.items(), key=lambda item: item[0] not in ("Arguments", "Options"))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write all sections."""
        _write(formatter, self.help_sections(ctx))


class Verbs(TyperGroup):
    """A group whose verbs have their complete first sentence, in the sections that their ``rich_help_panel`` names."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write all verbs."""
        sections: dict[str, list[tuple[str, str]]] = {"Commands": []}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                section = getattr(command, "rich_help_panel", None) or "Commands"
                sections.setdefault(section, []).append((name, command.get_short_help_str(_WHOLE_SENTENCE)))
        _write(formatter, sections.items())


class App(typer.Typer):
    """A Typer whose help reads so.

    Give paths ``readable=False``: a file that cannot be read is then an error of ours, which says what to do, and not
    a mistake in the command line.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=Verbs, rich_markup_mode=None, no_args_is_help=True, **options)

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = Verb, **options: Any
    ) -> Callable[[_Function], _Function]:
        """Add a verb. Its option groups become options, and it gets ``--log-file``."""
        add = super().command(name, cls=cls, **options)

        def register(verb: _Function) -> _Function:
            add(logged(with_option_groups(verb)))
            return verb

        return register


def _names(names: str, is_argument: bool) -> str:
    """``--memory N`` for typer's ``--memory <int range>``, and ``ISO`` for ``iso <path>``; choices stay."""
    if is_argument:
        return re.sub(r" <[^>]*>", "", names).upper()
    return re.sub(r"<([a-z\[\] ]+)>", lambda kind: _PLACEHOLDERS.get(kind[1], kind[0]), names)


def _limits(text: str) -> str:
    """``[1 to 64]`` for ``[1<=x<=64]``."""
    return re.sub(r"x>=([\d.]+)", r"at least \1", re.sub(r"([\d.]+)<=x<=([\d.]+)", r"\1 to \2", text))


def _write(formatter: Any, sections: Iterable[tuple[str, list[tuple[str, str]]]]) -> None:
    for title, rows in sections:
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)

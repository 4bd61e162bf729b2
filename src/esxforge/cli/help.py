"""How ``--help`` reads: plain text, quick to come, and in sections.

Typer's own way draws boxes with rich, whose import takes longer than all the rest of ``--help``; it also calls a flag
``<bool>``. Plain text reads well in pipes and in logs, and needs no ``NO_COLOR``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from esxforge.cli.log_file import logged
from esxforge.cli.option_groups import with_option_groups

_WHOLE_SENTENCE = 1000
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Verb(TyperCommand):
    """A verb whose options stand in the sections that their ``rich_help_panel`` names."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, options, and then each further section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                plain = "Arguments" if parameter.param_type_name == "argument" else "Options"
                section = getattr(parameter, "rich_help_panel", None) or plain
                sections.setdefault(section, []).append(record)
        # Stable: a section keeps the place of its first option, behind the usual two.
        _write(formatter, sorted(sections.items(), key=lambda item: item[0] not in ("Arguments", "Options")))


class Verbs(TyperGroup):
    """A group whose verbs have their whole first sentence, in the sections that their ``rich_help_panel`` names."""

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


def _write(formatter: Any, sections: Iterable[tuple[str, list[tuple[str, str]]]]) -> None:
    for title, rows in sections:
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)

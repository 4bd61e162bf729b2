"""``esxforge version`` and ``esxforge help``, for those who type them instead of the options."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from esxforge import __version__
from esxforge.cli.maas_options import JsonOption
from esxforge.cli.render import print_json


def version(*, as_json: JsonOption = False) -> None:
    """Show the versions of esxforge, of Python, and of the platform."""
    import platform

    python, system = platform.python_version(), platform.platform()
    if as_json:
        print_json({"version": __version__, "python": python, "platform": system})
    else:
        typer.echo(f"esxforge {__version__}\nPython {python}\n{system}")


def _complete(context: typer.Context, incomplete: str) -> list[str]:
    group: Any = context.find_root().command
    for word in context.params.get("verb") or ():
        group = getattr(group, "commands", {}).get(word)
    return [name for name in getattr(group, "commands", {}) if name.startswith(incomplete)]


def show_help(
    context: typer.Context,
    verb: Annotated[
        list[str] | None,
        typer.Argument(help="Command, such as build or images list.", show_default=False, autocompletion=_complete),
    ] = None,
) -> None:
    """Show the help of a command, like its --help."""
    below = context.find_root()
    for word in verb or ():
        group: Any = below.command
        known = getattr(group, "commands", {})
        if word not in known:
            import difflib

            close = difflib.get_close_matches(word, known, n=1)
            guess = f" Did you mean '{close[0]}'?" if close else ""
            raise typer.BadParameter(f"No such command '{' '.join(verb or ())}'.{guess}", param_hint="VERB")
        below = typer.Context(known[word], info_name=word, parent=below)
    typer.echo(below.command.get_help(below))

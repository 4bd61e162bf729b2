"""Writes the man pages: one for esxforge and one for each verb, from the declarations that ``--help`` shows.

    python tools/man_pages.py DIRECTORY

The pages hold what click gives a formatter of help, so that a page and ``--help`` cannot differ. They carry no
date: the same version gives the same bytes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer.main

from esxforge import __version__
from esxforge.cli.main import app

NAME = "esxforge"
_EXIT_STATUS = (
    ("0", "It worked."),
    ("1", "It failed, and said why and what to do."),
    ("2", "The command line is wrong."),
    ("130", "It was interrupted."),
)
_COMMAND_SECTIONS = ("Commands", "Development")


class ManFormatter:
    """Takes what a command says of itself, as click's formatter of help does, and keeps it as lines of roff."""

    def __init__(self) -> None:
        self.usage = ""
        self.text: list[str] = []
        self.sections: list[tuple[str, list[tuple[str, str]]]] = []
        self.width = 78

    def write_usage(self, _program: str, arguments: str = "", _prefix: str | None = None) -> None:
        """The part of the synopsis behind the program's name."""
        self.usage = arguments

    def write_paragraph(self) -> None:
        """Between paragraphs; these are told by empty lines in the text."""

    def write(self, text: str) -> None:
        """Free text."""
        self.text.append(text)

    def write_text(self, text: str) -> None:
        """Text of several paragraphs."""
        self.text.append(text)

    def write_dl(self, rows: Sequence[tuple[str, str]], *_widths: int, **_more: int) -> None:
        """Options or verbs, each with its sentence."""
        self.sections[-1][1].extend(rows)

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        """A part with a heading."""
        self.sections.append((title, []))
        yield

    @contextmanager
    def indentation(self) -> Iterator[None]:
        """Nothing to do: roff indents."""
        yield

    def indent(self) -> None:
        """Likewise."""

    def dedent(self) -> None:
        """Likewise."""


def commands(
    command: Any, words: tuple[str, ...] = (NAME,), parent: Any = None
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command with the words that call it, and its context; groups before what they hold."""
    context = command.context_class(command, info_name=words[-1], parent=parent, **command.context_settings)
    yield words, context
    for word, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from commands(inner, (*words, word), context)


def man_page(words: tuple[str, ...], context: Any, others: Sequence[tuple[str, ...]]) -> str:
    """The page of one command, in the man macros of roff."""
    command = context.command
    formatter = ManFormatter()
    command.format_usage(context, formatter)
    command.format_help_text(context, formatter)
    command.format_options(context, formatter)
    command.format_epilog(context, formatter)
    title = "-".join(words)
    summary = command.get_short_help_str(1000).rstrip(".")
    lines = [
        f'.TH "{roff(title.upper())}" "1" "" "{NAME} {roff(__version__)}" "{NAME}"',
        ".SH NAME",
        f"{roff(title)} \\- {roff(summary)}",
        ".SH SYNOPSIS",
        f"\\fB{roff(' '.join(words))}\\fR {roff(formatter.usage)}",
        ".SH DESCRIPTION",
    ]
    for number, paragraph in enumerate(re.split(r"\n\s*\n", "\n\n".join(formatter.text).strip())):
        lines += [".PP"] if number else []
        lines.append(roff(" ".join(paragraph.split())))
    for heading, rows in formatter.sections:
        lines.append(f'.SH "{roff(heading.upper())}"')
        for term, text in rows:
            shown = "-".join((*words, term)) + "(1)" if heading in _COMMAND_SECTIONS else term
            lines += [".TP", f"\\fB{roff(shown)}\\fR", roff(" ".join(text.split()))]
    lines.append('.SH "EXIT STATUS"')
    for status, text in _EXIT_STATUS:
        lines += [".TP", f"\\fB{status}\\fR", roff(text)]
    see = [f"\\fB{roff('-'.join(other))}\\fR(1)" for other in others]
    lines += [".SH SEE ALSO", ",\n".join(see)] if see else []
    return "\n".join(lines) + "\n"


def roff(text: str) -> str:
    """The text so that roff shows it as it is. ASCII only, for readers of every age."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    text = "".join(character if ord(character) < 127 else f"\\[u{ord(character):04X}]" for character in text)
    return "\\&" + text if text.startswith((".", "'")) else text


def pages() -> Iterator[tuple[str, str]]:
    """Each page: the name of its file, and its text."""
    found = list(commands(typer.main.get_command(app)))
    for words, context in found:
        others = [other for other, _ in found if other != words and (other == words[:-1] or other[:-1] == words)]
        yield f"{'-'.join(words)}.1", man_page(words, context, others)


def main() -> int:
    """Exit status."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (directory / name).write_text(text, encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())

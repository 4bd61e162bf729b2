"""A kickstart as ESXi's installer reads it, with line numbers, and kept as written.

Facts (VMware's pages on installation scripts for 6.5 to 9.1, and the behaviour of the 6.7 installer):

* Commands stand one a line, split like a shell's words: quotes and backslashes count, and an unquoted ``#`` starts a
  comment even within a word. A backslash at a line's end does not continue it: 6.7 takes it for a word. Such lines are
  read here as what their author meant, and :mod:`kickstart_merge` writes them on one line.
* Text is UTF-8: 6.7 stops at bytes that are not, and warns of a command line that is not ASCII. CR LF ends a line, too.
* ``%pre``, ``%post`` and ``%firstboot`` start a section: a script that ends at the next line which *begins* (without
  blanks before it) with one of these words, ``%include``, ``include``, ``%packages`` or ``%vmlicense_text``.
* All ``%pre`` sections run first, in order; then ``%include`` is followed (and ``%pre`` sections of included files
  run); then install, upgrade; then all the rest, whatever the order in the file. So a ``%pre`` may write what is
  included. A ``%pre`` that fails stops the installation.
* Of a command given twice the last one counts, but ``install`` twice is an error.
"""

import shlex
from typing import Any, List, Optional, Sequence, Tuple, Union

from esxforge_target.formats.kickstart_commands import ALIASES, SECTIONS
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

SECTION_ENDS = ("%post", "%pre", "%packages", "%vmlicense_text", "%firstboot", "%include", "include")
MOST_COMMANDS = 256
BYTE_ORDER_MARK = "\ufeff"
_ESCAPE_AT_END = "no escaped character"


class Command(Value):
    """One command: its canonical ``name``, the ``words`` after it, its ``line`` number from 1 and ``text`` as written.

    ``problem`` says why the line cannot be split into words; it is empty where it can. ``text`` is of several lines
    where backslashes at their ends continue them.
    """

    __slots__ = ("line", "name", "words", "text", "problem")

    def __init__(self, line: int, name: str, words: "Sequence[str]", *, text: str, problem: str = "") -> None:
        self.line = line
        self.name = name
        self.words = tuple(words)
        self.text = text
        self.problem = problem

    @property
    def last_line(self) -> int:
        """The number of its last line: another one than ``line`` where it is continued."""
        return self.line + self.text[:-1].count("\n")

    @property
    def options(self) -> "List[Tuple[str, Optional[str]]]":
        """The options in order: (``--name``, value or None)."""
        return _options(self.words)

    @property
    def arguments(self) -> "List[str]":
        """Words that are not options."""
        return [word for word in self.words if not word.startswith("--")]


class Section(Value):
    """A script: ``name`` with the percent sign, the ``words`` of its first line, and ``body``, the lines after it.

    ``problem`` says why the first line cannot be split into words; it is empty where it can.
    """

    __slots__ = ("line", "name", "words", "text", "body", "problem")

    def __init__(
        self, line: int, name: str, words: "Sequence[str]", *, text: str, body: str, problem: str = ""
    ) -> None:
        self.problem = problem
        self.line = line
        self.name = name
        self.words = tuple(words)
        self.text = text
        self.body = body

    @property
    def options(self) -> "List[Tuple[str, Optional[str]]]":
        """The options in order: (``--name``, value or None)."""
        return _options(self.words)


class Blank(Value):
    """A line without a command: empty, or a comment."""

    __slots__ = ("line", "text")

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        self.text = text


Item = Union[Command, Section, Blank]


class Kickstart(Value):
    """A kickstart as its items in the order of the file."""

    __slots__ = ("items",)

    def __init__(self, items: "Sequence[Any]") -> None:
        self.items = tuple(items)

    @classmethod
    def parse(cls, data: bytes) -> "Kickstart":
        """Read a kickstart; FormatError with a line number only for bytes that are no text at all."""
        unreadable = no_text(data)
        if unreadable is not None:
            line, message, hint = unreadable
            raise FormatError("kickstart line {}: {}".format(line, message), hint)
        return cls(_items(_lines(data.decode("utf-8", "surrogateescape"))))

    def to_bytes(self) -> bytes:
        """The file's bytes, exactly as they were read."""
        parts = []
        for item in self.items:
            parts.append(item.text)
            if isinstance(item, Section):
                parts.append(item.body)
        return "".join(parts).encode("utf-8", "surrogateescape")

    @property
    def commands(self) -> "List[Command]":
        """All commands, without sections."""
        return [item for item in self.items if isinstance(item, Command)]

    @property
    def sections(self) -> "List[Section]":
        """All sections."""
        return [item for item in self.items if isinstance(item, Section)]

    def named(self, name: str) -> "List[Command]":
        """The commands of this canonical name."""
        return [command for command in self.commands if command.name == name]


def no_text(data: bytes) -> "Optional[Tuple[int, str, str]]":
    """(line, message, hint) where these bytes are no text in an encoding that holds ASCII; None where they are."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return (
            1,
            "column 1: it is UTF-16, as Windows PowerShell writes text; ESXi's installer reads UTF-8 at most.",
            "Convert it: iconv -f UTF-16 -t UTF-8 OLD >NEW (PowerShell: Out-File -Encoding ascii).",
        )
    for number, line in enumerate(data.split(b"\n"), 1):
        if any(byte < 0x20 and byte not in b"\t\r\f\v" for byte in line):
            return number, "it has a byte that is no text, so this is no kickstart.", "Name a plain text file."
    return None


def words_of(text: str) -> "List[str]":
    """The words of a line as the installer splits it; ValueError where quotes are not closed."""
    return shlex.split(text, comments=True)


def _lines(text: str) -> "List[str]":
    # Not splitlines: it would also split at form feeds and the like, which the installer does not.
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _items(lines: "List[str]") -> "List[Any]":
    items = []  # type: List[Any]
    at = 0
    while at < len(lines):
        number, text = at + 1, lines[at]
        at += 1
        joined = text.lstrip(BYTE_ORDER_MARK) if number == 1 else text
        while _is_continued(joined) and at < len(lines) and not lines[at].startswith(SECTION_ENDS):
            joined = joined.rstrip("\r\n")[:-1] + lines[at]
            text += lines[at]
            at += 1
        words, problem = _split(joined)
        if not words:
            items.append(Blank(number, text))
        elif words[0] in SECTIONS:
            start = at
            while at < len(lines) and not lines[at].startswith(SECTION_ENDS):
                at += 1
            body = "".join(lines[start:at])
            items.append(Section(number, words[0], words[1:], text=text, body=body, problem=problem))
        else:
            name = ALIASES.get(words[0], words[0])
            items.append(Command(number, name, words[1:], text=text, problem=problem))
    return items


def _is_continued(text: str) -> bool:
    """Return whether a backslash at the end stands outside of a comment."""
    line = text.rstrip("\r\n")
    return line.endswith("\\") and _split(line)[1] == _ESCAPE_AT_END


def _split(text: str) -> "Tuple[List[str], str]":
    """The words, and why the text cannot be split as the installer does it, if so."""
    try:
        return words_of(text.rstrip("\r\n")), ""
    except ValueError as error:
        return text.split(), str(error).lower().rstrip(".")


def _options(words: "Sequence[str]") -> "List[Tuple[str, Optional[str]]]":
    options = []  # type: List[Tuple[str, Optional[str]]]
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            options.append((name, value if equals else None))
    return options

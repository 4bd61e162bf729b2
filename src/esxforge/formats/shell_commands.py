"""The simple commands of a shell script: enough of the language to tell a command from an argument, a text, a comment.

Not followed: what ``$(…)`` within double quotes runs, and aliases. Here-documents are data of their command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_KEYWORDS = frozenset(("then", "do", "else", "elif", "if", "while", "until", "!", "{", "time"))
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_REDIRECTION = re.compile(r"\d*(<<?|>[>|]?|<>)(&|-)?")
_ENDS_COMMAND = frozenset(";&|()`\n")
_ENDS_DELIMITER = frozenset(";&|<>() \t\n")


@dataclass(slots=True)
class HereDocument:
    """``line`` is the number of its first line of text, from 1 in the script."""

    delimiter: str
    is_indented: bool
    line: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Text that the command reads."""
        return "".join(line + "\n" for line in self.lines)


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A command with its arguments, quotes removed; ``line`` and ``last_line`` from 1 in the script. ``is_piped``:
    the next command reads its output."""

    line: int
    words: tuple[str, ...]
    last_line: int = 0
    is_piped: bool = False
    here: tuple[HereDocument, ...] = ()

    @property
    def name(self) -> str:
        """Name of the command."""
        return self.words[0]

    @property
    def text(self) -> str:
        """The command as one text, for pattern searches."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class ShellScript:
    """``commands`` in their order; ``lines`` without comments, those of here-documents included."""

    commands: tuple[ShellCommand, ...]
    lines: tuple[str, ...]


def shell_commands(script: str) -> tuple[ShellCommand, ...]:
    """Return each simple command in the order of the script. Never raises: an unclosed quote ends with the script."""
    return read_script(script).commands


def read_script(script: str) -> ShellScript:
    """Return the commands, and the lines without comments. Never raises."""
    scanner = _Scanner()
    commands: list[ShellCommand] = []
    lines: list[str] = []
    waiting: list[HereDocument] = []
    for number, line in enumerate(script.split("\n"), 1):
        if waiting:
            text = line.lstrip("\t") if waiting[0].is_indented else line
            lines.append("" if line.lstrip().startswith("#") else line)
            if text == waiting[0].delimiter:
                del waiting[0]
                if waiting:
                    waiting[0].line = number + 1
            else:
                waiting[0].lines.append(text)
            continue
        for start, words, is_piped, here in scanner.feed(number, line + "\n"):
            stripped = without_prefixes(words)
            if stripped:
                commands.append(ShellCommand(start, stripped, number, is_piped, here))
        lines.append(line[: scanner.comment])
        waiting, scanner.opened = scanner.opened, []
        if waiting:
            waiting[0].line = number + 1
    return ShellScript(tuple(commands), tuple(lines))


def without_prefixes(words: list[str]) -> tuple[str, ...]:
    """Return the words from the command's name on: without keywords, assignments and redirections before it."""
    at = 0
    while at < len(words):
        redirection = _REDIRECTION.match(words[at])
        if words[at] == "function":
            at += 2
        elif redirection:
            at += 2 if redirection.end() == len(words[at]) else 1
        elif words[at] in _KEYWORDS or _ASSIGNMENT.match(words[at]):
            at += 1
        else:
            break
    return tuple(words[at:])


_Ended = tuple[int, list[str], bool, tuple[HereDocument, ...]]


class _Scanner:
    """Scan a script line by line; a quote or a backslash carries over to the next one. ``opened``: the
    here-documents that begin after this line. ``comment``: where its comment begins, else its length."""

    def __init__(self) -> None:
        self._quote = ""
        self._words: list[str] = []
        self._word: str | None = None
        self._here: list[HereDocument] = []
        self._start = 0
        # Open parentheses since "$((": there << shifts.
        self._depth = 0
        self.opened: list[HereDocument] = []
        self.comment = 0

    def feed(self, number: int, line: str) -> list[_Ended]:
        """Return the commands that end in this line."""
        ended: list[_Ended] = []
        self.comment = len(line)
        at = 0
        while at < len(line):
            letter = line[at]
            at += 1
            if self._quote:
                at = self._quoted(letter, line, at)
            elif letter == "\\":
                at = self._escaped(number, line, at)
            elif letter in "'\"":
                self._quote = letter
                self._add(number, "")
            elif letter == "#" and self._word is None:
                self.comment = at - 1
                at = line.find("\n", at)
            elif letter == "&" and (self._word or "").endswith((">", "<")):
                self._add(number, letter)
            elif letter in _ENDS_COMMAND:
                self._count(letter, line, at)
                self._end_command(
                    ended, is_piped=letter == "|" and "|" not in (line[at : at + 1], line[at - 2 : at - 1])
                )
            elif letter.isspace():
                self._end_word()
            elif letter == "<" and line[at : at + 1] == "<" and not self._depth:
                at = self._here_document(number, line, at + 1)
            elif letter in "<>" and self._word and not self._word.isdigit() and self._word[-1] not in "<>":
                self._end_word()
                self._add(number, letter)
            else:
                self._add(number, letter)
        return ended

    def _count(self, letter: str, line: str, at: int) -> None:
        if letter == "(" and (self._depth or ((self._word or "").endswith("$") and line[at : at + 1] == "(")):
            self._depth += 1
        elif letter == ")" and self._depth:
            self._depth -= 1

    def _end_command(self, ended: list[_Ended], *, is_piped: bool) -> None:
        self._end_word()
        if self._words:
            ended.append((self._start, self._words, is_piped, tuple(self._here)))
            self._words, self._here = [], []

    def _here_document(self, number: int, line: str, at: int) -> int:
        """Read the delimiter after ``<<``; a text after ``<<<`` is not one."""
        self._end_word()
        if line[at : at + 1] == "<":
            self._add(number, "<<<")
            return at + 1
        is_indented = line[at : at + 1] == "-"
        at += is_indented
        while line[at : at + 1] in (" ", "\t"):
            at += 1
        delimiter, quote, start = "", "", at
        while at < len(line) and (quote or line[at] not in _ENDS_DELIMITER):
            letter = line[at]
            at += 1
            if quote:
                quote, letter = ("", "") if letter == quote else (quote, letter)
            elif letter in "'\"":
                quote, letter = letter, ""
            elif letter == "\\":
                letter, at = line[at : at + 1], at + 1
            delimiter += letter
        self._add(number, "<<" + "-" * is_indented + delimiter)
        self._end_word()
        if at > start and not quote:
            document = HereDocument(delimiter, is_indented)
            self._here.append(document)
            self.opened.append(document)
        return at

    def _quoted(self, letter: str, line: str, at: int) -> int:
        if letter == self._quote:
            self._quote = ""
        elif letter == "\\" and self._quote == '"' and line[at : at + 1] in ('"', "\\", "$", "`", "\n"):
            self._word = (self._word or "") + line[at : at + 1].strip("\n")
            return at + 1
        else:
            self._word = (self._word or "") + letter
        return at

    def _escaped(self, number: int, line: str, at: int) -> int:
        following = line[at : at + 1]
        if following != "\n":
            self._add(number, following)
        return at + 1

    def _add(self, number: int, letter: str) -> None:
        if self._word is None:
            self._word = ""
            if not self._words:
                self._start = number
        self._word += letter

    def _end_word(self) -> None:
        if self._word is not None:
            self._words.append(self._word)
            self._word = None

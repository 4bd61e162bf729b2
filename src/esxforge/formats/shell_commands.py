"""The simple commands of a shell script: enough of the language to tell a command from an argument, a text, a comment.

Not followed: what ``$(…)`` within double quotes runs, and aliases. Here-documents are data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HERE_DOCUMENT = re.compile(r"<<(-?)\s*(['\"\\]?)([A-Za-z0-9_.]+)")
_KEYWORDS = frozenset(("then", "do", "else", "elif", "if", "while", "until", "!", "{", "time"))
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_ENDS_COMMAND = frozenset(";&|()`\n")


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A command with its arguments, quotes taken away; ``line`` from 1 in the script."""

    line: int
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The command itself."""
        return self.words[0]

    @property
    def text(self) -> str:
        """All of it, to look for patterns in."""
        return " ".join(self.words)


def shell_commands(script: str) -> Iterator[ShellCommand]:
    """Each simple command in the order of the script. Never raises: a quote that is not closed ends with the script."""
    scanner = _Scanner()
    waiting: list[tuple[str, bool]] = []
    for number, line in enumerate(script.split("\n"), 1):
        if waiting:
            mark, indented = waiting[0]
            if (line.lstrip("\t") if indented else line) == mark:
                del waiting[0]
            continue
        for start, words in scanner.feed(number, line + "\n"):
            stripped = _without_keywords(words)
            if stripped:
                yield ShellCommand(start, stripped)
        waiting = [(match[3], match[1] == "-") for match in _HERE_DOCUMENT.finditer(scanner.code)]


def _without_keywords(words: list[str]) -> tuple[str, ...]:
    at = 0
    while at < len(words) and (words[at] in _KEYWORDS or _ASSIGNMENT.match(words[at])):
        at += 1
    return tuple(words[at:])


class _Scanner:
    """Goes through a script line by line; a quote or a backslash carries over to the next one. ``code``: the line
    without comments and quoted text."""

    def __init__(self) -> None:
        self._quote = ""
        self._words: list[str] = []
        self._word: str | None = None
        self._start = 0
        self.code = ""

    def feed(self, number: int, line: str) -> list[tuple[int, list[str]]]:
        """The commands that end in this line."""
        ended: list[tuple[int, list[str]]] = []
        self.code = ""
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
                # A quoted mark of a here-document must stay readable in ``code``.
                self.code += letter
            elif letter == "#" and self._word is None:
                at = line.find("\n", at)
            elif letter in _ENDS_COMMAND:
                self._end_word()
                self.code += letter
                if self._words:
                    ended.append((self._start, self._words))
                    self._words = []
            elif letter.isspace():
                self._end_word()
                self.code += letter
            else:
                self._add(number, letter)
                self.code += letter
        return ended

    def _quoted(self, letter: str, line: str, at: int) -> int:
        if letter == self._quote:
            self._quote = ""
            self.code += letter
        elif letter == "\\" and self._quote == '"' and line[at : at + 1] in ('"', "\\", "$", "`", "\n"):
            self._word = (self._word or "") + line[at : at + 1].strip("\n")
            return at + 1
        else:
            self._word = (self._word or "") + letter
            if re.search(r"<<-?\s*['\"][A-Za-z0-9_.]*\Z", self.code):
                self.code += letter
        return at

    def _escaped(self, number: int, line: str, at: int) -> int:
        following = line[at : at + 1]
        if following != "\n":
            self._add(number, following)
            self.code += "\\" + following
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

"""Characters of a kickstart that its author did not mean, or that the installer is not known to take.

Facts (the 6.7 installer): it stops at bytes that are not UTF-8, wherever they stand; it warns of a command line that is
not ASCII, and takes a no-break space or a dash for a part of a word. Comments and scripts in UTF-8 are fine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from esxforge.formats.kickstart_findings import Finding, Use, error, warning
from esxforge_target.formats.kickstart import BYTE_ORDER_MARK, Blank, Command, Kickstart, Section

# What word processors and web pages put in the place of plain characters.
LOOK_ALIKES = {
    "\u00a0": " ", "\u202f": " ", "\u2007": " ", "\u200b": "", "\u2060": "", BYTE_ORDER_MARK: "", "\u2010": "-",
    "\u2011": "-", "\u2012": "--", "\u2013": "--", "\u2014": "--", "\u2212": "-", "\u2018": "'", "\u2019": "'",
    "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"', "\u2026": "...",
}  # fmt: skip
_UNDECODED = re.compile("[\udc80-\udcff]")
_FOREIGN = re.compile("[^\x00-\x7f]")
_TO_UTF8 = "Convert it: iconv -f WINDOWS-1252 -t UTF-8 OLD >NEW."


def check_text(kickstart: Kickstart, use: Use, never_read: frozenset[int]) -> Iterator[Finding]:
    """Findings on characters. ``never_read``: lines of commands that never reach the installer."""
    first = kickstart.items[0].text if kickstart.items else ""
    if first.startswith(BYTE_ORDER_MARK):
        hint = "Save it as UTF-8 without a byte order mark, or: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE."
        mark = "a byte order mark (U+FEFF) precedes the first line"
        if use.standalone:
            yield error(1, f"{mark}, and {use.known('takes it for a part of its first word')}.", hint, 1)
        else:
            yield warning(1, f"{mark}; it is left out.", hint, 1)
    for item in kickstart.items:
        if isinstance(item, Command):
            yield from _command(item, use, item.line in never_read)
        elif isinstance(item, Section):
            yield from (error(item.line, message, hint, column) for column, message, hint, _ in _foreign(item.text))
            yield from _script(item)
        elif isinstance(item, Blank) and _UNDECODED.search(item.text):
            column = _column(item.text, _UNDECODED)
            if use.standalone:
                yield error(item.line, f"it is not UTF-8; {use.known('stops there')}.", _TO_UTF8, column)
            else:
                yield warning(item.line, "the comment is not UTF-8; the host gets ? instead.", _TO_UTF8, column)


def _command(command: Command, use: Use, never_read: bool) -> Iterator[Finding]:
    if not use.standalone and not never_read and all(word.isascii() for word in (command.name, *command.words)):
        return  # it is in a comment at the line's end, which does not go to the host
    for number, text in enumerate(command.text.split("\n"), command.line):
        for column, message, hint, is_never_meant in _foreign(text):
            if never_read or (use.standalone and not is_never_meant):
                yield warning(number, message, hint, column)
            else:
                yield error(number, message, hint, column)


def _script(section: Section) -> Iterator[Finding]:
    for number, text in enumerate(section.body.split("\n"), section.line + 1):
        code = text.split("#", 1)[0]
        if _UNDECODED.search(text):
            yield error(number, "the script is not UTF-8.", _TO_UTF8, _column(text, _UNDECODED))
            continue
        for column, message, hint, is_never_meant in _foreign(code):
            if is_never_meant:
                yield warning(number, message, hint, column)


def _foreign(text: str) -> Iterator[tuple[int, str, str, bool]]:
    """(column, message, hint, whether nobody can have meant it) of each kind of character once."""
    seen = set()
    for match in _FOREIGN.finditer(text):
        letter = match.group()
        if letter in seen or letter == BYTE_ORDER_MARK:
            continue
        seen.add(letter)
        column = match.start() + 1
        if _UNDECODED.match(letter):
            yield column, "it is not UTF-8.", _TO_UTF8, True
            continue
        name = f"{unicodedata.name(letter, 'a character').lower()} (U+{ord(letter):04X})"
        article = "an" if name[0] in "aeiou" else "a"
        if letter not in LOOK_ALIKES:
            yield column, f"{article} {name} is not ASCII.", "Write it without accents and the like.", False
            continue
        meant = LOOK_ALIKES[letter]
        plain = {" ": "a blank", "": "nothing"}.get(meant, meant)
        quoted = "".join(f"\\x{byte:02X}" for byte in letter.encode())
        hint = f'Write {plain} instead; everywhere: sed -i "s/{quoted}/{meant}/g" FILE.'.replace('/"/', '/\\"/')
        yield column, f"{article} {name} is not read as {plain} by the installer.", hint, True


def _column(text: str, pattern: re.Pattern[str]) -> int:
    found = pattern.search(text)
    return found.start() + 1 if found else 0

"""The user's kickstart and what esxforge adds, merged into the one that a host's installer gets.

The order of the result:

1. the user's commands and comments in their order; one that is replaced or left out becomes a comment that names its
   line;
2. esxforge's commands: EULA, root password, network, ``%include`` of the install line, and the rest;
3. esxforge's ``first`` sections, the user's sections in their order, esxforge's ``last`` sections.

So among sections of one kind (they run in the order of the file) ``first`` ones run before the user's and ``last``
ones after them. Line ends become LF, as busybox stumbles over a CR; a byte order mark goes; a command that is continued
over several lines gets one. A file that the user's kickstart includes is treated alike (:func:`included`).
"""

import re
import shlex
from typing import Any, Callable, List, Optional, Sequence, Tuple

from esxforge_target.formats.kickstart import BYTE_ORDER_MARK, MOST_COMMANDS, Blank, Command, Kickstart, Section
from esxforge_target.formats.kickstart_commands import (
    COMMANDS,
    IGNORED_COMMANDS,
    INSTALL_COMMANDS,
    LEFT_OUT,
    REFUSED,
    REPLACED,
    option_of,
)
from esxforge_target.formats.kickstart_scripts import END_MARK, interpreter_problem
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

Carrier = Callable[[Section], str]


class Additions(Value):
    """Additions to a user's kickstart; command lines without line ends.

    ``include`` is the path that holds the install line, written by a ``%pre`` section. ``rootpw`` and ``network``
    replace the user's if given. ``commands`` are further ones, such as ``reboot``, each left out if the user has
    it already. ``first`` and ``last`` are entire sections as text, each starting with its ``%`` line. ``left_out``:
    (name, reason) of commands that must not be there besides. ``carry`` turns a ``%pre`` or ``%post`` of the user's
    into the section that runs it; None keeps it as it is.
    """

    __slots__ = ("include", "accept_eula", "rootpw", "network", "commands", "first", "last", "left_out", "carry")

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        include: str,
        accept_eula: bool = False,
        rootpw: "Optional[str]" = None,
        network: "Optional[str]" = None,
        commands: "Sequence[str]" = (),
        first: "Sequence[str]" = (),
        last: "Sequence[str]" = (),
        left_out: "Sequence[Tuple[str, str]]" = (),
        carry: "Optional[Carrier]" = None,
    ) -> None:
        self.include = include
        self.accept_eula = accept_eula
        self.rootpw = rootpw
        self.network = network
        self.commands = tuple(commands)
        self.first = tuple(first)
        self.last = tuple(last)
        self.left_out = tuple(left_out)
        self.carry = carry


def merge(user: "Optional[Kickstart]", ours: Additions) -> "Tuple[bytes, List[str]]":
    """Return the kickstart for one host, and a sentence for each of the user's lines that was replaced or left out.

    FormatError if the user's has a command that cannot be merged, if EULA or root password are missing, or if a command
    of the result is not ASCII or it has more than 256 of them.
    """
    user = Kickstart(()) if user is None else user
    rewriter = _Rewriter("kickstart", "your kickstart", ours, has_rootpw=ours.rootpw is not None)
    out = rewriter.lines([item for item in user.items if not isinstance(item, Section)])
    out.extend(line + "\n" for line in _added_commands(user, ours))
    out.extend(_ended(section) for section in ours.first)
    out.extend(rewriter.section(section) for section in user.sections)
    out.extend(_ended(section) for section in ours.last)
    return _checked("kickstart", "the merged one", "".join(out)), rewriter.notices


def included(path: str, data: bytes, ours: Additions) -> "Tuple[bytes, List[str]]":
    """Return a rewritten file that the user's kickstart includes, and a sentence for each change.

    Its ``%post`` sections run after those of the kickstart, so ``ours.last`` follows them. A command that no release
    has becomes a comment, as an installer may stop at it. FormatError for anything else that would stop the installer,
    for ``%pre``, which would run after esxforge's last look at included files.
    """
    kickstart = Kickstart.parse(data)
    for command in kickstart.commands:
        if command.problem and _is_known(command):
            raise FormatError(
                "{} line {}: {}.".format(path, command.line, command.problem), "Correct what writes this file."
            )
    if any(section.name == "%pre" for section in kickstart.sections):
        raise FormatError(
            "{}: it has a %pre section, which would run after esxforge's last look at included files.".format(path),
            "Write it into the kickstart itself.",
        )
    rewriter = _Rewriter(path, path, ours, has_rootpw=True, keeps_unknown=False)
    out = [
        rewriter.section(item) if isinstance(item, Section) else "".join(rewriter.lines([item]))
        for item in kickstart.items
    ]
    if any(section.name == "%post" for section in kickstart.sections):
        out.extend(_ended(section) for section in ours.last)
    return _checked(path, "it", "".join(out)), rewriter.notices


def kept_install_options(user: "Optional[Kickstart]") -> "List[str]":
    """Return the options of the user's install line that stay valid with another disk, for the replacing line."""
    kept = []  # type: List[str]
    for command in user.commands if user is not None else []:
        if command.name not in INSTALL_COMMANDS:
            continue
        for word in command.words:
            option = option_of(COMMANDS[command.name], word.split("=")[0])[1]
            if option is not None and option.stays and word not in kept:
                kept.append(word)
    return kept


def fate_of(command: Command, ours: Additions, has_rootpw: bool) -> "Tuple[str, str]":
    """Return (REPLACED, LEFT_OUT, REFUSED or "" for kept; why, as a clause) for one of the user's commands."""
    for name, reason in ours.left_out:
        if command.name == name:
            return LEFT_OUT, reason
    if command.name == END_MARK:
        return LEFT_OUT, "ESXi's kickstarts have none; a section ends at the next one"
    rule = COMMANDS.get(command.name)
    if (
        rule is None
        or (command.name == "rootpw" and not has_rootpw)
        or (command.name == "network" and not ours.network)
    ):
        return "", ""
    return (rule.fate, rule.reason) if rule.fate in (REPLACED, LEFT_OUT, REFUSED) else ("", "")


class _Rewriter:
    """Rewrites the items of one file. ``place`` names it before a line's number, ``whose`` in a comment.
    ``keeps_unknown``: commands that no release has stay, as the build has judged them."""

    def __init__(self, place: str, whose: str, ours: Additions, has_rootpw: bool, keeps_unknown: bool = True) -> None:
        self._keeps_unknown = keeps_unknown
        self._place = place
        self._whose = whose
        self._ours = ours
        self._has_rootpw = has_rootpw
        self.notices = []  # type: List[str]

    def lines(self, items: "Sequence[Any]") -> "List[str]":
        """Return commands, comments and blank lines. FormatError for a command that makes all of it useless."""
        return [self._command(item) if isinstance(item, Command) else self._blank(item) for item in items]

    def _command(self, command: Command) -> str:
        fate, reason = fate_of(command, self._ours, self._has_rootpw)
        if not self._keeps_unknown and not _is_known(command):
            # Its word is not repeated: a mistyped rootpw has the password in it.
            self.notices.append(
                "{} line {}: no release has this command; it is left out.".format(self._place, command.line)
            )
            return "# line {} of {} is left out by esxforge\n".format(command.line, self._whose)
        if fate == REFUSED:
            raise FormatError(
                "{} line {}: {} cannot be used here: {}.".format(self._place, command.line, command.name, reason),
                "Remove the line.",
            )
        if fate:
            self.notices.append(
                "{} line {}: {} is {}: {}.".format(self._place, command.line, command.name, fate, reason)
            )
            return "# line {} of {}, {}, is {} by esxforge\n".format(command.line, self._whose, command.name, fate)
        words = [command.name] + list(command.words)
        has_foreign_comment = not _is_ascii(command.text) and all(_is_ascii(word) for word in words)
        if command.last_line > command.line or has_foreign_comment:
            return " ".join([command.name] + [shlex.quote(word) for word in command.words]) + "\n"
        return _ended(command.text.lstrip(BYTE_ORDER_MARK))

    def _blank(self, item: Blank) -> str:
        text = item.text.lstrip(BYTE_ORDER_MARK)
        # The installer cannot read bytes that are not UTF-8; in a comment they do not matter.
        return _ended(re.sub("[\udc80-\udcff]", "?", text))

    def section(self, section: Section) -> str:
        """Return a section, or the section that runs it if it is a script that runs in the installer."""
        carry = self._ours.carry if section.name != "%firstboot" else None
        problem = interpreter_problem(section, carry is not None)
        if problem:
            raise FormatError(
                "{} line {}: {}.".format(self._place, section.line, problem),
                "Write --interpreter=busybox or --interpreter=python.",
            )
        if carry is not None:
            return _ended(carry(section))
        return _ended(section.text) + _ended(section.body)


def _added_commands(user: Kickstart, ours: Additions) -> "List[str]":
    has = {command.name for command in user.commands}
    lines = []  # type: List[str]
    if "vmaccepteula" not in has:
        if not ours.accept_eula:
            raise FormatError(
                "kickstart: VMware's licence agreement is not accepted.",
                "Read it, then add vmaccepteula to the kickstart, or build with --accept-eula.",
            )
        lines.append("vmaccepteula")
    if ours.rootpw is not None:
        lines.append(ours.rootpw)
    elif "rootpw" not in has:
        raise FormatError(
            "kickstart: there is no root password.", "Add rootpw to the kickstart, or give one in the recipe."
        )
    if ours.network is not None:
        lines.append(ours.network)
    lines.append("%include " + ours.include)
    lines.extend(line for line in ours.commands if line.split()[0] not in has)
    return lines


def _is_known(command: Command) -> bool:
    return command.name in COMMANDS or command.name in IGNORED_COMMANDS or command.name == END_MARK


def _is_ascii(text: str) -> bool:
    return all(ord(letter) < 0x80 for letter in text)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _checked(place: str, what: str, text: str) -> bytes:
    data = re.sub("\r+\n", "\n", text).encode("utf-8", "surrogateescape")
    merged = Kickstart.parse(data)
    count = len(merged.commands) + len(merged.sections)
    if count > MOST_COMMANDS:
        raise FormatError(
            "{}: it has {} commands with what esxforge adds; ESXi's installer takes {}.".format(
                place, count, MOST_COMMANDS
            ),
            "Move some into a %post or %firstboot section.",
        )
    for item in merged.items:
        if isinstance(item, Command) and not _is_ascii(item.text):
            raise FormatError(
                "{}: line {} of {} is not ASCII.".format(place, item.line, what),
                "ESXi's installer is known to take ASCII only there; write it without accents and the like.",
            )
        if isinstance(item, Section) and re.search("[\udc80-\udcff]", item.text + item.body):
            raise FormatError(
                "{}: the script from line {} of {} on is not UTF-8.".format(place, item.line, what),
                "Convert it: iconv -f WINDOWS-1252 -t UTF-8 OLD >NEW.",
            )
    return data

"""A user's script of a kickstart, handed to a program of esxforge's that runs it, so that it ends nothing but itself.

The script stands in the section as a here-document: an ``exit``, an ``exec``, a syntax error or a missing ``%end`` of
its own touches that program's child alone. Where the machine must stay on, ``halt``, ``poweroff`` and ``reboot`` are
functions of the script's shell and programs on its PATH, which note the wish. Both, as a busybox that prefers its own
applets never looks at PATH, and functions do not reach a shell's children.
"""

from typing import Optional

from esxforge_target.formats.kickstart import Section
from esxforge_target.runtime.numbers import is_whole

POWER_COMMANDS = ("halt", "poweroff", "reboot")
END_MARK = "%end"
DEFAULT_INTERPRETER = "busybox"
# What people write for the two that the installer has. Where a program of ours runs the script, it is taken for them.
INTERPRETERS = {
    "busybox": ("busybox", "sh", "ash", "/bin/sh", "/bin/ash", "/bin/busybox"),
    "python": ("python", "python3", "/bin/python", "/bin/python3", "/usr/bin/python", "/usr/bin/python3"),
}
_OPTION = "--interpreter"


def interpreter_of(section: Section) -> str:
    """``busybox`` or ``python``, as its first line says, by whatever name; another word as it stands there."""
    return dict(named_plainly(section).options).get(_OPTION) or DEFAULT_INTERPRETER


def named_plainly(section: Section) -> Section:
    """The section with ``--interpreter=busybox`` or ``--interpreter=python`` where its first line says the same in
    another way: by a path, or after a blank."""
    words = list(section.words)
    for at, word in enumerate(words):
        option, _, name = word.partition("=")
        if option != _OPTION:
            continue
        after = words[at + 1 : at + 2] if word == _OPTION else []
        written = after[0] if after else name
        for plain in sorted(INTERPRETERS):
            if written in INTERPRETERS[plain]:
                words[at : at + 1 + len(after)] = ["{}={}".format(_OPTION, plain)]
                break
    return section.replace(words=tuple(words))


def interpreter_problem(section: Section, runs_it: bool) -> str:
    """Why the script cannot be run, as a clause; empty if it can. ``runs_it``: a program of ours runs it, which takes
    more names than the installer itself."""
    written = dict(section.options).get(_OPTION) or ""
    name = interpreter_of(section) if runs_it else written or DEFAULT_INTERPRETER
    if name in INTERPRETERS:
        return ""
    return "{} of {} is neither busybox nor python".format(_OPTION, section.name)


def ignores_failure(section: Section) -> bool:
    """Return whether its first line says that the installation is a success even if the script is none."""
    return (dict(section.options).get("--ignorefailure") or "").lower() == "true"


def timeout_of(section: Section) -> int:
    """The seconds after which the installer ends the script; 0 for none."""
    text = dict(section.options).get("--timeout") or ""
    return int(text) if is_whole(text) else 0


def end_mark(section: Section) -> "Optional[int]":
    """The number of the first line that is ``%end``, which other systems' kickstarts have and ESXi's have not."""
    for number, text in enumerate(section.body.split("\n"), section.line + 1):
        if text.strip() == END_MARK:
            return number
    return None


def is_followed(section: Section, number: int) -> bool:
    """Return whether anything but blank lines and comments stands in the section after this line of the file."""
    rest = section.body.split("\n")[number - section.line :]
    return any(text.strip() and not text.strip().startswith("#") and text.strip() != END_MARK for text in rest)


def script_of(section: Section) -> str:
    """The script without an ``%end`` that merely ends it; each line ended."""
    body = section.body
    number = end_mark(section)
    if number is not None and not is_followed(section, number):
        lines = body.split("\n")[: number - section.line - 1]
        body = "\n".join(lines)
    return body if not body or body.endswith("\n") else body + "\n"


def handed_over(section: Section, start: str, lenient: bool) -> str:
    """The section as one that hands its script to ``start``: shell text whose last line is one command.

    ``lenient``: whatever becomes of a ``%post``, the installation goes on.
    """
    script = script_of(section)
    mark = "END_OF_LINE_{}".format(section.line)
    while mark in script.split("\n"):
        mark += "_"
    first = section.name + " --interpreter=busybox"
    if section.name == "%post" and (lenient or ignores_failure(section)):
        first += " --ignorefailure=true"
    # On one line, even where backslashes continue it: the rest would be the shell's.
    header = " ".join((section.name,) + section.words)
    lines = [first, "# line {} of your kickstart: {}".format(section.line, header), start.rstrip("\n")]
    return "{} <<'{}' || exit 1\n{}{}\n".format("\n".join(lines), mark, script, mark)


def guarded(script: str, notes: str) -> str:
    """A script for busybox in which a call of a power command appends its name to the file ``notes``, then ends it.

    All of it stands before the first line, so that the shell's messages name the lines as they are.
    """
    functions = ["{0}() {{ echo {0} >>{1}; exit 0; }};".format(name, notes) for name in POWER_COMMANDS]
    return " ".join(functions) + " " + script


def stand_in_program(name: str, notes: str) -> str:
    """A program for PATH that stands for a power command."""
    return "#!/bin/sh\necho {} >>{}\n".format(name, notes)

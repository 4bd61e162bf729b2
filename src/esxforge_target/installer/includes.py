"""The last ``%pre``: what the user's kickstart includes, as the user's own ``%pre`` sections may have written it.

``includes GUARD MANNER``; the manner is strict in a golden build. Each line that would have been replaced or left out
in the kickstart itself becomes a comment, and is reported. What cannot be read, or what the installer would stop at,
ends the installation here, before a disk is touched.

That included files are read only after the last ``%pre`` has run is what the 6.7 installer does, and a claim of
docs/seen.md.
"""

import posixpath
import re
import shlex
import sys
from typing import List, Optional, Sequence

from esxforge_target.contract.kickstart_sections import STRICT, carried, section_of
from esxforge_target.contract.names import INSTALL_INCLUDE, KICKSTART, LAST_CHECK, ROOT_PASSWORD_INCLUDE
from esxforge_target.formats.kickstart import Kickstart, no_text
from esxforge_target.formats.kickstart_merge import Additions, included, kept_install_options
from esxforge_target.installer.environment import Installer
from esxforge_target.installer.pre import NO_DATASTORE
from esxforge_target.installer.step import run_step
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report

_OURS = (INSTALL_INCLUDE, ROOT_PASSWORD_INCLUDE)
_MOST_FILES = 64
_URL = re.compile("[a-z]+://", re.IGNORECASE)
_CORRECT = "Correct what writes this file, or write its lines into the kickstart itself."


def main(words: "Optional[Sequence[str]]" = None, installer: "Optional[Installer]" = None) -> int:
    """The section's exit status: 0 only if ESXi may be installed."""
    guard, manner = sys.argv[1:] if words is None else words
    installer = installer or Installer()
    status = run_step(
        installer,
        lambda one, report: check(one, report, guard, manner),
        "ESXi was NOT installed:",
        manner != STRICT,
    )
    if status:
        installer.remove(INSTALL_INCLUDE)
    return status


def check(installer: Installer, report: Report, guard: str, manner: str) -> None:
    """Rewrite every included file. Raises ForgeError where ESXi must not be installed."""
    golden = manner == STRICT
    ours = Additions(
        include=INSTALL_INCLUDE,
        network="network",
        last=() if golden else (section_of("%post", LAST_CHECK),),
        left_out=(("reboot", "the disk is captured before its first boot"),) if golden else (),
        carry=lambda section: carried(section, guard, manner),
    )
    waiting = includes_of(Kickstart.parse(installer.read(KICKSTART)), KICKSTART)
    done = []  # type: List[str]
    options = []  # type: List[str]
    while waiting:
        path = waiting.pop(0)
        if path in done or path in _OURS:
            continue
        if len(done) == _MOST_FILES:
            raise ForgeError("The kickstart includes more than {} files.".format(_MOST_FILES), _CORRECT)
        done.append(path)
        data = _read(installer, path)
        kickstart = _parsed(path, data)
        if golden and any(section.name == "%post" for section in kickstart.sections):
            raise ForgeError("{}: it has a %post section, which a golden build cannot wait for.".format(path), _CORRECT)
        changed, notices = included(path, data, ours)
        for notice in notices:
            report.warn(notice)
        if changed != data:
            installer.write(path, changed)
        report.say("{}, which your kickstart includes: {} lines changed".format(path, len(notices)))
        waiting += includes_of(kickstart, path)
        options += kept_install_options(kickstart)
    if options:
        add_install_options(installer, report, options)


def add_install_options(installer: Installer, report: Report, options: "Sequence[str]") -> None:
    """Hand the options of the included files' install lines on to ours. Raises ForgeError."""
    line = installer.read(INSTALL_INCLUDE, _CORRECT).decode("ascii", "replace").strip()
    there = [word.lower() for word in shlex.split(line)]
    added = []  # type: List[str]
    for option in options:
        if option.lower() in there or option in added:
            continue
        if option.lower() == NO_DATASTORE:
            report.warn(
                "{} of an included file is left out: only the kickstart itself can say it, where MAAS names no "
                "datastore".format(option)
            )
            continue
        added.append(option)
    if added:
        line = " ".join([line] + [shlex.quote(option) for option in added])
        installer.write(INSTALL_INCLUDE, line.encode("ascii", "replace") + b"\n")
        report.say("the installer gets: {}".format(line))


def includes_of(kickstart: Kickstart, path: str) -> "List[str]":
    """The files that a file includes, as the 6.7 installer finds them: a path without ``/`` at its start is one from
    the root, one with ``.`` is relative to the including file. Raises ForgeError for a URL."""
    found = []
    for command in kickstart.named("%include"):
        name = command.arguments[-1] if command.arguments else ""
        if name.startswith("file://"):
            name = name[len("file://") :]
        if not name or _URL.match(name):
            raise ForgeError(
                "{} line {}: what %include names cannot be looked at before the installer reads it.".format(
                    path, command.line
                ),
                "Fetch it to a file in a %pre section, and include that file.",
            )
        directory = posixpath.dirname(path) if name.startswith(".") else "/"
        found.append(posixpath.normpath(posixpath.join(directory, name)))
    return found


def _parsed(path: str, data: bytes) -> Kickstart:
    unreadable = no_text(data)
    if unreadable is not None:
        line, message, hint = unreadable
        raise ForgeError("{} line {}: {}".format(path, line, message), hint)
    return Kickstart.parse(data)


def _read(installer: Installer, path: str) -> bytes:
    return installer.read(path, "Your kickstart includes it; does a %pre section of yours write it? " + _CORRECT)


if __name__ == "__main__":
    sys.exit(main())

"""Run a script of the user's kickstart, from stdin: ``user_script SECTION LINE INTERPRETER SECONDS GUARD MANNER``.

A child of its own, in a session of its own, so that whatever it does ends nothing but itself. With a guard ``halt``,
``poweroff`` and ``reboot`` are noted instead of done (kickstart_scripts says how), as MAAS does not switch the machine
on again; in ``%pre`` they reject the machine, so nothing is installed. Reports for the last check and the agent are
in ``NOTES``.

A ``%pre`` that fails stops the installation, as with VMware's installer. A ``%post`` that fails is noted; only if
the manner is strict (a golden build, whose ``%post`` does not say ``--ignorefailure=true``) it fails here, too.
"""

import os
import posixpath
import signal
import stat
import subprocess
import sys
from typing import Dict, List, Optional, Sequence

from esxforge_target.contract.kickstart_sections import GUARDED, STRICT
from esxforge_target.contract.names import INSTALL_INCLUDE, RUN
from esxforge_target.formats.kickstart_scripts import POWER_COMMANDS, guarded, stand_in_program
from esxforge_target.installer.environment import Installer
from esxforge_target.installer.step import run_step
from esxforge_target.runtime.commands import TIMED_OUT
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report

PROGRAMS = RUN + "/bin"
WISHES = RUN + "/wishes"
NOTES = RUN + "/notes"
_SCRIPT = RUN + "/line-{}"
_INTERPRETERS = {"busybox": ("/bin/sh",), "python": ("/bin/python", "/bin/python3")}


class Order:
    """The script to run, and how; ``seconds`` 0 for no limit."""

    def __init__(self, words: "Sequence[str]") -> None:
        section, line, interpreter, seconds, guard, manner = words
        self.section = section
        self.line = line
        self.interpreter = interpreter
        self.seconds = int(seconds)
        self.is_guarded = guard == GUARDED
        self.is_strict = manner == STRICT

    @property
    def name(self) -> str:
        """Name of the script as its author knows it."""
        return "your {} (line {} of your kickstart)".format(self.section, self.line)


def main(words: "Optional[Sequence[str]]" = None, installer: "Optional[Installer]" = None, script: str = "") -> int:
    """Return the section's exit status."""
    order = Order(sys.argv[1:] if words is None else words)
    if words is None:
        script = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return run_step(
        installer or Installer(),
        lambda one, report: run(one, report, order, script),
        "ESXi was NOT installed:" if order.section == "%pre" else "ESXi is installed, but not as you asked:",
        order.section == "%pre" and not order.is_strict,
    )


def run(installer: Installer, report: Report, order: Order, script: str) -> None:
    """Run it. Raises ForgeError if the installation must not go on."""
    report.say("{} starts".format(order.name))
    try:
        status = _status(installer, order, script)
        what = _ending(status, order)
    except OSError as error:
        what = "could not be started: {}".format(error.strerror)
    except ForgeError as error:
        what = "could not be run: {}".format(error.message.rstrip("."))
    called = power_wishes(installer)
    if called and order.section == "%pre":
        # Its author meant: not on this machine. Merely noting it would turn that into an installation.
        installer.remove(INSTALL_INCLUDE)
        raise ForgeError(
            "{} asked to stop ({}).".format(capitalized(order.name), ", ".join(called)),
            "A power command in %pre refuses the machine. The script's output is above; deploy another machine, "
            "or correct the script.",
        )
    for sentence in noted(order.name, called):
        report.warn(sentence)
        add_note(installer, sentence)
    if not what:
        report.say("{} has ended".format(order.name))
        return
    failure = "{} {}.".format(capitalized(order.name), what)
    if order.section == "%pre":
        installer.remove(INSTALL_INCLUDE)
        raise ForgeError(failure, "A %pre that fails stops the installation. Its output is above.")
    if order.is_strict:
        raise ForgeError(failure, "Correct it, or write --ignorefailure=true beside %post if that may be.")
    report.warn(failure)
    add_note(installer, failure)


def _ending(status: int, order: Order) -> str:
    """Return how a script failed, in words; empty if it did not."""
    if status == TIMED_OUT and order.seconds:
        return "was ended after {} seconds, as its --timeout says".format(order.seconds)
    if status < 0:
        return "was ended by signal {}".format(-status)
    return "ended with status {}".format(status) if status else ""


def power_wishes(installer: Installer) -> "List[str]":
    """Return the power commands that were called since the last query."""
    try:
        with open(installer.locate(WISHES), encoding="ascii", errors="replace") as stream:
            names = stream.read().split()
    except OSError:
        return []
    installer.remove(WISHES)
    return sorted(set(names))


def noted(who: str, names: "Sequence[str]") -> "List[str]":
    """Return a sentence for each power command that was not carried out."""
    form = "{} called {}: it was not done, as MAAS does not power the machine on again."
    return [form.format(capitalized(who), name) for name in names]


def capitalized(text: str) -> str:
    """Return the text as the beginning of a sentence; the rest keeps its letters."""
    return text[:1].upper() + text[1:]


def notes(installer: Installer) -> "List[str]":
    """Return the notes to report, one sentence each."""
    try:
        with open(installer.locate(NOTES), encoding="utf-8", errors="replace") as stream:
            return [line for line in stream.read().split("\n") if line]
    except OSError:
        return []


def add_note(installer: Installer, sentence: str) -> None:
    """Add one more sentence to report."""
    installer.write(NOTES, "".join(line + "\n" for line in notes(installer) + [sentence]).encode("utf-8"))


def _status(installer: Installer, order: Order, script: str) -> int:
    """Return its exit status; negative for a signal, 124 if it took too long."""
    path = _SCRIPT.format(order.line)
    environment = dict(os.environ)  # type: Dict[str, str]
    for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    if order.is_guarded:
        _put_programs(installer)
        environment["PATH"] = "{}:{}".format(installer.locate(PROGRAMS), environment.get("PATH", "/bin:/sbin"))
        if order.interpreter == "busybox":
            script = guarded(script, installer.locate(WISHES))
    installer.write(path, script.encode("utf-8", "surrogateescape"))
    process = subprocess.Popen(
        [_interpreter(order.interpreter), installer.locate(path)],
        stdin=subprocess.DEVNULL,
        env=environment,
        cwd=installer.root,
        start_new_session=True,
    )
    try:
        status = process.wait(order.seconds or None)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        status = TIMED_OUT
    installer.remove(path)
    return status


def _interpreter(name: str) -> str:
    """Return the program; the installer's own interpreter for us if none of the usual ones is there."""
    if name not in _INTERPRETERS:
        raise ForgeError(
            "{!a} is not an interpreter that ESXi's installer has.".format(name),
            "Write --interpreter=busybox or --interpreter=python.",
        )
    found = [path for path in _INTERPRETERS[name] if os.path.exists(path)]
    return found[0] if found else (sys.executable or name)


def _put_programs(installer: Installer) -> None:
    directory = installer.locate(PROGRAMS)
    os.makedirs(directory, 0o700, exist_ok=True)
    for name in POWER_COMMANDS:
        path = posixpath.join(PROGRAMS, name)
        installer.write(path, stand_in_program(name, installer.locate(WISHES)).encode("ascii"))
        os.chmod(installer.locate(path), stat.S_IRWXU)


if __name__ == "__main__":
    sys.exit(main())

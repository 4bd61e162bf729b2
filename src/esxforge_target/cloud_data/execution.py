"""Carry out a plan, one action after the other; a failure is reported and the rest still done."""

import sys
from typing import Callable, Dict, List, Optional, Tuple

from esxforge_target.cloud_data.actions import (
    Action,
    ActionPlan,
    AddKeys,
    RunCommand,
    RunScript,
    SetPasswordHash,
    WriteFile,
)
from esxforge_target.cloud_data.errors import CloudDataError
from esxforge_target.cloud_data.files import HostFiles
from esxforge_target.cloud_data.write_files import persists
from esxforge_target.runtime.clock import Clock
from esxforge_target.runtime.commands import TIMED_OUT, Runner
from esxforge_target.runtime.values import Value

AUTHORIZED_KEYS = "/etc/ssh/keys-root/authorized_keys"
SHADOW = "/etc/shadow"
_SCRIPT = "/tmp/esxforge-user-data-script"  # noqa: S108  the agent's own host, root only; removed after the run
_OUTPUT = "/tmp/esxforge-user-data-output"  # noqa: S108
_LONGEST_OUTPUT = 64 * 1024
# The output goes to a file, so that a program left running in the background does not hold us. Fixed text: the names
# come in as $0 and "$@".
_INTO_FILE = 'exec "$@" >"$0" 2>&1 </dev/null'


class Host:
    """Where a plan is carried out: file system, commands, clock and log. Tests use their own."""

    def __init__(
        self,
        files: HostFiles,
        runner: Runner,
        log: "Callable[[str], None]",
        clock: Optional[Clock] = None,
        python: str = sys.executable or "python",
    ) -> None:
        self.files = files
        self.runner = runner
        self.log = log
        self.clock = clock or Clock()
        self.python = python


class Outcome(Value):
    """Result of a plan. ``done``: actions that succeeded; ``problems``: a sentence for each that did not."""

    __slots__ = ("done", "problems", "notices")

    def __init__(self, done: "Tuple[Action, ...]", problems: "Tuple[str, ...]", notices: "Tuple[str, ...]") -> None:
        self.done = done
        self.problems = problems
        self.notices = notices

    def failure(self, what: str) -> str:
        """Return the text of a FAIL event about ``what`` ("user-data"), or an empty string if all went well.

        It says that the status stays, because MAAS shows the failure and leaves the machine Deployed.
        """
        if not self.problems:
            return ""
        return "{}: {} of it failed; the machine stays Deployed. {}".format(
            what,
            "1 part" if len(self.problems) == 1 else "{} parts".format(len(self.problems)),
            " ".join(self.problems),
        )


def apply_plan(plan: ActionPlan, host: Host, seconds: float = 300.0) -> Outcome:
    """Carry out ``plan`` within ``seconds``; never raises for what the plan asks. Notices and problems are logged too,
    those of the plan itself included.
    """
    deadline = host.clock.monotonic() + seconds
    done = []  # type: List[Action]
    problems = list(plan.problems)
    notices = list(plan.notices)
    for action in plan.actions:
        left = deadline - host.clock.monotonic()
        try:
            if left <= 0:
                problems.append("{} was left: the time limit of {:g} s is over.".format(_name(action), seconds))
                continue
            host.log("starting: {}".format(_name(action)))
            notices.extend(_DOERS[type(action)](action, host, left))
            done.append(action)
        except CloudDataError as error:
            problems.append(error.message)
        except OSError as error:
            problems.append("{} failed: {}.".format(_name(action), error.strerror or "no reason given"))
    for notice in notices:
        host.log("notice: " + notice)
    for problem in problems:
        host.log("problem: " + problem)
    return Outcome(tuple(done), tuple(problems), tuple(notices))


def _name(action: Action) -> str:
    if isinstance(action, WriteFile):
        return "writing {}".format(action.path)
    if isinstance(action, AddKeys):
        return "adding {} SSH keys".format(len(action.keys))
    if isinstance(action, RunCommand):
        return "the command {}".format(" ".join(action.arguments))
    if isinstance(action, RunScript):
        return "{} ({})".format(action.name, action.interpreter)
    if isinstance(action, SetPasswordHash):
        return "the password of {}".format(action.user)
    return type(action).__name__


def _write(action: WriteFile, host: Host, left: float) -> "List[str]":
    content = action.content
    if action.append:
        content = (host.files.read(action.path) or b"") + content
    kept = persists(action.path, host.files.is_sticky(action.path))
    mode = action.mode
    if action.append and mode < 0 and host.files.read(action.path) is None:
        mode = 0o644
    host.files.write(action.path, content, mode)
    return [] if kept else ["{} is in memory only: ESXi forgets it at the next reboot.".format(action.path)]


def _add_keys(action: AddKeys, host: Host, left: float) -> "List[str]":
    before = (host.files.read(AUTHORIZED_KEYS) or b"").decode("utf-8", "surrogateescape")
    there = [line.strip() for line in before.split("\n")]
    new = [key for key in action.keys if key not in there]
    if new:
        start = before if not before or before.endswith("\n") else before + "\n"
        text = start + "".join(key + "\n" for key in new)
        host.files.write(AUTHORIZED_KEYS, text.encode("utf-8", "surrogateescape"))
    return []


def _run(action: RunCommand, host: Host, left: float) -> "List[str]":
    result = host.runner.run(list(action.arguments), timeout=min(left, 60.0))
    if result.status != 0:
        said = " ".join((result.stderr or result.stdout).split())[-300:]
        raise CloudDataError("{} ended with {}: {}".format(_name(action), result.status, said or "it said nothing."))
    return []


def _run_script(action: RunScript, host: Host, left: float) -> "List[str]":
    interpreter = host.python if action.interpreter == "python" else "sh"
    output, script = host.files.locate(_OUTPUT), host.files.locate(_SCRIPT)
    try:
        host.files.write(_SCRIPT, action.content, 0o600)
        host.files.write(_OUTPUT, b"", 0o600)
        arguments = ["sh", "-c", _INTO_FILE, output, interpreter] + list(action.options) + [script]
        result = host.runner.run(arguments, timeout=left)
        said = (host.files.read(_OUTPUT) or b"")[-_LONGEST_OUTPUT:].decode("utf-8", "replace")
    finally:
        host.files.remove(_SCRIPT)
        host.files.remove(_OUTPUT)
    for line in said.splitlines():
        host.log("| " + line)
    if result.status == TIMED_OUT:
        raise CloudDataError("{} was ended after {:g} seconds.".format(_name(action), left))
    if result.status != 0:
        raise CloudDataError("{} ended with {}; its output is in the log.".format(_name(action), result.status))
    return []


def _set_password(action: SetPasswordHash, host: Host, left: float) -> "List[str]":
    text = (host.files.read(SHADOW) or b"").decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    for number, line in enumerate(lines):
        fields = line.split(":")
        if fields[0] == action.user and len(fields) > 2:
            fields[1] = action.hash
            lines[number] = ":".join(fields)
            host.files.write(SHADOW, "\n".join(lines).encode("utf-8", "surrogateescape"))
            return []
    raise CloudDataError("{} was not changed: there is no such account.".format(_name(action)))


_DOERS = {
    WriteFile: _write,
    AddKeys: _add_keys,
    RunCommand: _run,
    RunScript: _run_script,
    SetPasswordHash: _set_password,
}  # type: Dict[type, Callable[..., List[str]]]

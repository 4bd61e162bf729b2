"""How a script of a kickstart ends the machine: by the bare name of a command, which esxforge can note instead, or in a
way that it cannot get hold of. Reading decides only what is plain: what a script writes and runs later is not seen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from esxforge.formats.shell_commands import ShellCommand, shell_commands
from esxforge_target.formats.kickstart_scripts import POWER_COMMANDS

_NAMES = "|".join(POWER_COMMANDS)
_NAMED = re.compile(rf"(?<![\w.-])({_NAMES})(?![\w.-])")
# They start what they are given as a child, or in the place of the shell: its functions do not reach there.
_STARTERS = frozenset((
    "ash", "bash", "busybox", "chroot", "command", "env", "exec", "nice", "nohup", "python", "python3", "setsid", "sh",
    "su", "timeout", "watch", "xargs",
))  # fmt: skip
_PYTHON_SAYS = frozenset(("print", "write", "debug", "info", "warning", "error", "log", "append"))


@dataclass(frozen=True, slots=True)
class PowerCall:
    """A call that ends the machine; ``line`` from 1 in the script, ``written`` as it stands there. ``is_plain``: by its
    bare name in the script's own shell."""

    line: int
    name: str
    written: str
    is_plain: bool


def power_calls(script: str, interpreter: str) -> list[PowerCall]:
    """Every call that can be seen, in the order of the script."""
    found = _in_python(script) if interpreter == "python" else _in_shell(script)
    return sorted(found, key=lambda call: call.line)


def _in_shell(script: str) -> Iterator[PowerCall]:
    for command in shell_commands(script):
        yield from _of_command(command)


def _of_command(command: ShellCommand) -> Iterator[PowerCall]:
    directory, _, base = command.name.rpartition("/")
    rest = " ".join(command.words[1:])
    if base in POWER_COMMANDS:
        yield PowerCall(command.line, base, command.name, is_plain=not directory and command.name == base)
    elif base in {"esxcli", "localcli"} and "shutdown" in command.words:
        for name in ("poweroff", "reboot"):
            if name in command.words:
                yield PowerCall(command.line, name, f"{base} system shutdown {name}", is_plain=False)
    elif base in _STARTERS:
        match = _NAMED.search(rest)
        if match:
            yield PowerCall(command.line, match[1], f"{command.name} … {match[1]}", is_plain=False)
    elif base in {"eval", "trap"}:
        match = _NAMED.search(rest)
        if match:
            is_plain = not rest[: match.start()].endswith("/")
            yield PowerCall(command.line, match[1], f"{command.name} … {match[1]}", is_plain=is_plain)


def _in_python(script: str) -> Iterator[PowerCall]:
    try:
        tree = ast.parse(script)
    except (SyntaxError, ValueError, RecursionError):
        for number, line in enumerate(script.split("\n"), 1):
            match = _NAMED.search(line.split("#", 1)[0])
            if match:
                yield PowerCall(number, match[1], match[1], is_plain=False)
        return
    said = {id(node) for statement in ast.walk(tree) for node in _only_said(statement)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in said:
            continue
        text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
        match = _NAMED.search(text) if isinstance(text, str) else None
        if match:
            yield PowerCall(node.lineno, match[1], f"{match[1]} through Python", is_plain=False)


def _only_said(node: ast.AST) -> Iterator[ast.AST]:
    """Texts that are shown or documented, not run."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    elif isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in _PYTHON_SAYS:
            for argument in node.args:
                yield from ast.walk(argument)

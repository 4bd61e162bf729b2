"""Find calls in kickstart scripts that end the machine: by a command's bare name, which esxforge can intercept, or in
a way that it cannot. Reading the script settles only plain cases: of a path that a script keeps in a variable or
writes to a file it cannot be said whether it is run, and commands that a script assembles itself are not seen."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from esxforge.formats.shell_commands import ShellCommand, read_script, without_prefixes
from esxforge_target.formats.kickstart_scripts import POWER_COMMANDS

_NAMES = "|".join(POWER_COMMANDS)
_NAMED = re.compile(rf"(?<![\w.-])({_NAMES})(?![\w.-])")
_ANYWHERE = re.compile(rf"(?:/[\w.-]+)*/({_NAMES})(?![\w.-])|system\W+shutdown\W+(poweroff|reboot)\b")
_SHELLS = frozenset(("ash", "bash", "sh", "su"))
_PYTHONS = frozenset(("python", "python2", "python3"))
# They start the given command as a child, or in place of the shell: the shell's functions do not reach there.
_STARTERS = frozenset(
    ("busybox", "chroot", "command", "env", "exec", "nice", "nohup", "setsid", "timeout", "watch", "xargs")
)
_WITH_VALUE = frozenset(("-I", "-L", "-P", "-a", "-k", "-n", "-s", "-u"))
_PYTHON_SAYS = frozenset(("print", "debug", "info", "warning", "error", "log", "syslog"))
_PYTHON_RUNS = re.compile(
    r"system|popen\d?|call|run|Popen|check_call|check_output|getoutput|getstatusoutput|exec[lv]p?e?|spawn[lv]p?e?|"
    "posix_spawnp?|startfile"
)


@dataclass(frozen=True, slots=True)
class PowerCall:
    """A call that ends the machine; ``line`` from 1 in the script, ``written`` verbatim. ``is_plain``: by its
    bare name in the script's own shell. ``is_certain`` False: it is unknown whether the text is ever run."""

    line: int
    name: str
    written: str
    is_plain: bool
    is_certain: bool = True


def power_calls(script: str, interpreter: str) -> list[PowerCall]:
    """Return every call that can be seen, in the order of the script."""
    found = _in_python(script) if interpreter == "python" else _in_shell(script)
    return sorted(found, key=lambda call: call.line)


def _in_shell(script: str) -> Iterator[PowerCall]:
    read = read_script(script)
    seen: set[tuple[int, str]] = set()
    feeding: list[ShellCommand] = []
    for command in read.commands:
        for call in (*_of_command(command), *_fed(command, feeding)):
            last = max(call.line, command.last_line)
            seen |= {(line, call.name) for line in range(min(call.line, command.line), last + 1)}
            yield call
        feeding = [*feeding, command] if command.is_piped else []
    for number, line in enumerate(read.lines, 1):
        match = _ANYWHERE.search(line)
        if match and (number, match[1] or match[2]) not in seen:
            yield PowerCall(number, match[1] or match[2], match[0], is_plain=False, is_certain=False)


def _of_command(command: ShellCommand) -> Iterator[PowerCall]:
    directory, _, base = command.name.rpartition("/")
    words = command.words
    if base in POWER_COMMANDS:
        yield PowerCall(command.line, base, command.name, is_plain=not directory and command.name == base)
    elif base in {"esxcli", "localcli"} and "shutdown" in words:
        for name in ("poweroff", "reboot"):
            if name in words:
                yield PowerCall(command.line, name, f"{base} system shutdown {name}", is_plain=False)
    elif base in _SHELLS | _PYTHONS:
        text = _given(words)
        yield from _through(command, power_calls(text, "python" if base in _PYTHONS else "busybox"))
    elif base in _STARTERS:
        yield from _through(command, _of_words(command, _started(words)))
    elif base == "find":
        starts = [at for at, word in enumerate(words) if word in {"-exec", "-execdir", "-ok", "-okdir"}]
        for at in starts:
            yield from _through(command, _of_words(command, words[at + 1 :]))
    elif base in {"eval", "trap"}:
        text = " ".join(words[1:]) if base == "eval" else "".join(words[1:2])
        for call in power_calls(text, "busybox"):
            yield replace(call, line=command.line, written=f"{command.name} … {call.name}")


def _base(word: str) -> str:
    return word.rpartition("/")[2]


def _of_words(command: ShellCommand, words: Sequence[str]) -> list[PowerCall]:
    return list(_of_command(replace(command, words=tuple(words)))) if words else []


def _through(command: ShellCommand, calls: Sequence[PowerCall]) -> Iterator[PowerCall]:
    """Yield the first of the calls that a command makes as a child of its own."""
    for call in sorted(calls, key=lambda call: not call.is_certain)[:1]:
        yield replace(call, line=command.line, written=f"{command.name} … {call.name}", is_plain=False)


def _given(words: Sequence[str]) -> str:
    """Return the script given to a shell or a Python after ``-c``; empty if there is none."""
    for at, word in enumerate(words[1:-1], 1):
        if re.fullmatch(r"-[a-zA-Z]*c", word):
            return words[at + 1]
    return ""


def _started(words: Sequence[str]) -> tuple[str, ...]:
    """Return the command given to a starter; empty if it is only looked up (``command -v``)."""
    starter = _base(words[0])
    rest = list(words[1:])
    if starter == "command" and rest[:1] in (["-v"], ["-V"]):
        return ()
    if starter == "chroot":
        rest = [word for word in rest if not word.startswith("-")][1:]
    while rest and (rest[0].startswith("-") or re.match(r"\d", rest[0])):
        del rest[: 2 if rest[0] in _WITH_VALUE else 1]
    return without_prefixes(rest)


def _fed(command: ShellCommand, feeding: Sequence[ShellCommand]) -> Iterator[PowerCall]:
    """Yield the calls of a shell or a Python that reads its script from a here-document or a pipe."""
    words = command.words
    while words and _base(words[0]) in _STARTERS:
        words = _started(words)
    base = _base(words[0]) if words else ""
    if base not in _SHELLS | _PYTHONS or _given(words):
        return
    interpreter = "python" if base in _PYTHONS else "busybox"
    for source in (*feeding, command):
        scripts = [(document.line, document.text) for document in source.here]
        if source is not command and _base(source.name) in {"echo", "printf"}:
            scripts.append((source.line, " ".join(source.words[1:]).replace("\\n", "\n")))
        for line, text in scripts:
            for call in power_calls(text, interpreter):
                at = line + call.line - 1 if source.here else source.line
                yield replace(call, line=at, written=f"{command.name} … {call.name}", is_plain=False)


def _in_python(script: str) -> Iterator[PowerCall]:
    try:
        tree = ast.parse(script)
    except (SyntaxError, ValueError, RecursionError):
        for number, line in enumerate(script.split("\n"), 1):
            match = _NAMED.search(line.split("#", 1)[0])
            if match:
                runs = re.search(rf"\b({_PYTHON_RUNS.pattern})\s*\(", line) is not None
                yield PowerCall(number, match[1], match[1], is_plain=False, is_certain=runs)
        return
    said = {id(node) for statement in ast.walk(tree) for node in _arguments(statement, _is_said)}
    run = {id(node) for statement in ast.walk(tree) for node in _arguments(statement, _is_run)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in said - run:
            continue
        text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
        match = _NAMED.search(text) if isinstance(text, str) else None
        if match:
            written = f"{match[1]} through Python" if id(node) in run else match[1]
            yield PowerCall(node.lineno, match[1], written, is_plain=False, is_certain=id(node) in run)


def _is_said(name: str) -> bool:
    return name in _PYTHON_SAYS


def _is_run(name: str) -> bool:
    return _PYTHON_RUNS.fullmatch(name) is not None


def _arguments(node: ast.AST, is_meant: Callable[[str], bool]) -> Iterator[ast.AST]:
    """Yield all nodes within the arguments of calls that ``is_meant`` accepts; a bare string counts as printed."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and is_meant("print"):
        yield node.value
    elif isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if is_meant(name):
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from ast.walk(argument)

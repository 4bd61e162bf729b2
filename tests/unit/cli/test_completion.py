"""Completion, asked of real shells: verbs, nested verbs, options and the values of options."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_BIN = str(Path(sys.executable).parent)
_PATIENCE = 120.0

Complete = Callable[[str], list[str]]


def _environment(home: Path) -> dict[str, str]:
    """The installed command is found first: completion goes by its name."""
    return {
        "PATH": f"{_BIN}:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "XDG_DATA_HOME": str(home),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }


def _script(shell: str, home: Path) -> Path:
    path = home / f"completion.{shell}"
    done = subprocess.run(
        ["esxforge", "--show-completion", shell],
        capture_output=True,
        text=True,
        check=True,
        env={**_environment(home), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    path.write_text(done.stdout)
    return path


def _output(home: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=True, env=_environment(home), cwd=home, timeout=_PATIENCE
    )
    return done.stdout.split("\n")


def _in_bash(home: Path) -> Complete:
    program = """\
source "$1"
read -r -a COMP_WORDS <<<"$2"
[[ $2 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
function=$(complete -p esxforge | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
"$function" esxforge "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
    script = str(_script("bash", home))
    return lambda line: _output(home, "bash", "--norc", "-c", program, "bash", script, line)


def _in_fish(home: Path) -> Complete:
    script = _script("fish", home)

    def complete(line: str) -> list[str]:
        found = _output(home, "fish", "--no-config", "-c", f"source {script}; complete -C '{line}'")
        return [row.partition("\t")[0] for row in found]

    return complete


@pytest.mark.parametrize(
    ("line", "expected", "other"),
    [
        ("esxforge bu", "build", "images"),
        ("esxforge images ", "delete", "build"),
        ("esxforge images l", "list", "delete"),
        ("esxforge help images s", "show", "list"),
        ("esxforge build --root-password-r", "--root-password-random", "--root-password-file"),
        ("esxforge build --kind ", "golden", "ddgz"),
        ("esxforge build --kind g", "golden", "installer"),
        ("esxforge build --sector-size 4", "4096", "512"),
        ("esxforge capture d --format r", "raw", "ddgz"),
        ("esxforge run --accel t", "tcg", "kvm"),
        ("esxforge run --nic v", "vmxnet3", "e1000"),
        ("esxforge plan --kind i", "installer", "golden"),
    ],
)
@pytest.mark.parametrize("shell", [_in_bash, _in_fish], ids=["bash", "fish"])
def test_bash_and_fish_complete(
    shell: Callable[[Path], Complete], line: str, expected: str, other: str, tmp_path: Path
) -> None:
    found = shell(tmp_path)(line)
    assert expected in found
    assert other not in found


def _zsh(home: Path, line: str) -> str:
    """What stands on zsh's command line after ``line`` and TAB. A widget behind a second key writes it to a file."""
    result = home / "buffer"
    (home / "start.zsh").write_text(
        f"""\
autoload -Uz compinit && compinit -u -D
source {_script("zsh", home)}
unsetopt list_beep
setopt no_auto_menu
show-line() {{ print -r -- "$BUFFER" >{result}.new && mv {result}.new {result} }}
zle -N show-line
bindkey '^I' complete-word
bindkey '^O' show-line
PS1='ready> '
"""
    )
    terminal, inner = pty.openpty()
    shell = subprocess.Popen(  # --ctty: the command line is edited on the terminal that controls the shell
        ["setsid", "--ctty", "zsh", "-f", "-i"],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=_environment(home),
        cwd=home,
    )
    os.close(inner)
    seen, typed, deadline = b"", False, time.monotonic() + _PATIENCE
    try:
        os.write(terminal, b"source start.zsh\n")
        while not result.exists() and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 65536)
            if not typed and b"\nready> " in seen.replace(b"\r", b"\n"):
                os.write(terminal, line.encode() + b"\t\x0f")
                typed = True
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
    return result.read_text().rstrip("\n") if result.exists() else seen.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("esxforge buil", "esxforge build "),
        ("esxforge images d", "esxforge images delete "),
        ("esxforge build --root-password-r", "esxforge build --root-password-random "),
        ("esxforge build --kind g", "esxforge build --kind golden "),
        ("esxforge run --nic v", "esxforge run --nic vmxnet3 "),
    ],
)
def test_zsh_completes(line: str, expected: str, tmp_path: Path) -> None:
    assert _zsh(tmp_path, line) == expected

"""SIGKILL at every call that creates, links, renames, unlinks or syncs, a run each; ``make kills`` does it to builds.

strace counts the calls of an undisturbed run; then, for each of them, a run gets SIGKILL as it is about to make it.
After each kill the files are looked at, the same command runs again undisturbed, and they are looked at once more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unit.local.set_writer import KINDS

CALLS = (
    *("openat", "mkdirat", "mkdir", "linkat", "link", "renameat", "renameat2", "rename", "unlinkat", "unlink"),
    *("fsync", "fdatasync"),
)
_TESTS = Path(__file__).parents[2]
# Opening is counted in the output's directory only: starting Python opens hundreds of files.
_ONLY_THERE = ("openat",)


@dataclass(frozen=True, slots=True)
class Program:
    """A command that writes files into a directory. ``check`` gets its path and what state it must be in: "killed" or
    "finished"; it raises AssertionError."""

    name: str
    command: Callable[[Path], Sequence[str]]
    prepare: Callable[[Path], None]
    check: Callable[[Path, str], None]


def can_trace() -> bool:
    """strace is there, and may trace: some containers forbid it."""
    if shutil.which("strace") is None:
        return False
    done = subprocess.run(["strace", "-o", "/dev/null", "-e", "trace=none", "true"], capture_output=True, check=False)
    return done.returncode == 0


def kill_everywhere(program: Program) -> Iterator[tuple[str, int]]:
    """Kill the program at every call, one after the other; yields each call and its number once it was found right."""
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        counts = _count(program, Path(name))
    for call, count in counts.items():
        for number in range(1, count + 1):
            with tempfile.TemporaryDirectory(prefix="kills-") as name:
                _kill(program, Path(name), call, number)
            yield call, number


def _count(program: Program, place: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for calls in (_ONLY_THERE, tuple(call for call in CALLS if call not in _ONLY_THERE)):
        directory = _directory(program, place / calls[0])
        log = place / f"{calls[0]}.log"
        done = _strace(
            program, directory, [*_where(calls, directory), "-o", str(log), "-e", f"trace={','.join(calls)}"]
        )
        assert done.returncode == 0, done.stderr
        program.check(directory, "finished")
        for line in log.read_text("utf-8", "replace").splitlines():
            if match := re.match(r"\d+ +(\w+)\(", line):
                counts[match[1]] += 1
    return counts


def _kill(program: Program, place: Path, call: str, number: int) -> None:
    directory = _directory(program, place / "out")
    inject = [f"--inject={call}:signal=KILL:when={number}", "-o", "/dev/null"]
    killed = _strace(program, directory, [*_where((call,), directory), *inject])
    assert killed.returncode in (-9, 137), f"{call} {number}: not killed: {killed.stdout} {killed.stderr}"
    program.check(directory, "killed")
    again = subprocess.run(
        program.command(directory), capture_output=True, text=True, check=False, env=_environment(), timeout=120
    )
    assert again.returncode == 0 or "exists" in again.stdout + again.stderr, f"{call} {number}: {again.stderr}"
    program.check(directory, "finished")


def _directory(program: Program, directory: Path) -> Path:
    directory.mkdir()
    program.prepare(directory)
    return directory


def _where(calls: Sequence[str], directory: Path) -> list[str]:
    return ["-P", str(directory)] if set(calls) <= set(_ONLY_THERE) else []


def _strace(program: Program, directory: Path, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-f", *options, "--", *program.command(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(), timeout=120)


def _environment() -> dict[str, str]:
    """Byte code is neither written, which would be renamed into place, nor are tests' own settings passed on."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(_TESTS), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


_BUILD = """
import sys
from unit.local.set_writer import limit
limit(sys.argv.pop(1), setattr)
from esxforge.cli.main import main
main()
"""


def builds(iso: Path) -> Iterator[Program]:
    """``esxforge build`` on each kind of file system, with and without an old image, with its manifest and SBOM."""
    for kind in KINDS:
        for how in ("new", "over an old image"):

            def command(directory: Path, kind: str = kind, how: str = how) -> list[str]:
                output = ["-o", str(directory / "i.dd.gz"), *(["--force"] if how != "new" else [])]
                flags = ["--accept-eula", "--root-password-random", "--sbom", "--json"]
                return [sys.executable, "-c", _BUILD, kind, "build", str(iso), *output, *flags]

            def prepare(directory: Path, how: str = how) -> None:
                if how != "new":
                    subprocess.run(
                        [*command(directory, "unnamed"), "--sector-size", "4096"],
                        check=True,
                        capture_output=True,
                        env=_environment(),
                    )

            yield Program(f"build, {kind}, {how}", command, prepare, _check_build)


def _check_build(directory: Path, state: str) -> None:
    names = {path.name for path in directory.iterdir() if not path.name.startswith(".")}
    image = directory / "i.dd.gz"
    if image.exists():
        verified = subprocess.run(
            [sys.executable, "-m", "esxforge", "verify", str(image), "--json"],
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
        )
        assert verified.returncode == 0, verified.stderr  # it compares the manifest beside the image, too
        sha256 = json.loads(verified.stdout)["sha256"]
        if "i.dd.gz.sbom.json" in names:
            bill = json.loads((directory / "i.dd.gz.sbom.json").read_bytes())
            assert bill["metadata"]["component"]["hashes"][0]["content"] == sha256
    if state == "finished":
        assert {path.name for path in directory.iterdir()} >= {"i.dd.gz"}
        assert not [path.name for path in directory.iterdir() if path.name.startswith(".")]


def main() -> None:
    """A line for each kind of build; ends with an AssertionError where a kill did harm."""
    if not can_trace():
        raise SystemExit("strace is not installed, or may not trace here.")
    total = 0
    with tempfile.TemporaryDirectory() as name:
        iso = Path(name, "s.iso")
        subprocess.run([sys.executable, "-m", "esxforge", "standin-iso", str(iso)], check=True, capture_output=True)
        for program in builds(iso):
            counts = Counter(call for call, _ in kill_everywhere(program))
            total += counts.total()
            told = ", ".join(f"{call} {count}" for call, count in counts.items())
            print(f"{program.name}: {counts.total()} kills ({told}): no harm", flush=True)
    print(f"{total} kills, 0 failures")


if __name__ == "__main__":
    main()

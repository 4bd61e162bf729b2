"""``python -m fuzz.guided SECONDS [TARGET…]``: an input that reaches new branches of a reader is changed further.

Atheris does it, which has wheels for CPython 3.11 on Linux x86-64 only; ``make fuzz-coverage`` installs it. libFuzzer
ends its process, so each target has one of its own. What is found stays in ``build/fuzz/TARGET``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from random import Random

_LONGEST_INPUT = 1 << 20
# Seconds after which libFuzzer takes one input for a finding.
_SLOW_SECONDS = 60
_ONE = "--one"


def is_there() -> bool:
    """Atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def fuzz_one(name: str, arguments: list[str]) -> None:
    """Fuzz one target as long as libFuzzer's ``arguments`` say. Does not return: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["esxforge", "esxforge_target"]):
        from esxforge_target.runtime.errors import ForgeError
        from fuzz.__main__ import TARGETS

    target = next(one for one in TARGETS if one.name == name)

    def run(data: bytes) -> None:
        with suppress(ForgeError):
            target.run(data)

    def change(data: bytes, most: int, seed: int) -> bytes:
        return target.mutate(Random(seed), data)[:most]  # noqa: S311

    with tempfile.TemporaryDirectory(prefix="esxforge-fuzz-") as directory:
        for number, seed in enumerate([*target.seeds(), *(path.read_bytes() for path in target.cases)]):
            Path(directory, str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *arguments, directory], run, custom_mutator=change)
        atheris.Fuzz()


def _start(name: str, seconds: float, seed: int) -> bool:
    """Whether nothing was found."""
    findings = Path("build/fuzz", name)
    findings.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={max(1, round(seconds))}", f"-max_len={_LONGEST_INPUT}", f"-timeout={_SLOW_SECONDS}"]
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.guided", _ONE, name, *limits, f"-seed={seed}", f"-artifact_prefix={findings}/"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    lines = done.stdout.splitlines()
    told = next((line for line in reversed(lines) if "cov: " in line), "no input was run")
    print(f"{name:18} {told.strip()}", flush=True)
    if done.returncode != 0:
        print(f"{name}: exit status {done.returncode}; see {findings}", *lines[-40:], sep="\n", flush=True)
    return done.returncode == 0


def main() -> int:
    """0 without findings, else 1."""
    if sys.argv[1:2] == [_ONE]:
        fuzz_one(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(prog="python -m fuzz.guided", description=__doc__)
    parser.add_argument("seconds", type=float, help="for all targets together")
    parser.add_argument("targets", nargs="*", help="names; all without")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_intermixed_args()
    if not is_there():
        parser.error("Atheris is not installed: make fuzz-coverage, with CPython 3.11 on Linux x86-64")
    from fuzz.__main__ import TARGETS

    names = [target.name for target in TARGETS]
    unknown = sorted(set(options.targets) - set(names))
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(names)}")
    seed = options.seed if options.seed is not None else 1 + int.from_bytes(os.urandom(3), "big")
    print(f"seed {seed}")
    chosen = [name for name in names if not options.targets or name in options.targets]
    good = [_start(name, options.seconds / len(chosen), seed) for name in chosen]
    print(f"{len(chosen)} targets, {good.count(False)} with findings")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

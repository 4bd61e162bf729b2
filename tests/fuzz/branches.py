"""``python -m fuzz.branches``: which part of each reader's branches a run under coverage.py has taken, as a table."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fuzz.__main__ import TARGETS


def _branches(files: dict[str, Any], module: str) -> tuple[int, int]:
    """(taken, all) of a file, or of the functions that are named after it."""
    path, _, names = module.partition(":")
    found = files[f"src/{path}"]
    if not names:
        return found["summary"]["covered_branches"], found["summary"]["num_branches"]
    parts = [found["functions"][name]["summary"] for name in names.split(",")]
    return sum(part["covered_branches"] for part in parts), sum(part["num_branches"] for part in parts)


def main() -> None:
    """A line for each target: of the lines and branches of its modules together, and what is lowest among them."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "coverage.json")
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", report], check=True)
        files = json.loads(report.read_text("utf-8"))["files"]
    for target in TARGETS:
        taken = of = 0
        least = (101.0, "")
        for module in target.modules:
            covered, all_of_it = _branches(files, module)
            taken, of = taken + covered, of + all_of_it
            if all_of_it:
                least = min(least, (100 * covered / all_of_it, module))
        share = f"{100 * taken / of:5.1f} % of {of:4}; least {least[0]:5.1f} % {least[1]}" if of else "no branches"
        print(f"{target.name:18} {share}")


if __name__ == "__main__":
    main()

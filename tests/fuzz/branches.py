"""``python -m fuzz.branches``: which part of each reader's branches a run under coverage.py has taken, as a table."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.__main__ import TARGETS


def main() -> None:
    """A line for each target: of the lines and branches of its modules together, and what is lowest among them."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "coverage.json")
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", report], check=True)
        files = json.loads(report.read_text("utf-8"))["files"]
    for target in TARGETS:
        taken = of = 0
        lowest = (101.0, "")
        for module in target.modules:
            found = files[f"src/{module}"]["summary"]
            taken += found["covered_branches"]
            of += found["num_branches"]
            if found["num_branches"]:
                lowest = min(lowest, (100 * found["covered_branches"] / found["num_branches"], module))
        share = f"{100 * taken / of:5.1f} % of {of:4}" if of else "no branches"
        print(f"{target.name:18} {share}; lowest {lowest[0]:5.1f} % {lowest[1]}")


if __name__ == "__main__":
    main()

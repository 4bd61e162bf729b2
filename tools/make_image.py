"""What ``make ISO=…`` runs: build from that ISO or, without one, from a stand-in made here.

The stand-in is ours, not VMware's: it needs nobody's licence, and installs nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STANDIN = Path("build/esxi-stand-in.iso")


def main() -> int:
    """Exit status: that of ``esxforge``."""
    iso, arguments = sys.argv[1], sys.argv[2:]
    esxforge = [sys.executable, "-m", "esxforge"]
    if not iso:
        STANDIN.parent.mkdir(exist_ok=True)
        made = subprocess.run([*esxforge, "standin-iso", str(STANDIN), "--size", "64", "--force"], check=False)
        if made.returncode:
            return made.returncode
        iso = str(STANDIN)
        arguments = ["--accept-eula", "--root-password-random", "--force", *arguments]
    return subprocess.run([*esxforge, "build", iso, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

"""``python3 -m standin.curtin``: deploy, then restart the machine, or switch it off where that failed."""

from __future__ import annotations

import subprocess
import sys

from standin.curtin import bank_loader
from standin.curtin.install import deploy
from standin.curtin.machine import text_of


def main() -> int:
    """What the ephemeral system does after its start."""
    done = deploy()
    if done and bank_loader.WORD in text_of("/proc/cmdline").split():
        bank_loader.enter("/dev/sda")
    print(f"curtin: the machine {'restarts' if done else 'is switched off'}", flush=True)
    subprocess.run(["sync"], check=True)
    return subprocess.run(["reboot" if done else "poweroff", "-f"], check=True).returncode


sys.exit(main())

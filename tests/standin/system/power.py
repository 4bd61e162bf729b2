"""Ending the machine: reboot and power off, with what was written made safe."""

from __future__ import annotations

import os
import subprocess
import time
from typing import NoReturn

from standin.system.console import say


def end(kind: str, delay: float = 0.0) -> NoReturn:
    """``reboot`` or ``poweroff``, after ``delay`` seconds. Does not return."""
    time.sleep(delay)
    say("Powering off" if kind == "poweroff" else "Restarting")
    os.sync()
    subprocess.run(["/bin/busybox", "umount", "-a", "-r", "-t", "vfat"], check=False, capture_output=True)
    subprocess.run(["/bin/busybox", kind, "-f"], check=False)
    while True:
        time.sleep(60)


def end_later(kind: str, delay: float) -> None:
    """The same in a process of its own, so that whoever asked goes on until then."""
    if os.fork() == 0:
        os.setsid()
        end(kind, delay)

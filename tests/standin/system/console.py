"""What the stand-in says: every line at once on the serial port and on the screen, and kept in a log."""

from __future__ import annotations

import time
from pathlib import Path

LOG = Path("/var/log/boot.log")
_PORTS = (Path("/dev/ttyS0"), Path("/dev/tty0"))


def say(text: str) -> None:
    """Print ``text``, a line or several."""
    data = f"{text}\n".encode("utf-8", "replace")
    for port in _PORTS:
        try:
            with port.open("wb", buffering=0) as stream:
                stream.write(data)
        except OSError:
            continue  # a machine without this port
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("ab") as stream:
        stream.write(data)


def log(text: str) -> None:
    """A line as the VMkernel writes it: time, processor and world, then the text."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    say(f"{now} cpu0:1024){text}")


def wait_for_ever() -> None:
    """Stand still, as a screen that waits for a key does."""
    while True:
        time.sleep(3600)

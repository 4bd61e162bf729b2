"""The consoles of an ESXi machine: messages for somebody in front of it."""

import os
from typing import Callable

from esxforge_target.runtime.ascii_text import ascii_text
from esxforge_target.runtime.visible import visible

# What a person at the machine may be looking at: the boot console, the shell (Alt-F1), the installer's own (Alt-F2).
CONSOLES = ("/dev/console", "/dev/tty1", "/dev/tty2")


def show(text: str, locate: "Callable[[str], str]") -> None:
    """Write ``text`` to each console that is there; none stops us. ``locate``: where a path of the host is for us."""
    data = ascii_text(visible(text).replace("\n", "\r\n")).encode("ascii")
    for console in CONSOLES:
        try:
            descriptor = os.open(locate(console), os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            continue  # not there, or not ours
        try:
            os.write(descriptor, data)
        except OSError:
            continue
        finally:
            os.close(descriptor)

"""What holds for all tests."""

from __future__ import annotations

import os
import signal


def pytest_configure() -> None:
    """Let Ctrl-C end what the tests start.

    A shell's background, and nohup, have SIGINT ignored; children inherit that, and a test that interrupts one would
    wait for it for ever.

    Nor is there a width to keep to: pytest-xdist starts its processes with one in the environment.
    """
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

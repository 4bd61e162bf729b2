"""What holds for all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Let Ctrl-C end what the tests start.

    A shell's background, and nohup, have SIGINT ignored; children inherit that, and a test that interrupts one would
    wait for it for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

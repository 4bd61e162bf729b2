"""Time as the target sees it: the seam at which tests put a clock of their own."""

import time


class Clock:
    """The host's clocks. The wall clock may be wrong and may jump; the monotonic one measures."""

    def time(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment, never stepping."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        time.sleep(seconds)

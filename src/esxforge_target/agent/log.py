"""The persistent log: in the boot bank, so that it survives reboots and power cuts. No secret is ever in it."""

import collections
import os
import sys
import time
from typing import Callable, List

from esxforge_target.agent.system import System
from esxforge_target.contract.names import AGENT_LOG
from esxforge_target.runtime.ascii_text import ascii_text
from esxforge_target.runtime.blocks import sync_path
from esxforge_target.runtime.consoles import show
from esxforge_target.runtime.visible import visible

# A bank is small and a log is read by people: of an older one the end is kept, of one that grows now (user-data may say
# much) the beginning, too.
_LONGEST = 512 * 1024
_KEPT = 128 * 1024
_MOST_LINES = 4000
_LEFT_OUT = b"... lines are left out here: the log had grown too long\n"
_LONGEST_LINE = 2000


class Log:
    """Lines with the time in UTC, each flushed at once. A log that cannot be written stops nothing."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._stream = sys.stdout  # the start script's output, for whoever looks before the bank is there
        self._masks = []  # type: List[Callable[[str], str]]
        self._lines = collections.deque(maxlen=_MOST_LINES)  # type: collections.deque[str]
        self._length = 0
        self._path = ""

    def open(self, bank: str) -> None:
        """Write to the log in this bank, too, from now on."""
        self._path = self._system.locate("{}/{}".format(bank, AGENT_LOG))
        self._shorten(0)
        self._append("".join(self._lines))

    def hide(self, redact: "Callable[[str], str]") -> None:
        """Pass every line through ``redact``, which masks secrets, from now on."""
        self._masks.append(redact)

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        for mask in self._masks:
            text = mask(text)
        return text

    def say(self, line: str) -> None:
        """Log what was found or done. Several lines become one each."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._system.clock.time()))
        for part in visible(self.redact(line)).rstrip("\n").split("\n"):
            clean = ascii_text(part)[:_LONGEST_LINE]
            text = "{} {}\n".format(now, clean)
            self._lines.append(text)
            self._append(text)
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                continue

    def warn(self, line: str) -> None:
        """Log what a person should know, and what stops nothing."""
        self.say("note: " + line)

    def announce(self, line: str) -> None:
        """Log a line that must be seen at the machine, too: on its consoles, and on the disk before we go on."""
        self.say(line)
        self.sync()
        show("\nesxforge: {}\n".format(self.redact(line)), self._system.locate)

    def tail(self, length: int) -> str:
        """Return the last lines, at most ``length`` characters."""
        taken = []  # type: List[str]
        for line in reversed(self._lines):
            length -= len(line)
            if length < 0:
                break
            taken.append(line)
        return "".join(reversed(taken))

    def sync(self) -> None:
        """Flush the log to the disk."""
        if self._path:
            sync_path(self._path)

    def _append(self, text: str) -> None:
        if not self._path or not text:
            return
        try:
            with open(self._path, "a", encoding="ascii", errors="backslashreplace") as stream:
                stream.write(text)
                self._length = stream.tell()
        except OSError:
            return
        if self._length > _LONGEST:
            self._shorten(_KEPT)

    def _shorten(self, head: int) -> None:
        """Shorten a log that is too long to ``head`` bytes of the beginning, and the end."""
        try:
            if os.path.getsize(self._path) <= _LONGEST:
                return
            with open(self._path, "rb") as stream:
                start = stream.read(head)
                stream.seek(-_KEPT, os.SEEK_END)
                end = stream.read()
            with open(self._path, "wb") as stream:
                if start:
                    stream.write(start[: start.rfind(b"\n") + 1] + _LEFT_OUT)
                stream.write(end[end.find(b"\n") + 1 :])
        except OSError:
            return


def mask(secret: str) -> "Callable[[str], str]":
    """Return a function that masks one text."""
    return lambda text: text.replace(secret, "***") if len(secret) > 3 else text

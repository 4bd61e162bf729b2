"""One agent at a time: ``%firstboot`` and ``rc.local.d`` both start it."""

import errno
import os

from esxforge_target.agent.system import System
from esxforge_target.runtime.numbers import is_whole

# In memory: a boot starts without it.
PATH = "/var/run/esxforge-agent.pid"
_FILLING = 2.0


class Lock:
    """A file with the process's number. One that a killed agent left is taken over."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._path = system.locate(PATH)

    def take(self) -> bool:
        """Return whether this is the only agent; if so, the lock is ours."""
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        for _ in range(2):
            try:
                self._place()
            except FileExistsError:
                if self._holder_lives():
                    return False
                self.release()
                continue
            return True
        return False

    def _place(self) -> None:
        """The lock appears with its number in it, or not at all. Raises FileExistsError where there is one."""
        own = "{}.{}".format(self._path, self._system.process)
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, str(self._system.process).encode("ascii"))
        finally:
            os.close(descriptor)
        try:
            os.link(own, self._path)
        except FileExistsError:
            raise
        except OSError:
            self._place_without_links()
        finally:
            os.unlink(own)

    def _place_without_links(self) -> None:
        """Not every file system has links: then there is a moment at which the lock is empty."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, str(self._system.process).encode("ascii"))
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give it back."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return

    def _read(self) -> str:
        try:
            with open(self._path, encoding="ascii", errors="replace") as stream:
                return stream.read()
        except OSError:
            return ""

    def _holder_lives(self) -> bool:
        text = self._read()
        if not text:
            # Made and not filled yet, where there are no links: its maker has a moment for that.
            self._system.clock.sleep(_FILLING)
            text = self._read()
        if not is_whole(text):
            return False
        try:
            os.kill(int(text), 0)
        except OSError as error:
            return error.errno == errno.EPERM
        return True

"""One agent at a time: ``%firstboot`` and ``rc.local.d`` both start it."""

import errno
import os

from esxforge_target.agent.system import System

# In memory: a boot starts without it.
PATH = "/var/run/esxforge-agent.pid"


class Lock:
    """A file with the process's number. One that a killed agent left is taken over."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._path = system.locate(PATH)

    def take(self) -> bool:
        """Whether this is the only agent; if so, the lock is ours."""
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        for _ in range(2):
            try:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                if self._holder_lives():
                    return False
                self.release()
                continue
            try:
                os.write(descriptor, str(self._system.process).encode("ascii"))
            finally:
                os.close(descriptor)
            return True
        return False

    def release(self) -> None:
        """Give it back."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return

    def _holder_lives(self) -> bool:
        try:
            with open(self._path, encoding="ascii", errors="replace") as stream:
                text = stream.read()
        except OSError:
            return False
        if not text.isdigit():
            return False
        try:
            os.kill(int(text), 0)
        except OSError as error:
            return error.errno == errno.EPERM
        return True

"""Locks that the kernel releases with the process that holds them, whatever ends it."""

from __future__ import annotations

import errno
import fcntl
import os

_UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK, errno.EBADF)
_TRIES = 100
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LockedError(Exception):
    """Another process holds the lock. Internal: callers turn it into an error for people."""


def lock(descriptor: int) -> bool:
    """Lock an open file or directory until it is closed. False where its file system has no locks.

    Raises :class:`LockedError` at once where it is locked already.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError from None
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


class LockFile:
    """A lock that is a file of its own, ``name`` in ``directory`` (a descriptor). It is removed on release.

    After SIGKILL the file stays, unlocked, and the next holder removes it. ``held`` is False where the file system has
    no locks. Raises :class:`LockedError`, and OSError where the file cannot be made.
    """

    def __init__(self, directory: int, name: str) -> None:
        self._directory = directory
        self._name = name
        for _ in range(_TRIES):
            self._descriptor = os.open(name, _FLAGS, 0o600, dir_fd=directory)
            try:
                self.held = lock(self._descriptor)
                # The last holder may have removed the file between our opening and locking it.
                if self._is_named():
                    return
            except BaseException:
                os.close(self._descriptor)
                raise
            os.close(self._descriptor)
        raise LockedError  # others come and go all the time

    def _is_named(self) -> bool:
        try:
            named = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._descriptor))

    def release(self) -> None:
        """Remove the file, then let go: who opened it meanwhile finds that it has no name, and makes another."""
        try:
            os.unlink(self._name, dir_fd=self._directory)
        except OSError:
            pass  # it stays, unlocked, which harms nobody
        finally:
            self.close()

    def close(self) -> None:
        """Let go, and leave the file."""
        os.close(self._descriptor)

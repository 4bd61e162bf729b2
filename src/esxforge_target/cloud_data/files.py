"""Write files on ESXi so that each is complete or as before."""

import os
import posixpath
import stat
from typing import Optional

from esxforge_target.runtime.blocks import sync_if_possible, write_whole

_CREATED_MODE = 0o600


class HostFiles:
    """Absolute paths of the host under ``root`` (tests give a directory)."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def locate(self, path: str) -> str:
        """Where the host's ``path`` is for us, by its bytes in UTF-8 whatever the locale says."""
        return posixpath.join(self._root, os.fsdecode(path.lstrip("/").encode("utf-8", "surrogateescape")))

    def read(self, path: str) -> Optional[bytes]:
        """Return the content, or None if there is no such file."""
        try:
            with open(self.locate(path), "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def is_sticky(self, path: str) -> bool:
        """Return whether the file is there and has the sticky bit, by which ESXi marks what its backup keeps."""
        try:
            return bool(os.stat(self.locate(path)).st_mode & stat.S_ISVTX)
        except OSError:
            return False

    def write(self, path: str, content: bytes, mode: int = -1) -> None:
        """Make ``path`` hold ``content``. ``mode`` -1 keeps the bits of a file that is there (0600 for a new one).

        Directories are made. A file with the sticky bit is rewritten in place and keeps that bit: ESXi's backup follows
        the file itself, and another one moved over it would not be kept. All others are moved into place when whole.
        Raises OSError; the former content is then still, or again, there.
        """
        target = self.locate(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if self.is_sticky(path):
            self._rewrite(target, content, mode)
        else:
            self._replace(target, content, mode)

    def _rewrite(self, target: str, content: bytes, mode: int) -> None:
        with open(target, "r+b") as stream:
            before = stream.read()
            try:
                _fill(stream.fileno(), content)
            except OSError:
                _fill(stream.fileno(), before)
                raise
        if mode >= 0:
            os.chmod(target, mode | stat.S_ISVTX)

    def _replace(self, target: str, content: bytes, mode: int) -> None:
        target = os.path.realpath(target)  # a link stays a link
        if mode < 0:
            mode = stat.S_IMODE(os.stat(target).st_mode) if os.path.exists(target) else _CREATED_MODE
        if os.path.isdir(target):
            raise IsADirectoryError(21, "is a directory", target)
        whole = target + ".esxforge-new"
        # Nobody else may read it while it is written: it can hold a secret.
        descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _CREATED_MODE)
        try:
            try:
                _fill(descriptor, content)
            finally:
                os.close(descriptor)
            os.chmod(whole, mode)
            os.replace(whole, target)
        except OSError:
            os.unlink(whole)
            raise

    def remove(self, path: str) -> None:
        """Remove a file; it is fine when it is gone already."""
        try:
            os.unlink(self.locate(path))
        except FileNotFoundError:
            pass


def _fill(descriptor: int, content: bytes) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_whole(descriptor, content)
    os.ftruncate(descriptor, len(content))
    sync_if_possible(descriptor)

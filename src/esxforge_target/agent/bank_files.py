"""Files in a boot bank as the agent needs them, besides those written whole: a journal that grows, and secrets that go.

Both happen in place, in the sectors that a file has: a file that was written anew would leave the old ones behind.
"""

import os

from esxforge_target.esxi.banks import BANK_FAILS, BankFiles
from esxforge_target.runtime.blocks import DiskError, sync_if_possible, write_whole


class AgentFiles(BankFiles):
    """``append`` and ``overwrite`` are one step each, as the seams of BankFiles are."""

    def append(self, path: str, data: bytes) -> None:
        """Add bytes to a file's end; on the disk when this returns. Raises OSError."""
        self._put(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, data)

    def overwrite(self, path: str, data: bytes) -> None:
        """Replace a file's content in its own sectors; ``data`` is as long as the file. Raises DiskError."""
        try:
            if os.path.getsize(self.locate(path)) != len(data):
                raise DiskError("{} is not overwritten: it has another length.".format(path), BANK_FAILS)
            self._put(path, os.O_WRONLY, data)
        except OSError as error:
            raise DiskError("{} cannot be overwritten: {}.".format(path, error.strerror), BANK_FAILS)

    def _put(self, path: str, flags: int, data: bytes) -> None:
        descriptor = os.open(self.locate(path), flags, 0o600)
        try:
            write_whole(descriptor, data)
            sync_if_possible(descriptor)
        finally:
            os.close(descriptor)

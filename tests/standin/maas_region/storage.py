"""How MAAS keeps an upload's bytes: three ways, by version.

Read in canonical/maas: up to 3.4 ``src/maasserver/models/largefile.py`` (one object in the database for a sha256),
3.5 to 3.7 ``src/maasserver/utils/bootresource.py`` (written where the count says), on the way to 3.8
``src/maasservicelayer/utils/image_local_files.py`` (appended to whatever is on disk).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


class StorageError(Exception):
    """A 400 with this text."""


@dataclass
class Stored:
    """An announced file: the bytes counted as received, for each region."""

    sha256: str
    size: int
    counts: dict[int, int] = field(default_factory=dict)


class Storage:
    """Bytes by region and sha256. ``version`` is (major, minor).

    ``counts_refused`` is a dial: whether a last chunk that is refused for its sha256 stays counted, up to 3.4 and from
    3.8 on. MAAS saves the count before it compares, in a transaction that the refusal may roll back.
    """

    def __init__(self, version: tuple[int, int], regions: int, *, counts_refused: bool = True) -> None:
        self.version = version
        self.counts_refused = counts_refused
        self.regions = regions
        self.disk: dict[tuple[int, str], bytearray] = {}

    @property
    def in_database(self) -> bool:
        """Whether all regions share one object for a sha256."""
        return self.version < (3, 5)

    @property
    def appends(self) -> bool:
        """Whether bytes are appended to what is on disk, whatever is counted."""
        return self.version >= (3, 8)

    def count(self, file: Stored, region: int) -> int:
        """Bytes counted as received by a region."""
        if self.in_database:
            return len(self.disk.get((0, file.sha256), b""))
        return file.counts.get(region, 0)

    def progress(self, file: Stored) -> float:
        """Percent, over all regions."""
        divisor = file.size * (1 if self.in_database else self.regions)
        regions = range(1 if self.in_database else self.regions)
        total = sum(self.count(file, region) for region in regions)
        return 100.0 * total / divisor if divisor else 0.0

    def append(self, file: Stored, region: int, chunk: bytes) -> None:
        """Take a chunk. Raises StorageError as MAAS refuses."""
        if self.count(file, region) == file.size:
            raise StorageError("Cannot upload to a complete file.")
        if self.appends:
            self._append_to_disk(file, region, chunk)
        elif self.in_database:
            self._append_to_object(file, chunk)
        else:
            self._write_at_count(file, region, chunk)

    def _append_to_object(self, file: Stored, chunk: bytes) -> None:
        content = self.disk.setdefault((0, file.sha256), bytearray())
        if len(content) + len(chunk) > file.size:
            raise StorageError("Too much data recieved.")
        content += chunk
        if len(content) == file.size and not self.valid(file, 0):
            if not self.counts_refused:
                del content[-len(chunk) :]
            raise StorageError("Saved content does not match given SHA256 value.")

    def _write_at_count(self, file: Stored, region: int, chunk: bytes) -> None:
        count = self.count(file, region)
        content = self.disk.setdefault((region, file.sha256), bytearray())
        if count + len(chunk) > file.size:
            raise StorageError("Too much data received.")
        if count == 0:
            content[:] = bytes(file.size)
        content[count : count + len(chunk)] = chunk
        if count + len(chunk) == file.size and not self.valid(file, region):
            raise StorageError("Saved content does not match given SHA256 value.")
        file.counts[region] = count + len(chunk)

    def _append_to_disk(self, file: Stored, region: int, chunk: bytes) -> None:
        content = self.disk.setdefault((region, file.sha256), bytearray())
        if len(content) + len(chunk) > file.size:
            del self.disk[region, file.sha256]
            raise StorageError("Too much data received.")
        content += chunk
        file.counts[region] = self.count(file, region) + len(chunk)
        if len(content) == file.size and not self.valid(file, region):
            if not self.counts_refused:
                file.counts[region] -= len(chunk)
            raise StorageError("Saved content does not match given SHA256 value.")

    def valid(self, file: Stored, region: int) -> bool:
        """Whether a region holds just these bytes."""
        content = self.disk.get((0 if self.in_database else region, file.sha256), bytearray())
        return len(content) == file.size and hashlib.sha256(content).hexdigest() == file.sha256

    def synchronize_one(self, file: Stored) -> None:
        """Copy the file to one more region, if one has it whole."""
        whole = [region for region in range(self.regions) if self.count(file, region) == file.size]
        if self.in_database or not whole or not self.valid(file, whole[0]):
            return
        for region in range(self.regions):
            if self.count(file, region) != file.size:
                file.counts[region] = file.size
                self.disk[region, file.sha256] = bytearray(self.disk[whole[0], file.sha256])
                return

    def forget(self, sha256: str) -> None:
        """Remove the bytes everywhere."""
        for region in range(self.regions):
            self.disk.pop((region, sha256), None)

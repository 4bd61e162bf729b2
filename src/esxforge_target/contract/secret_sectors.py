"""Overwriting the secrets on the disk that the installer was booted from, once they are in memory.

The sectors lie in a gzip file whose checksum the boot loader compares. What takes their place is therefore chosen so
that the checksum stays right: should the power go before ESXi is installed, the installer starts again and its step
says that the secrets are used up, instead of the boot loader stopping at a damaged module.
"""

import zlib
from typing import List

from esxforge_target.runtime.blocks import Blocks, DiskError
from esxforge_target.runtime.errors import ForgeError

_CRC_BYTES = 4


def is_overwritten(data: bytes) -> bool:
    """Return whether this is what ``overwrite`` leaves: zeros, but for the last bytes."""
    return len(data) > _CRC_BYTES and not any(data[:-_CRC_BYTES])


def filler(data: bytes) -> bytes:
    """Zeros as long as ``data`` whose last four bytes give them its CRC-32, in whatever file both stand."""
    length = len(data) - _CRC_BYTES
    zeros = zlib.crc32(bytes(length))

    def checksum(end: int) -> int:
        return zlib.crc32(end.to_bytes(_CRC_BYTES, "little"), zeros) & 0xFFFFFFFF

    # CRC-32 is linear over single bits: each bit of the end flips a fixed pattern of it. Gauss' elimination finds
    # which bits together flip what differs.
    plain = checksum(0)
    rows = []  # type: List[List[int]]
    for bit in range(32):
        pattern, bits = checksum(1 << bit) ^ plain, 1 << bit
        for other, other_bits in rows:
            if pattern ^ other < pattern:
                pattern, bits = pattern ^ other, bits ^ other_bits
        rows.append([pattern, bits])
        rows.sort(reverse=True)
    desired = (zlib.crc32(data) & 0xFFFFFFFF) ^ plain
    end = 0
    for pattern, bits in rows:
        if desired ^ pattern < desired:
            desired, end = desired ^ pattern, end ^ bits
    return bytes(length) + end.to_bytes(_CRC_BYTES, "little")


def overwrite(disk: Blocks, offset: int, length: int, secrets: bytes) -> None:
    """Overwrite the secrets at their place and read that back. Raises ForgeError, before writing where they are not."""
    found = disk.read_at(offset, length)
    gone = filler(secrets)
    if len(secrets) != length or found not in (secrets, gone):
        raise ForgeError(
            "The boot disk does not hold this host's secrets at byte {}, where the deployment wrote them.".format(
                offset
            ),
            "The installer was started from another disk than the one that carries this deployment's mark: disconnect "
            "copies of the boot disk, then deploy the machine again.",
        )
    disk.write_at(offset, gone)
    disk.flush()
    if disk.read_at(offset, length) != gone:
        raise DiskError(
            "The secrets on the boot disk (byte {}) read back different from what overwrote them.".format(offset),
            "The boot disk is failing: replace it.",
        )

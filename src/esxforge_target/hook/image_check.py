"""Check that the entire image is on the disk: curtin notices neither a cut download nor a damaged write."""

import hashlib
from typing import List

from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.formats.manifest import FileRecord, Manifest
from esxforge_target.runtime.blocks import Blocks
from esxforge_target.runtime.errors import ForgeError

_CHUNK_BYTES = 4 << 20
_HINT = "Deploy again; if it happens again, check the disk, and the image with: esxforge verify."


def check_image(disk: Blocks, manifest: Manifest, disk_sector_size: int) -> "List[str]":
    """Compare every file of the image, read from the disk itself, with the manifest. Lines on what was found.

    Raises ForgeError for the first thing that is wrong. Nothing is written.
    """
    if manifest.sector_size != disk_sector_size:
        raise ForgeError(
            "The image is made for sectors of {} bytes, the boot disk has {}.".format(
                manifest.sector_size, disk_sector_size
            ),
            "Build it with --sector-size {} and deploy that one to this machine.".format(disk_sector_size),
        )
    if disk.size < manifest.raw_size:
        raise ForgeError(
            "The boot disk has {} bytes, the image {}.".format(disk.size, manifest.raw_size), "Choose a larger disk."
        )
    table = read_table(disk, manifest.sector_size).table
    ranges = [table.byte_range(number) for number, _ in table.partitions]
    if (manifest.partition_offset, manifest.partition_length) not in ranges:
        raise ForgeError("The boot volume is not where the image has it.", _HINT)
    for record in manifest.files:
        _check_file(disk, record)
    total = sum(record.length for record in manifest.files)
    return ["image: {} files, {} bytes, read from the disk: all as built".format(len(manifest.files), total)]


def _check_file(disk: Blocks, record: FileRecord) -> None:
    digest = hashlib.sha256()
    for at in range(record.offset, record.offset + record.length, _CHUNK_BYTES):
        digest.update(disk.read_at(at, min(_CHUNK_BYTES, record.offset + record.length - at)))
    if digest.hexdigest() == record.sha256:
        return
    if record.at_deploy:
        raise ForgeError(
            "{} on the boot disk is not as built: an earlier run prepared this host already, or the image is "
            "damaged.".format(record.path),
            "Redeploy the machine, so that the image is written again.",
        )
    raise ForgeError(
        "{} on the boot disk ({} bytes from byte {}) is not as built: the image was cut short or damaged on its "
        "way.".format(record.path, record.length, record.offset),
        _HINT,
    )

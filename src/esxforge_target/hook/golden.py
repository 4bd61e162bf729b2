"""Differences if the image is a captured disk: nothing installs on the host, so identifiers are renewed here.

All hosts share the UUID of the OSDATA volume: two such disks on one SAN can be taken for one another
(Broadcom KB 84280), so this kind of image goes to local disks only.
"""

import os
import re
import uuid
from typing import List, Optional, Tuple

from esxforge_target.esxi import media_size
from esxforge_target.esxi.banks import MODULE
from esxforge_target.formats.gpt import Table
from esxforge_target.formats.manifest import GOLDEN, FileRecord, Manifest
from esxforge_target.hook.disks import BlockDisk
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.runtime.blocks import Blocks
from esxforge_target.runtime.errors import ForgeError, FormatError

# Directories in the path of a SAN's disk in /sys: an iSCSI session, a Fibre Channel remote port.
_SAN_DIRECTORIES = ("session", "rport-")
_LOCAL_NVME = ("", "pcie")


def bios_start(manifest: Manifest) -> "Tuple[bool, str]":
    """Return whether legacy BIOS starts the captured disk, and why. An older image did not look, so it does not."""
    facts = manifest.details[GOLDEN].get("bios")
    if facts is None:
        return False, "the image was built by an esxforge that did not look"
    return facts["starts"], facts["reason"]


def starts_by_uefi(manifest: Manifest) -> bool:
    """Return whether the captured disk holds a boot loader for UEFI."""
    return "UEFI" in manifest.details[GOLDEN]["firmware"]


def disk_reasons(boot: BlockDisk, manifest: Manifest, machine: LinuxHost) -> "List[str]":
    """Return why the image must not go to this boot disk."""
    reasons = []
    where = _network_of(boot, machine)
    if where:
        reasons.append(
            "boot disk: {} is {}. A golden image clones the UUID of ESXi's OSDATA volume, and two such disks on one "
            "SAN can damage each other's data; deploy an installer image to this machine.".format(boot.label, where)
        )
    if boot.size < manifest.raw_size:
        reasons.append(
            "boot disk: {} has {} bytes, the golden image {}; choose a larger disk in MAAS, or build with a smaller "
            "golden.disk_size.".format(boot.label, boot.size, manifest.raw_size)
        )
    return reasons


def _network_of(boot: BlockDisk, machine: LinuxHost) -> str:
    if boot.multipath:
        return "reached by several paths (multipath)"
    node = os.path.realpath(machine.path("sys/block/" + boot.name))
    if any(part.startswith(_SAN_DIRECTORIES) for part in node.split(os.sep)):
        return "on a SAN"
    networks = [one for one in _transports(boot, machine) if one not in _LOCAL_NVME]
    return "reached over a network (NVMe by {})".format(", ".join(networks)) if networks else ""


def _transports(boot: BlockDisk, machine: LinuxHost) -> "List[str]":
    """Return how the controllers of an NVMe disk are reached; for another disk, nothing.

    With Linux's native multipath the disk's ``device`` is a subsystem, nvme-subsys0, which has no transport but lists
    its controllers, nvme0 and so on (drivers/nvme/host/core.c, multipath.c). A local disk with two ports is one too.
    """
    device = "sys/block/{}/device".format(boot.name)
    own = machine.text(device + "/transport")
    directory = os.path.realpath(machine.path(device))
    if own or not os.path.isdir(directory) or not os.path.basename(directory).startswith("nvme-subsys"):
        return [own]
    controllers = [name for name in os.listdir(directory) if re.match("nvme[0-9]+$", name)]
    found = {machine.text("{}/{}/transport".format(device, name)) for name in controllers}
    return sorted(one or "a controller that does not say" for one in found) or ["no controller at all"]


def check_datastore(boot: BlockDisk, manifest: Manifest, datastore: "Optional[int]") -> str:
    """Return what is left of the boot disk, as a sentence. Raises ForgeError if the desired datastore does not fit."""
    left = boot.size - manifest.raw_size
    if datastore is not None and datastore - left > media_size.MAY_BE_MISSING:
        raise ForgeError(
            "The boot disk has {} bytes, of which the golden image takes {}: {} are left, but MAAS asks for a "
            "datastore of {}.".format(boot.size, manifest.raw_size, left, datastore),
            "Make the datastore smaller in MAAS, choose a larger boot disk, or build with a smaller golden.disk_size.",
        )
    return "the golden image takes {} bytes of the boot disk, {} are left".format(manifest.raw_size, left)


def renewed_volumes(table: Table, manifest: Manifest) -> "List[Tuple[int, int, int, bytes]]":
    """Return (partition, offset, length, new UUID) of each FAT volume that the manifest lists for renewal; in bytes."""
    numbers = manifest.details[GOLDEN]["renewed_volumes"]  # type: List[int]
    return [(number,) + table.byte_range(number) + (uuid.uuid4().bytes,) for number in numbers]


def slot_in_bank(manifest: Manifest) -> FileRecord:
    """Return the record of the module in the boot bank. Raises FormatError if the image has none."""
    for record in manifest.files:
        if record.at_deploy and record.path.rpartition("/")[2].lower() == MODULE:
            return record
    raise FormatError("The image's boot bank has no {} to be written to.".format(MODULE), "Build the image again.")

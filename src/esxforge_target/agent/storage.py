"""Identify the boot disk for sure before any of its partitions is touched, and report on its datastore."""

from typing import List, Tuple

from esxforge_target.agent.deployment import Deployment
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.inventory.model import Inventory
from esxforge_target.plan.storage import boot_device

_GIB = 1 << 30


def boot_disk_doubts(deployment: Deployment, inventory: Inventory) -> "List[str]":
    """Why it is in doubt which disk is the boot disk; no sentence where it is not.

    ESXi's own word, the disk of the running boot bank, and what the installer step recorded must agree.
    """
    boot, doubt = boot_device(inventory)
    if boot is None:
        return ["storage: no partition is touched, because {}.".format(doubt)]
    installed = deployment.installed
    if installed is not None and installed.device and installed.device != boot.name:
        return [
            "storage: no partition is touched, because ESXi was installed on {} but runs from {}.".format(
                installed.device, boot.name
            )
        ]
    stamp = deployment.boot_disk_guid
    if stamp and boot.disk_guids and stamp not in boot.disk_guids:
        return [
            "storage: no partition is touched, because the boot disk {} has the GPT disk GUID {}, not {}.".format(
                boot.name, boot.disk_guids[0], stamp
            )
        ]
    return []


def datastore_figures(desired: DesiredHost, inventory: Inventory) -> "Tuple[str, ...]":
    """Return a sentence on the datastore of the boot disk: what MAAS asked for, and what ESXi left for it."""
    datastore = desired.boot_datastore()
    if datastore is None:
        return ()
    asked = sum(desired.partition(one).size or 0 for one in datastore.partitions)
    uuids = {one.uuid for one in inventory.extents if one.volume == datastore.name}
    got = sum(one.size for one in inventory.file_systems if one.uuid in uuids)
    return (
        "datastore {}: MAAS asked for {} ({} bytes), it has {} ({} bytes)".format(
            datastore.name, _shown(asked), asked, _shown(got), got
        ),
    )


def _shown(size: int) -> str:
    return "{:.1f} GiB".format(size / _GIB)

"""Changes to a machine's disks by the time the hook refuses: reported, so that nobody takes a cleared disk for intact.

Before it starts the hook, curtin clears every disk that MAAS knows of the machine (partitions, RAID and LVM on it, the
first and the last MiB) and writes the image to one. A disk counts as cleared here if the configuration names it and
both ends are zeros. Facts from canonical/curtin 23.1.1 (``commands/block_meta.py``, ``block/__init__.py``).
"""

import os
from typing import Any, Dict, List, Optional, Tuple

from esxforge_target.hook.disks import BlockDisk, Disks
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.runtime.blocks import Blocks
from esxforge_target.runtime.errors import ForgeError

BY_ID = "/dev/disk/by-id"
_ENDS = 1 << 20
_FALSE = (False, None, 0, "0", "False", "false", "None", "none", "")


class Changes:
    """Filled in as the hook goes on; ``lines`` says what is known of it."""

    def __init__(self, machine: LinuxHost) -> None:
        self._machine = machine
        self.config = {}  # type: Dict[str, Any]
        self.disks = None  # type: Optional[Disks]
        self.image = None  # type: Optional[BlockDisk]
        self._finished = []  # type: List[BlockDisk]
        self._begun = None  # type: Optional[BlockDisk]

    def begin(self, disk: BlockDisk) -> None:
        """The hook is about to write to ``disk``."""
        self._begun = disk

    def finish(self, disk: BlockDisk) -> None:
        """The hook has written all that it meant to."""
        self._finished.append(disk)
        self._begun = None

    def lines(self) -> "List[str]":
        """One line on curtin's changes, one on the hook's."""
        return [line for line in (self._by_curtin(), self._by_hook()) if line]

    def _by_curtin(self) -> str:
        if self.disks is None:
            return ""
        where = self.image.label if self.image else "an unknown disk"
        cleared, unclear = cleared_disks(self.config, self.disks, self._machine, self.image)
        ours = self._finished + ([self._begun] if self._begun else [])
        unclear = [disk for disk in unclear if disk not in ours]
        said = "before this hook ran, curtin wrote the image to {}".format(where)
        said += " and cleared {}".format(_listed(cleared)) if cleared else ""
        said += "; it is unknown whether it cleared {}".format(_listed(unclear)) if unclear else ""
        return said

    def _by_hook(self) -> str:
        said = ["changed " + _listed(self._finished)] if self._finished else []
        said += ["began to change {} and did not finish".format(self._begun.label)] if self._begun else []
        return "this hook " + (", and ".join(said) or "changed no disk")


def cleared_disks(
    config: "Dict[str, Any]", disks: Disks, machine: LinuxHost, image: "Optional[BlockDisk]"
) -> "Tuple[List[BlockDisk], List[BlockDisk]]":
    """The disks besides ``image`` that curtin was to clear: those whose ends are zeros, and the others."""
    cleared, unclear = [], []  # type: List[BlockDisk], List[BlockDisk]
    for entry in _marked(config):
        for disk in _curtins_choice(entry, disks, machine):
            if disk in cleared or disk in unclear or (image is not None and disk.name == image.name):
                continue
            (cleared if _has_zero_ends(disk, machine) else unclear).append(disk)
    return cleared, unclear


def _marked(config: "Dict[str, Any]") -> "List[Dict[str, Any]]":
    """The entries of disks that are marked ``wipe``, or have a partition that is."""
    storage = config.get("storage")
    listed = storage.get("config") if isinstance(storage, dict) else None
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    marked = [one for one in entries if one.get("wipe") not in _FALSE]
    ids = [one.get("id") for one in marked if one.get("type") == "disk"]
    ids += [one.get("device") for one in marked if one.get("type") == "partition"]
    return [one for one in entries if one.get("type") == "disk" and one.get("id") in ids]


def _curtins_choice(entry: "Dict[str, Any]", disks: Disks, machine: LinuxHost) -> "List[BlockDisk]":
    """The disk that curtin finds for an entry: by wwn, then serial (the shortest name that contains it), then path."""
    for key in ("wwn", "serial", "path"):
        value = entry.get(key)
        if not isinstance(value, str) or not value:
            continue
        path = value if key == "path" else _shortest_name(value, machine)
        found = disks.of_path(path) if path else []
        if found:
            return found
    return []


def _shortest_name(part: str, machine: LinuxHost) -> str:
    try:
        names = os.listdir(machine.path(BY_ID))
    except OSError:
        return ""
    found = sorted((name for name in names if part.replace(" ", "_") in name), key=len)
    return "{}/{}".format(BY_ID, found[0]) if found else ""


def _has_zero_ends(disk: BlockDisk, machine: LinuxHost) -> bool:
    blocks = None  # type: Optional[Blocks]
    try:
        blocks = machine.open_disk(disk.name)
        length = min(_ENDS, blocks.size)
        return not any(blocks.read_at(0, length)) and not any(blocks.read_at(blocks.size - length, length))
    except ForgeError:
        return False
    finally:
        if blocks is not None:
            machine.close_disk(blocks)


def _listed(disks: "List[BlockDisk]") -> str:
    return ", ".join(disk.label for disk in disks)

"""What a host will start with, read from its disks by somebody else: boot bank, saved configuration, datastores."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.gpt import VMFS
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.runtime.blocks import FileBlocks
from esxforge_target.runtime.errors import FormatError
from standin.esxi.volumes import MAGIC, PLACE
from whole_way.evidence import volumes


@dataclass(frozen=True)
class Datastore:
    """A volume: its label, and (number of the disk, number of the partition) of each extent, in order."""

    label: str
    extents: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class InstalledHost:
    """The disks of a machine that is switched off, the boot disk first."""

    disks: tuple[Path, ...]

    @cached_property
    def bank(self) -> dict[str, bytes]:
        """The files of the boot bank that the loader takes: valid, and of two the newer. Names in lower case."""
        found: list[tuple[int, dict[str, bytes]]] = []
        for number, volume in volumes(self.disks[0]):
            if number in (5, 6) and volume.vmware_uuid() and volume.find("boot.cfg"):
                cfg = BootCfg.parse(volume.read_file("boot.cfg"))
                if cfg.updated > 0 and cfg.bootstate == 0:
                    files = {
                        name.lower(): volume.read_file(name, most=1 << 30)
                        for name, entry in volume.walk()
                        if not entry.is_directory
                    }
                    found.append((cfg.updated, files))
        if not found:
            raise FormatError(f"{self.disks[0]} has no valid boot bank.")
        return max(found, key=lambda one: one[0])[1]

    @property
    def modules(self) -> list[str]:
        """The names of the modules that it loads."""
        return [module.name.lower() for module in BootCfg.parse(self.bank["boot.cfg"]).modules]

    @cached_property
    def saved(self) -> dict[str, bytes]:
        """The files that ESXi saved, by path."""
        with tarfile.open(fileobj=io.BytesIO(self.bank["state.tgz"])) as archive:
            return {
                member.name: content.read()
                for member in archive
                if member.isfile() and (content := archive.extractfile(member)) is not None
            }

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The stand-in's saved configuration (standin.esxi.store)."""
        document = json.loads(self.saved["var/lib/standin/saved.json"])
        assert isinstance(document, dict)
        return document

    @property
    def root_password_hash(self) -> str:
        """As /etc/shadow has it."""
        (line,) = [line for line in self.saved["etc/shadow"].decode().splitlines() if line.startswith("root:")]
        return line.split(":")[1]

    @cached_property
    def datastores(self) -> tuple[Datastore, ...]:
        """All whole VMFS volumes, as the stand-in writes them on their partitions."""
        records = [record for number, disk in enumerate(self.disks) for record in _records(number, disk)]
        found = []
        for head in records:
            if head["number"] == 0:
                parts = sorted((one for one in records if one["uuid"] == head["uuid"]), key=lambda one: one["number"])
                if len(parts) == head["count"]:
                    found.append(Datastore(head["label"], tuple((one["disk"], one["partition"]) for one in parts)))
        return tuple(sorted(found, key=lambda one: one.label))

    def log(self) -> str:
        """The agent's log, which stays."""
        return self.bank["esxforge.log"].decode("ascii")


def _records(disk: int, path: Path) -> Sequence[dict[str, Any]]:
    found = []
    with FileBlocks(str(path)) as blocks:
        try:
            table = read_table(blocks).table
        except FormatError:
            return []  # a disk without partitions
        for number, partition in table.partitions:
            if partition.type_guid != VMFS:
                continue
            data = blocks.read_at(table.byte_range(number)[0] + PLACE, 4096)
            magic, length = struct.unpack_from("<II", data)
            if magic == MAGIC:
                found.append({**json.loads(data[8 : 8 + length]), "disk": disk, "partition": number})
    return found

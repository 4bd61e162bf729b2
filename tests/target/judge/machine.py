"""The fake ESXi as the judge sees it: its own files, read without its code or anybody's."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from target.judge.desired import Link

VMFS = "aa31e02a-400f-11db-9590-000c2911d1b8"
_MAGIC = 0xC001D00D
DEFAULT_STACK = "defaultTcpipStack"


@dataclass(frozen=True)
class Volume:
    """A VMFS datastore: its identity, label, and extents as (disk, partition)."""

    uuid: str
    label: str
    extents: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Machine:
    """A moment of the machine. ``digests``: what stands on each disk; ``files``: what stands in some of /etc."""

    running: dict[str, Any]
    saved: dict[str, Any]
    hardware: dict[str, Any]
    world: dict[str, Any]
    volumes: tuple[Volume, ...]
    digests: dict[str, str]
    files: dict[str, str]

    def dial(self, name: str, default: str) -> str:
        return str(self.hardware.get("dials", {}).get(name, default))

    @property
    def vmks(self) -> list[dict[str, Any]]:
        """The VMkernel interfaces of the default stack."""
        return [one for one in self.running["interfaces"].values() if one["netstack"] == DEFAULT_STACK]

    @property
    def routes(self) -> list[dict[str, Any]]:
        return list(self.running["netstacks"][DEFAULT_STACK]["routes"])

    def vmnics(self, link: Link) -> list[str]:
        """The names of a link's NICs, in MAAS's order; those without driver are missing."""
        names = {nic["mac"].lower(): nic["name"] for nic in self.hardware["nics"] if nic["driver"]}
        return [names[mac] for mac in link.macs if mac in names]

    def team(self, group: str) -> dict[str, Any]:
        """The team that a port group uses in effect."""
        found = self.running["portgroups"][group]
        return dict(self.running["vswitches"][found["vswitch"]]["failover"], **found["failover"])

    def name_servers(self) -> list[str]:
        return self._merged("dns", "dns_dhcp", "dns_dhcp6")

    def search(self) -> list[str]:
        return self._merged("search", "search_dhcp")

    def _merged(self, first: str, *learned: str) -> list[str]:
        stack = self.running["netstacks"][DEFAULT_STACK]
        found = list(stack[first])
        for source in learned:
            for name in sorted(stack[source]):
                found += [one for one in stack[source][name] if one not in found]
        return found


def read(directory: Path) -> Machine:
    """The machine in ``directory`` now."""
    documents = {name: json.loads((directory / f"{name}.json").read_text(encoding="utf-8"))
                 for name in ("running", "saved", "hardware", "world")}  # fmt: skip
    volumes: dict[str, list[tuple[int, str, str, int]]] = {}
    digests = {}
    for disk in documents["hardware"]["disks"]:
        path = directory / "root/vmfs/devices/disks" / disk["name"]
        path = path if path.exists() else directory / "late" / disk["name"]
        if disk["dead"] or not path.exists():
            continue
        with path.open("rb") as stream:
            digests[disk["name"]] = _digest(stream)
            for number, record in _records(stream, disk["sector_size"]):
                volumes.setdefault(record["uuid"], []).append((record["number"], record["label"], disk["name"], number))
    found = []
    for identity, parts in sorted(volumes.items()):
        parts.sort()
        found.append(Volume(identity, parts[0][1], tuple((device, number) for _, _, device, number in parts)))
    return Machine(
        documents["running"],
        documents["saved"],
        documents["hardware"],
        documents["world"],
        tuple(found),
        digests,
        {
            name: _text(directory / "root/etc" / name)
            for name in ("ssh/keys-root/authorized_keys", "passwd", "ntp.conf")
        },
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _digest(stream: Any) -> str:
    """SHA-256 of what is not a hole."""
    found = hashlib.sha256()
    at, size = 0, os.fstat(stream.fileno()).st_size
    while at < size:
        try:
            start = os.lseek(stream.fileno(), at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(stream.fileno(), start, os.SEEK_HOLE)
        data = os.pread(stream.fileno(), at - start, start)
        if data.strip(b"\0"):
            found.update(struct.pack("<Q", start + len(data) - len(data.lstrip(b"\0"))) + data.strip(b"\0"))
    return found.hexdigest()


def _records(stream: Any, sector: int) -> list[tuple[int, dict[str, Any]]]:
    """Number and record of each VMFS partition that holds a volume (standin.esxi.volumes describes the record)."""
    found = []
    header = os.pread(stream.fileno(), 92, sector)
    if header[:8] != b"EFI PART":
        return []
    (table,) = struct.unpack_from("<Q", header, 72)
    count, length = struct.unpack_from("<II", header, 80)
    entries = os.pread(stream.fileno(), count * length, table * sector)
    for number in range(1, count + 1):
        entry = entries[(number - 1) * length : number * length]
        if str(uuid.UUID(bytes_le=entry[:16])) != VMFS:
            continue
        place = struct.unpack_from("<Q", entry, 32)[0] * sector + (1 << 20)
        magic, size = struct.unpack("<II", os.pread(stream.fileno(), 8, place).ljust(8, b"\0"))
        if magic == _MAGIC:
            found.append((number, json.loads(os.pread(stream.fileno(), size, place + 8))))
    return found

"""Read the virtual host's disks while it is off: tables, boot banks, our module and logs in them, and secrets anywhere.

Nothing is written, mounted or started: esxforge's own GPT and FAT code reads the raw files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esxforge.errors import ForgeError, FormatError
from esxforge.formats.segments import FileRange
from esxforge.image.sparse import segments_of_file
from esxforge.selftest.evidence import BankFacts, DiskFacts, PartitionFacts, Snapshot
from esxforge_target.esxi.banks import Bank, bank_to_boot, judged
from esxforge_target.formats import tar_module
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.runtime.blocks import Blocks, FileBlocks, Window
from esxforge_target.runtime.strict_json import load_json

MODULE = "esxforge.tgz"
IN_THE_MODULE = "in the host module"
_BANKS = (5, 6)
_CHUNK = 8 << 20
_LARGEST_LOG = 1 << 20


@dataclass(frozen=True, slots=True)
class _Bank:
    """Contents of a bank: the facts, our logs in it, the module's location on the disk, and the bank as the
    boot loader sees it (None if it has no boot.cfg)."""

    facts: BankFacts
    logs: tuple[tuple[str, str], ...] = ()
    module_at: tuple[tuple[int, int], ...] = ()
    for_loader: Bank | None = None


def take_snapshot(boot: Path, data: Path, secrets: Sequence[str]) -> Snapshot:
    """Return both disks' state. What cannot be read is reported in the facts; only a missing file raises."""
    boot_facts, banks = _read_disk(boot)
    data_facts, data_banks = _read_disk(data)
    found = _named("sda", find_secrets(boot, secrets), [place for bank in banks for place in bank.module_at])
    found += _named("sdb", find_secrets(data, secrets), [place for bank in data_banks for place in bank.module_at])
    return Snapshot(boot_facts, data_facts, tuple(found), tuple(log for bank in banks for log in bank.logs))


def find_secrets(path: Path, secrets: Sequence[str]) -> list[int]:
    """Return the offsets in a sparse file at which one of ``secrets`` begins."""
    needles = [secret.encode("ascii") for secret in secrets]
    longest = max(map(len, needles), default=1)
    found: set[int] = set()
    with path.open("rb") as stream:
        for segment in segments_of_file(path):
            if not isinstance(segment, FileRange):
                continue
            end = segment.offset + segment.length
            for start in range(segment.offset, end, _CHUNK):
                # What begins in this chunk may end in the next.
                stream.seek(start)
                piece = stream.read(min(_CHUNK + longest - 1, end - start))
                for needle in needles:
                    found.update(start + at for at in _positions(piece, needle))
    return sorted(found)


def _positions(data: bytes, needle: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1)


def _named(disk: str, places: list[int], module: list[tuple[int, int]]) -> list[str]:
    def where(place: int) -> str:
        inside = any(offset <= place < offset + length for offset, length in module)
        return f", {IN_THE_MODULE}" if inside else ""

    return [f"{disk}, byte {place}{where(place)}" for place in places]


def _read_disk(path: Path) -> tuple[DiskFacts, list[_Bank]]:
    with FileBlocks(str(path)) as disk:
        try:
            reading = read_table(disk)
        except ForgeError as error:
            return DiskFacts(problem=error.message), []
        table = reading.table
        partitions = []
        for number, partition in sorted(table.partitions, key=lambda pair: pair[0]):
            partitions.append(PartitionFacts(number, str(partition.type_guid), *table.byte_range(number)))
        banks = [_read_bank(disk, one) for one in partitions if one.number in _BANKS]
    facts = tuple(bank.facts for bank in banks)
    boots = bank_to_boot(tuple(bank.for_loader for bank in banks if bank.for_loader))
    number = boots.partition if boots else 0
    return DiskFacts(str(table.disk_guid), tuple(partitions), facts, "; ".join(reading.problems), number), banks


def _read_bank(disk: Blocks, partition: PartitionFacts) -> _Bank:
    try:
        return _bank(FatVolume(Window(disk, partition.offset, partition.length)), partition)
    except ForgeError as error:
        return _Bank(BankFacts(partition.number, problem=error.message))


def _bank(volume: FatVolume, partition: PartitionFacts) -> _Bank:
    files = {entry.name.lower(): entry.size for entry in volume.list_directory() if not entry.is_directory}
    marker = bool(volume.vmware_uuid())
    if "boot.cfg" not in files:
        return _Bank(BankFacts(partition.number, marker, files=tuple(files.items())))
    data = volume.read_file("boot.cfg")
    cfg = BootCfg.parse(data)
    module, installed, problem = None, None, ""
    module_at: tuple[tuple[int, int], ...] = ()
    if MODULE in files:
        module_at = tuple((partition.offset + offset, length) for offset, length in volume.extents(MODULE))
        try:
            module, installed = _module(volume.read_file(MODULE))
        except ForgeError as error:
            problem = f"{MODULE}: {error.message}"
    logs = [name for name, size in files.items() if name.startswith("esxf") and name.endswith((".log", ".inv"))]
    facts = BankFacts(
        partition.number,
        marker,
        cfg.build,
        cfg.bootstate,
        cfg.updated,
        tuple(one.name for one in cfg.modules),
        tuple(cfg.kernelopt),
        tuple(files.items()),
        module,
        installed,
        problem,
    )
    texts = [(name, volume.read_file(name, _LARGEST_LOG).decode("utf-8", "replace")) for name in sorted(logs)]
    for_loader = judged(Bank("", partition.number, "", -1, None), data)
    return _Bank(facts, tuple(texts), module_at, for_loader)


def _module(data: bytes) -> tuple[Mapping[str, int], Mapping[str, Any] | None]:
    """Return the names in the module with their modes, and installed.json."""
    entries = {entry.name: entry for entry in tar_module.read(data)}
    installed = entries.get("esxforge/installed.json")
    document = None
    if installed is not None:
        try:
            document = load_json(installed.data, "installed.json")
        except FormatError as error:
            raise FormatError(error.message, "Report this as a defect of esxforge, with the report.") from error
    return {name: entry.mode for name, entry in entries.items()}, document

"""Observations of a self-test run, as plain data: the judgement needs nothing else, and tests can make it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from esxforge.vm.phases import Phase

# Our files in a boot bank until the agent has finished: the module and the journal.
OURS = ("esxforge.tgz", "esxforge.jnl")


class Stage(str, Enum):
    """The moments at which the virtual host runs, in their order. The value names screenshots and logs."""

    INTERACTIVE = "1-interactive"
    INSTALL = "2-install"
    FIRST_BOOT = "3-first-boot"
    SECOND_BOOT = "4-second-boot"
    LATER_BOOT = "5-later-boot"
    GOLDEN_BUILD = "6-golden-build"
    GOLDEN_BIOS = "7-golden-bios"
    GOLDEN_BOOT = "8-golden-boot"
    SECURE_INSTALL = "9-secure-boot-install"
    SECURE_BOOT = "9-secure-boot-start"


class Stop(str, Enum):
    """How a stage ended."""

    RESTARTED = "the guest restarted"
    POWERED_OFF = "the guest powered off"
    ENOUGH = "all was seen that it was started for"
    TIMED_OUT = "it took longer than the limit"
    STUCK = "it stopped with an error on its console"
    FAILED = "QEMU ended, or stopped the guest"


@dataclass(frozen=True, slots=True)
class Boot:
    """One run of the machine. Times in seconds since its start; ``written``: growth of its boot disk, in bytes.

    ``marks`` are the phases that its console showed, with times. ``diagnosis`` is a sentence for a run that went wrong.
    """

    stage: Stage
    stop: Stop
    seconds: float
    marks: tuple[tuple[Phase, float], ...] = ()
    console: str = ""
    screens: tuple[str, ...] = ()
    written: int = 0
    diagnosis: str = ""

    def reached(self, phase: Phase) -> bool:
        """Return whether the console, or the disk, showed this phase or a later one."""
        return any(mark >= phase for mark, _ in self.marks)

    def when(self, phase: Phase) -> float | None:
        """Return when a phase was first seen."""
        return next((seconds for mark, seconds in self.marks if mark is phase), None)


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """An entry of a partition table; offsets in bytes."""

    number: int
    type_guid: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class BankFacts:
    """A boot bank on the disk. ``problem``: why it could not be read, or empty.

    ``module`` holds the names in the host module with their modes, None if the bank has none; ``installed`` is its
    installed.json. ``files`` are names with sizes in bytes.
    """

    partition: int
    marker: bool = False
    build: str = ""
    bootstate: int = 0
    updated: int = 0
    modules: tuple[str, ...] = ()
    kernelopt: tuple[str, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    module: Mapping[str, int] | None = None
    installed: Mapping[str, Any] | None = None
    problem: str = ""

    @property
    def lists_module(self) -> bool:
        """Whether its boot.cfg loads the host module."""
        return any(name.strip("/").lower() in OURS for name in self.modules)


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """A disk after power off. ``problem``: why it has no readable table, or empty.

    ``boot_bank``: the partition of the bank that ESXi's boot loader takes; 0 if it takes none.
    """

    guid: str = ""
    partitions: tuple[PartitionFacts, ...] = ()
    banks: tuple[BankFacts, ...] = ()
    problem: str = ""
    boot_bank: int = 0

    def partition(self, number: int) -> PartitionFacts | None:
        """Return the entry with this number."""
        return next((one for one in self.partitions if one.number == number), None)

    @property
    def current_bank(self) -> BankFacts | None:
        """Bank that ESXi's boot loader takes."""
        return next((bank for bank in self.banks if bank.partition == self.boot_bank), None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both disks after a stage. ``secrets``: where the token is in clear text, as ``sda, byte 123``.

    ``logs``: names and texts of esxforge's logs in the boot banks.
    """

    boot: DiskFacts
    data: DiskFacts
    secrets: tuple[str, ...] = ()
    logs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HookRun:
    """The hook in process. ``disk_guids``: disk GUIDs by MAAS's disk id."""

    succeeded: bool
    lines: tuple[str, ...] = ()
    disk_guids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that the host made to the metadata service. ``seconds`` since the stage's start."""

    stage: Stage
    seconds: float
    method: str
    name: str
    accepted: bool
    status: int
    event_type: str = ""
    event: str = ""
    result: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """Answer of the host at its address: ``kind`` is "tls", "closed" or "silent"; ``subject`` of its
    certificate."""

    kind: str
    seconds: float = 0.0
    subject: str = ""


@dataclass(frozen=True, slots=True)
class MaasUpload:
    """The upload to a real MAAS: ``problem`` is why it failed, or empty."""

    version: str = ""
    name: str = ""
    action: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """The tested ISO and the tools used. Contains nothing that identifies the user's computer."""

    iso_sha256: str
    iso_bytes: int
    release: str
    build: str
    update: str
    profile: str
    vendor: str
    is_standin: bool
    image_sha256: str
    esxforge: str
    qemu: str
    accelerator: str
    firmware: str
    processor: str
    hardware: str

    @property
    def major(self) -> int:
        """Major version: 6, 7, 8…"""
        return int(self.release.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of the self-test that were requested."""

    golden: bool = False
    maas: bool = False
    secure_boot: bool = False
    add: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """All observations; those of parts not reached are absent. ``told`` are the host's answers to our questions.

    ``added_modules``: names of modules of VIBs that were added.
    ``gptmbr_bytes``: the length of the ISO's boot code. ``bios``: the golden image's manifest on starts by legacy BIOS.
    """

    subject: Subject
    asked: Asked = field(default_factory=Asked)
    image_bytes: int = 0
    build_seconds: float = 0.0
    boots: tuple[Boot, ...] = ()
    hook: HookRun | None = None
    snapshots: Mapping[Stage, Snapshot] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    machine_status: str = ""
    boot_datastore_desired: bool = False
    told: Mapping[str, Any] | None = None
    answer: ServiceAnswer | None = None
    upload: MaasUpload | None = None
    golden_problem: str = ""
    secure_problem: str = ""
    secure_hook: HookRun | None = None
    secure_answer: ServiceAnswer | None = None
    added_modules: tuple[str, ...] = ()
    gptmbr_bytes: int | None = None
    bios: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def boot(self, stage: Stage) -> Boot | None:
        """Return the run of this stage; the last if it took more than one."""
        return next((boot for boot in reversed(self.boots) if boot.stage is stage), None)

    def calls_in(self, *stages: Stage) -> list[Call]:
        """Return the host's requests in these stages."""
        return [call for call in self.calls if call.stage in stages]

    def events(self, *stages: Stage) -> list[Call]:
        """Return the events among them that MAAS kept."""
        return [call for call in self.calls_in(*stages) if call.event and call.accepted]

    def log(self, stage: Stage) -> str:
        """Return the text of esxforge's logs in the boot banks after this stage."""
        snapshot = self.snapshots.get(stage)
        return "\n".join(text for _, text in snapshot.logs) if snapshot else ""

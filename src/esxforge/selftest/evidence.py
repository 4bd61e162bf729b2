"""What a run of the self-test saw, as plain data: the judgement needs nothing else, and tests can make it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from esxforge.vm.phases import Phase

# What a boot bank holds of us until the agent has finished: the module and the journal.
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
    """One run of the machine. Times in seconds since its start; ``written``: what its boot disk grew by, in bytes.

    ``marks`` are the phases that its console told, and when. ``diagnosis`` is a sentence for a run that went wrong.
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
        """Return whether the console, or the disk, told of this phase or a later one."""
        return any(mark >= phase for mark, _ in self.marks)

    def when(self, phase: Phase) -> float | None:
        """When a phase was told first."""
        return next((seconds for mark, seconds in self.marks if mark is phase), None)


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """An entry of a partition table; places in bytes."""

    number: int
    type_guid: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class BankFacts:
    """A boot bank as it stands on the disk. ``problem``: why it could not be read, or empty.

    ``module`` holds the names in the host module with their modes, None where the bank has none; ``installed`` is its
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
        """Return whether its boot.cfg loads the host module."""
        return any(name.strip("/").lower() in OURS for name in self.modules)


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """A disk after power off. ``problem``: why it has no readable table, or empty.

    ``boot_bank``: the partition of the bank that ESXi's boot loader takes; 0 where it takes none.
    """

    guid: str = ""
    partitions: tuple[PartitionFacts, ...] = ()
    banks: tuple[BankFacts, ...] = ()
    problem: str = ""
    boot_bank: int = 0

    def partition(self, number: int) -> PartitionFacts | None:
        """The entry with this number."""
        return next((one for one in self.partitions if one.number == number), None)

    @property
    def current_bank(self) -> BankFacts | None:
        """The bank that ESXi's boot loader takes."""
        return next((bank for bank in self.banks if bank.partition == self.boot_bank), None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both disks after a stage. ``secrets``: where the token stands in clear, as ``sda, byte 123``.

    ``logs``: names and texts of what esxforge left for people in the boot banks.
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
    """Whether the host answers at its address: ``kind`` is "tls", "closed" or "silent"; ``subject`` of its
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
    """What was tested, and with what. Nothing in it tells whose computer it was."""

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
        """6, 7, 8…"""
        return int(self.release.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Asked:
    """Which parts the person asked for."""

    golden: bool = False
    maas: bool = False
    secure_boot: bool = False
    add: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. What was not reached is not there. ``told`` is what the host answered to our questions.

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
        """The run of this stage; the last, where it took more than one."""
        return next((boot for boot in reversed(self.boots) if boot.stage is stage), None)

    def calls_in(self, *stages: Stage) -> list[Call]:
        """What the host asked and told in these stages."""
        return [call for call in self.calls if call.stage in stages]

    def events(self, *stages: Stage) -> list[Call]:
        """The events among them that MAAS kept."""
        return [call for call in self.calls_in(*stages) if call.event and call.accepted]

    def log(self, stage: Stage) -> str:
        """What esxforge's logs in the boot banks said after this stage."""
        snapshot = self.snapshots.get(stage)
        return "\n".join(text for _, text in snapshot.logs) if snapshot else ""

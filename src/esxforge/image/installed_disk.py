"""Find an installed ESXi on a disk: its partitions, its boot banks, its release, and whether it ever ran.

Facts: the partition tables that VMware's installers leave (6.x; 7.0 and later), the choice of the boot bank
(vmware/esx-boot, safeboot), and what ESXi saves in ``state.tgz`` of a bank: host keys among it, made at the first boot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from uuid import UUID

from esxforge.errors import FormatError, ImageError
from esxforge.image.bios_start import BiosStart, bios_start
from esxforge_target.esxi.banks import BOOT_CFG, Bank, bank_to_boot, judged, why_none
from esxforge_target.esxi.release import Release
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import BASIC_DATA, EFI_SYSTEM, VMFS, VMFS_L, VMK_DIAGNOSTIC, GptPartition, Table
from esxforge_target.formats.gpt_disk import read_table, sector_size_of
from esxforge_target.formats.tar_module import read as read_tar
from esxforge_target.runtime.blocks import Blocks, DiskError, Window

_TYPE_NAMES = {
    EFI_SYSTEM: "EFI system partition",
    BASIC_DATA: "basic data",
    VMFS: "VMFS",
    VMFS_L: "VMFS-L",
    VMK_DIAGNOSTIC: "VMkernel diagnostic",
}
# Partitions that each installer always makes: number and type. 6.x has its locker on 8, later ones OSDATA on 7.
_COMMON: dict[int, UUID] = {1: EFI_SYSTEM, 5: BASIC_DATA, 6: BASIC_DATA}
_SIX = {**_COMMON, 8: BASIC_DATA}
_SEVEN = {**_COMMON, 7: VMFS_L}
_EFI_PROGRAM = "EFI/BOOT/BOOTX64.EFI"
# A formatted VMFS-L volume has its first structures well within this; they begin at 1 MiB.
_OSDATA_HEAD_BYTES = 16 << 20
_STATE = "state.tgz"
_LOCAL = "local.tgz"
_MOST_STATE_BYTES = 64 << 20
_MADE_AT_FIRST_BOOT = ("etc/ssh/ssh_host_", "etc/vmware/ssl/rui.")
_INSTALL_HINT = (
    "Give the raw disk (both ends of it) of a machine on which VMware's installer has finished, or build a golden "
    "image: esxforge build ISO --kind golden."
)


class Life(str, Enum):
    """Whether the installed system ever ran, the best first; the value is a stable word for programs."""

    FRESH = "never-started"
    UNKNOWN = "unknown"
    STARTED = "started"


@dataclass(frozen=True, slots=True)
class InstalledVolume:
    """A FAT volume: its partition's number, place and length in bytes, and VMware's UUID in it (empty: none)."""

    number: int
    offset: int
    length: int
    uuid: bytes = b""


@dataclass(frozen=True, slots=True)
class InstalledDisk:
    """Findings. ``mbr`` is the first sector, ``problems`` are repairable problems of the table."""

    table: Table
    mbr: bytes
    volumes: tuple[InstalledVolume, ...]
    banks: tuple[Bank, ...]
    boot_bank: int
    build: str
    life: Life
    bios: BiosStart
    problems: tuple[str, ...] = ()
    starts_by_uefi: bool = True
    osdata_formatted: bool = True

    @property
    def release(self) -> Release:
        """Release in the bank that boots."""
        return Release.parse(self.build, self.build)

    def volume(self, number: int) -> InstalledVolume:
        """Return the FAT volume on a partition. Raises :class:`ImageError` if it holds none."""
        for volume in self.volumes:
            if volume.number == number:
                return volume
        raise ImageError(f"Partition {number} holds no FAT volume.", _INSTALL_HINT)


def window(disk: Blocks, volume: InstalledVolume) -> Window:
    """Return the partition of a volume."""
    return Window(disk, volume.offset, volume.length)


def examine(disk: Blocks, name: str) -> InstalledDisk:
    """Examine ``disk``, called ``name`` in messages. Raises :class:`ImageError` unless ESXi is installed on it."""
    try:
        sector_size = sector_size_of(disk)
        reading = read_table(disk, sector_size)
        mbr = disk.read_at(0, sector_size)
    except (FormatError, DiskError) as error:
        raise ImageError(f"{name} is not a disk with an installed ESXi: {error.message}", _INSTALL_HINT) from error
    table = reading.table
    _check_types(table, name)
    try:
        volumes = tuple(filter(None, (_volume(disk, table, number) for number, _ in table.partitions)))
        banks = tuple(filter(None, (_bank(disk, volume) for volume in volumes)))
        chosen = bank_to_boot(banks)
        if chosen is None or chosen.cfg is None:
            why = "; ".join(why_none(banks)) or "there is none"
            raise ImageError(f"{name}: no boot bank that ESXi's boot loader would take: {why}.", _INSTALL_HINT)
        found = InstalledDisk(
            table,
            mbr,
            volumes,
            banks,
            chosen.partition,
            chosen.cfg.build,
            Life.FRESH,
            bios_start(disk, table, mbr),
            reading.problems,
        )
        _check_layout(found, name)
        _check_loaded(FatVolume(window(disk, found.volume(found.boot_bank))), chosen.cfg, name, found.boot_bank)
        found = replace(
            found,
            starts_by_uefi=_has_efi_program(disk, found, name),
            osdata_formatted=_is_osdata_formatted(disk, found),
        )
        lives = [_life(FatVolume(window(disk, volume))) for volume in volumes if volume.uuid]
        return replace(found, life=max(lives, key=list(Life).index))
    except (FormatError, DiskError) as error:
        raise ImageError(f"{name}: {error.message}", error.hint or _INSTALL_HINT) from error


def _check_types(table: Table, name: str) -> None:
    foreign = [
        f"partition {number} ({partition.type_guid})"
        for number, partition in table.partitions
        if partition.type_guid not in _TYPE_NAMES
    ]
    if foreign:
        raise ImageError(
            f"{name} holds what ESXi's installer does not make: {', '.join(foreign)}.",
            "Give a disk that holds ESXi and nothing else.",
        )
    if len(table.partitions) == 1 and table.partitions[0][1].type_guid == EFI_SYSTEM:
        raise ImageError(
            f"{name} holds one EFI system partition: an installer's disk, not an installed one.", _INSTALL_HINT
        )


def _volume(disk: Blocks, table: Table, number: int) -> InstalledVolume | None:
    if table.partition(number).type_guid not in (EFI_SYSTEM, BASIC_DATA):
        return None
    offset, length = table.byte_range(number)
    try:
        fat = FatVolume(Window(disk, offset, length))
    except FormatError:
        return None  # such a partition may be empty; where one is needed, that is told later
    return InstalledVolume(number, offset, length, fat.vmware_uuid())


def _bank(disk: Blocks, volume: InstalledVolume) -> Bank | None:
    if not volume.uuid:
        return None
    fat = FatVolume(window(disk, volume))
    if fat.find(BOOT_CFG) is None:
        return None
    return judged(Bank("", volume.number, "", fat.free_bytes(), None), fat.read_file(BOOT_CFG))


def _check_layout(found: InstalledDisk, name: str) -> None:
    """Check that the partitions that the installer of this release makes are there."""
    try:
        release = found.release
    except FormatError as error:
        raise ImageError(
            f"{name}: boot.cfg of partition {found.boot_bank} says build={found.build}, which is not an ESXi release.",
            _INSTALL_HINT,
        ) from error
    if not (6, 5) <= release.numbers[:2] < (10, 0):
        raise ImageError(f"{name} holds ESXi {release}; releases 6.5 to 9 are known.", "Use an ESXi of one of these.")
    by_number: dict[int, GptPartition] = found.table.by_number()
    wrong = [
        f"partition {number} is {_name(by_number.get(number))} instead of {_TYPE_NAMES[kind]}"
        for number, kind in (_SIX if release.major == 6 else _SEVEN).items()
        if number not in by_number or by_number[number].type_guid != kind
    ]
    if wrong:
        raise ImageError(
            f"{name} does not have the partitions of ESXi {release}: {'; '.join(wrong)}.",
            "A disk upgraded from an older release keeps its old partitions: reinstall ESXi.",
        )
    for number in (1, 5, 6):
        found.volume(number)


def _check_loaded(bank: FatVolume, cfg: BootCfg, name: str, number: int) -> None:
    """Check that the bank holds whatever its boot.cfg loads, found as mboot finds it."""
    if cfg.kernel is None:
        raise ImageError(f"{name}: boot.cfg of partition {number} names no kernel.", _INSTALL_HINT)
    wrong = []
    for path in cfg.files("/"):
        entry = bank.find(path)
        if entry is None or entry.is_directory:
            wrong.append(f"{path.lstrip('/')} is missing")
        elif not entry.size and path.lower() != f"/{_STATE}":  # nothing is saved yet: that starts
            wrong.append(f"{path.lstrip('/')} is empty")
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ImageError(
            f"{name}: the boot bank on partition {number} lacks what its boot.cfg loads: {'; '.join(wrong[:5])}{more}.",
            _INSTALL_HINT,
        )


def _has_efi_program(disk: Blocks, found: InstalledDisk, name: str) -> bool:
    """Return whether UEFI finds a boot loader on the disk. Raises ImageError if legacy BIOS finds none either."""
    entry = FatVolume(window(disk, found.volume(1))).find(_EFI_PROGRAM)
    if entry is not None and entry.size:
        return True
    if not found.bios.starts:
        raise ImageError(
            f"{name}: no machine would start it: for UEFI partition 1 has no {_EFI_PROGRAM}; for a legacy BIOS "
            f"{found.bios.reason}.",
            _INSTALL_HINT,
        )
    return False


def _is_osdata_formatted(disk: Blocks, found: InstalledDisk) -> bool:
    """Return whether OSDATA looks formatted. From 7.0 on the installer formats it: concluded, so never an error."""
    if found.release.major < 7:
        return True
    offset, length = found.table.byte_range(7)
    end = offset + min(length, _OSDATA_HEAD_BYTES)
    return any(any(disk.read_at(at, min(1 << 20, end - at))) for at in range(offset, end, 1 << 20))


def _name(partition: GptPartition | None) -> str:
    return "missing" if partition is None else _TYPE_NAMES[partition.type_guid]


def _life(bank: FatVolume) -> Life:
    """Judge by the configuration that ESXi saves in a bank; host keys are made at the first boot.

    The bank that does not boot counts too: it is captured, with whatever an earlier life saved there.
    """
    entry = bank.find(_STATE)
    if entry is None or not entry.size:
        return Life.FRESH
    try:
        names = {member.name: member.data for member in read_tar(bank.read_file(_STATE, _MOST_STATE_BYTES))}
        if _LOCAL in names:
            names = {member.name: member.data for member in read_tar(names[_LOCAL])}
        elif any(name.startswith(_LOCAL) for name in names):
            return Life.UNKNOWN  # local.tgz.ve: encrypted, since 7.0 U2
    except FormatError:
        return Life.UNKNOWN
    started = any(name.lstrip("./").startswith(_MADE_AT_FIRST_BOOT) for name in names)
    return Life.STARTED if started else Life.FRESH

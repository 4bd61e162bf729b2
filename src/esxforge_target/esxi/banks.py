"""The boot banks of a disk that ESXi is installed on: found by device, chosen as the boot loader does, written safely.

Labels do not help: they exist from 7.0 on only, and a second disk with ESXi has the same. ``vmkfstools -P`` gives the
device of a volume. Facts on the choice: vmware/esx-boot, safeboot/bootbank.c: of the first three banks that can be
read those whose boot.cfg says bootstate 0 (valid; also where it says none) or 1 (upgraded, not yet booted; the line
has to be in the file's first sector, where the loader rewrites it), a build, no quickboot, and a counter ``updated``
other than 0, which has 32 bits and no sign. Of several the highest counter, of equal ones the lower partition. Only of
the one taken it looks at the build: where that begins with no digit it stops, and takes no other. A fresh installation
leaves the other bank with the higher counter, but with bootstate 3.
"""

import os
import posixpath
import re
from typing import Dict, List, Optional, Tuple

from esxforge_target.formats.boot_cfg import SECTOR_SIZE, BootCfg
from esxforge_target.runtime.blocks import DiskError, sync_if_possible, sync_path, write_whole
from esxforge_target.runtime.commands import Runner
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

VOLUMES = "/vmfs/volumes"
BOOT_CFG = "boot.cfg"
# Hint if a file of a bank cannot be read, written or removed.
BANK_FAILS = "The disk is failing, or its file system is damaged: deploy again; if it repeats, replace the disk."
MODULE = "esxforge.tgz"
# Data is written under this name until it is complete; 8.3, as all names in a bank.
UNFINISHED = "esxforge.new"
_VALID, _UPGRADING = 0, 1
_BANKS_READ = 3
_QUERY_SECONDS = 30.0


class Spanned(Value):
    """Output of ``vmkfstools -P``: (device, partition) pairs, ``free`` bytes (-1: not given), whether it is FAT."""

    __slots__ = ("partitions", "free", "fat")

    def __init__(self, partitions: "Tuple[Tuple[str, int], ...]", free: int, fat: bool) -> None:
        self.partitions = tuple(partitions)
        self.free = free
        self.fat = fat


class Bank(Value):
    """A boot bank: ``path`` is its directory below /vmfs/volumes, ``free`` in bytes (-1: unknown), ``cfg`` its
    boot.cfg.

    ``problem`` says why the boot loader would not take it; empty if it would.
    """

    __slots__ = ("device", "partition", "path", "free", "cfg", "problem")

    def __init__(  # noqa: PLR0917  # one for each field
        self, device: str, partition: int, path: str, free: int, cfg: "Optional[BootCfg]", problem: str = ""
    ) -> None:
        self.device = device
        self.partition = partition
        self.path = path
        self.free = free
        self.cfg = cfg
        self.problem = problem

    @property
    def updated(self) -> int:
        """Counter by which the boot loader chooses."""
        return 0 if self.cfg is None else self.cfg.updated

    def file(self, name: str) -> str:
        """Return the path of a file in it."""
        return posixpath.join(self.path, name)


class BankFiles:
    """Files on FAT volumes below ``root``: written files appear complete under their name, or not at all."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def locate(self, path: str) -> str:
        """Return our path of the host's ``path``."""
        return posixpath.join(self._root, path.lstrip("/"))

    def volumes(self) -> "List[str]":
        """Return the mounted volumes by UUID: whatever lies in their directory and is not a symbolic link."""
        directory = self.locate(VOLUMES)
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            return []
        return [posixpath.join(VOLUMES, name) for name in names if not os.path.islink(posixpath.join(directory, name))]

    def read(self, path: str) -> "Optional[bytes]":
        """Return a file's content; None if there is none. Raises DiskError if it cannot be read."""
        try:
            with open(self.locate(path), "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DiskError("{} cannot be read: {}.".format(path, error.strerror), BANK_FAILS)

    def write(self, path: str, data: bytes) -> None:
        """Make ``path`` hold ``data``: written beside, synced, read back, then moved. Raises DiskError."""
        beside = posixpath.join(posixpath.dirname(path), UNFINISHED)
        try:
            self.fill(beside, data)
            _check_same(path, self.read(beside), data)
            self.move(beside, path)
            self.sync_directory(posixpath.dirname(path))
        except OSError as error:
            self._give_up(beside)
            raise DiskError(
                "{} cannot be written: {}.".format(path, error.strerror), "Is the volume full, or the disk failing?"
            )
        except DiskError:
            self._give_up(beside)
            raise

    def remove(self, path: str) -> None:
        """Remove a file; not an error if it is gone already. Raises DiskError."""
        try:
            os.unlink(self.locate(path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise DiskError("{} cannot be removed: {}.".format(path, error.strerror), BANK_FAILS)

    # One step each: the seams at which tests let the disk fail or the power go.

    def fill(self, path: str, data: bytes) -> None:
        """Make a new file with these bytes, on the disk when this returns."""
        # Nobody else may read it: it can hold a secret. FAT keeps no mode, but then nobody else is on the host.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(self.locate(path), flags, 0o600)
        try:
            write_whole(descriptor, data)
            sync_if_possible(descriptor)
        finally:
            os.close(descriptor)

    def move(self, before: str, after: str) -> None:
        """Rename a file over another."""
        os.replace(self.locate(before), self.locate(after))
        # FAT keeps in the directory where a file's content starts, and Linux's driver writes that with the file: a
        # power cut would else find the name on its old clusters, which are free by then.
        sync_path(self.locate(after))

    def sync_directory(self, directory: str) -> None:
        """Flush a directory's entries to the disk, if the host can do that for directories."""
        sync_path(self.locate(directory))

    def _give_up(self, path: str) -> None:
        try:
            self.remove(path)
        except DiskError:
            return  # the reason is told already


def _check_same(path: str, found: "Optional[bytes]", data: bytes) -> None:
    if found != data:
        raise DiskError(
            "{} reads back different from what was written.".format(path), "The disk is failing: replace it."
        )


def query(runner: Runner, path: str) -> "Optional[Spanned]":
    """Return ``vmkfstools -P`` of the volume that ``path`` is on; None if the output is unusable."""
    return parse_query(runner.run(["vmkfstools", "-P", path], _QUERY_SECONDS).stdout)


def parse_query(text: str) -> "Optional[Spanned]":
    """Parse its output. Shape (public transcripts, 4.1 to 8.0): ``Capacity … (…), FREE (… blocks) avail…``, then a line
    ``DEVICE:PARTITION`` for each partition after ``Partitions spanned``; the first line begins with ``vfat`` for FAT.
    """
    _, _, spanned = text.partition("Partitions spanned")
    found = re.findall(r"^[ \t]*(\S+):([0-9]+)[ \t]*$", spanned, re.MULTILINE)
    if not found:
        return None
    free = re.search(r"\), ([0-9]+) \([0-9]+ blocks\) avail", text)
    return Spanned(
        tuple((device, int(number)) for device, number in found),
        int(free.group(1)) if free else -1,
        text.lstrip().lower().startswith("vfat"),
    )


def banks_on(device: str, runner: Runner, files: BankFiles) -> "Tuple[Bank, ...]":
    """Return the boot banks on a device, by partition: its FAT volumes with a boot.cfg.

    A volume's files are read only once its device is known: another one may hang.
    """
    banks = {}  # type: Dict[int, Bank]
    for path in files.volumes():
        spanned = query(runner, path)
        if spanned is None or not spanned.fat or [name for name, _ in spanned.partitions] != [device]:
            continue
        data = files.read(posixpath.join(path, BOOT_CFG))
        if data is not None:
            number = spanned.partitions[0][1]
            banks[number] = judged(Bank(device, number, path, spanned.free, None), data)
    return tuple(banks[number] for number in sorted(banks))


def bank_to_boot(banks: "Tuple[Bank, ...]") -> "Optional[Bank]":
    """Return the bank that the boot loader takes; None if it would take none, or stops at the one it takes."""
    taken = _taken(banks)
    return None if taken is None or _stops_at(taken) else taken


def why_none(banks: "Tuple[Bank, ...]") -> "List[str]":
    """Return why ``bank_to_boot`` names none: a sentence's part for each bank."""
    taken = _taken(banks)
    problems = [(bank.partition, bank.problem) for bank in banks if bank.problem]
    if taken is not None and _stops_at(taken):
        problems.append((taken.partition, _stops_at(taken)))
    return ["partition {}: {}".format(partition, problem) for partition, problem in sorted(problems)]


def _taken(banks: "Tuple[Bank, ...]") -> "Optional[Bank]":
    readable = sorted((bank for bank in banks if bank.cfg is not None), key=lambda bank: bank.partition)
    bootable = [bank for bank in readable[:_BANKS_READ] if not bank.problem]
    return max(bootable, key=lambda bank: bank.updated) if bootable else None


def _stops_at(bank: Bank) -> str:
    build = "" if bank.cfg is None else bank.cfg.build
    if build[:1].isdigit():
        return ""
    return "its boot.cfg says build={}, from which the boot loader cannot tell the release, so it stops".format(build)


def judged(bank: Bank, data: bytes) -> Bank:
    """Return ``bank`` with the contents of its boot.cfg, and why the boot loader would not take it."""
    try:
        cfg = BootCfg.parse(data)
    except FormatError as error:
        return bank.replace(problem=error.message)
    problem = ""
    if cfg.bootstate not in (_VALID, _UPGRADING):
        problem = "its boot.cfg says bootstate={}".format(cfg.bootstate)
    elif cfg.bootstate == _UPGRADING and cfg.end_of("bootstate") > SECTOR_SIZE:
        problem = "its boot.cfg says bootstate=1 behind its first {} bytes".format(SECTOR_SIZE)
    elif cfg.quickboot:
        problem = "its boot.cfg says quickboot={}".format(cfg.quickboot)
    elif not cfg.updated:
        problem = "its boot.cfg says updated={}".format(cfg.updated)
    elif not cfg.build:
        problem = "its boot.cfg names no build"
    return bank.replace(cfg=cfg, problem=problem)


def module_name(cfg: BootCfg) -> str:
    """Return how a file in the bank's root is named in this boot.cfg's ``modules=``."""
    return MODULE if cfg.resolve(MODULE, "/") == "/" + MODULE else "/" + MODULE

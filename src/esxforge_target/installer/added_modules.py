"""Modules of VIBs that the image adds, put into the boot bank, so that the installed ESXi loads them at every start.

The boot volume that the installer was started from is overwritten by then. What the boot loader loaded is in memory:
ESXi shows each module, unzipped, as ``/tardisks/NAME`` (a public tool in production reads its own back from there). So
each is read from there, held against the SHA-256 that its VIB names, and zipped again. ``%pre`` reads each
once before: what cannot be read back has to stop the deployment before ESXi is installed.
"""

import hashlib
import posixpath
import zlib
from typing import Iterator, List, Sequence, Tuple

from esxforge_target.contract.added_module import AddedModule
from esxforge_target.esxi.banks import Bank
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.installer.environment import Installer
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report

LOADED = "/tardisks"
_CHUNK = 1 << 20
# VMware's loader for legacy BIOS never ends at a file whose length is a multiple of what it reads at once, which itself
# is a multiple of this.
_READ_BYTES = 512
_NAME_TAKEN = (
    "Leave this VIB out of the image, or build it from another ISO: the build chooses names that the ISO does not have."
)
_NOT_AS_BUILT = "Deploy the machine again. If it repeats, build the image again, or leave this VIB out."

Zipped = Tuple[AddedModule, bytes]


def check_loaded(installer: Installer, modules: "Sequence[AddedModule]") -> None:
    """Raises ForgeError where a module is not in ESXi's memory, or not as it was built."""
    for module in modules:
        for _ in _content(installer, module):
            pass


def read_modules(installer: Installer, modules: "Sequence[AddedModule]") -> "List[Zipped]":
    """Each module with its content as gzip. Raises ForgeError where one is not there, or not as it was built."""
    return [(module, _zipped(installer, module)) for module in modules]


def read_bank(installer: Installer, bank: Bank, modules: "Sequence[AddedModule]") -> "Tuple[List[Zipped], bool]":
    """The same, from the bank where it has them, and whether it has all. Only what it lacks is read from memory, where
    a user's script may have removed it. Raises as :func:`read_modules`, and DiskError."""
    found = []  # type: List[Zipped]
    is_complete = True
    for module in modules:
        data = installer.bank_files.read(bank.file(module.name))
        if data is None or not _unzips_to(data, module):
            is_complete = False
            data = _zipped(installer, module)
        found.append((module, data))
    return found, is_complete


def not_written(installer: Installer, bank: Bank, cfg: BootCfg, modules: "Sequence[Zipped]") -> "List[Zipped]":
    """Those that the bank does not have yet; some are there where %post runs again.

    Raises ForgeError where ESXi itself has a module or a file of that name: it would be replaced.
    """
    listed = [posixpath.basename(module.name).lower() for module in cfg.modules]
    missing = []  # type: List[Zipped]
    for module, data in modules:
        path = bank.file(module.name)
        there = installer.bank_files.read(path)
        if there == data:
            continue
        if there is not None or module.name in listed:
            raise ForgeError(
                "{} of {} cannot be put into the boot bank: {}.".format(
                    module.name,
                    module.vib,
                    "{} is another file of that name".format(path)
                    if there is not None
                    else "its boot.cfg lists a module of that name",
                ),
                _NAME_TAKEN,
            )
        missing.append((module, data))
    return missing


def write_modules(installer: Installer, report: Report, bank: Bank, modules: "Sequence[Zipped]") -> None:
    """Write them into the bank; boot.cfg does not name them yet. Raises DiskError."""
    for module, data in modules:
        path = bank.file(module.name)
        if installer.bank_files.read(path) != data:
            installer.bank_files.write(path, data)
        report.say("{}: {} of {}, {} bytes".format(path, module.name, module.vib, len(data)))


def with_modules(cfg: BootCfg, modules: "Sequence[AddedModule]") -> BootCfg:
    """A boot.cfg that loads them too, behind all others, before the agent's module is added. Raises FormatError."""
    for module in modules:
        cfg = cfg.with_module(listed_name(cfg, module))
    return cfg


def listed_name(cfg: BootCfg, module: AddedModule) -> str:
    """How a file in the bank's root is named in this boot.cfg's ``modules=``."""
    root = "/" + module.name
    return module.name if cfg.resolve(module.name, "/") == root else root


def _zipped(installer: Installer, module: AddedModule) -> bytes:
    pack = zlib.compressobj(6, zlib.DEFLATED, 31)  # a gzip header without a name and a time
    packed = [pack.compress(chunk) for chunk in _content(installer, module)]
    other = pack.copy()
    data = b"".join(packed + [pack.flush()])
    if len(data) % _READ_BYTES == 0:
        data = b"".join(packed + [other.flush(zlib.Z_FULL_FLUSH), other.flush()])  # some bytes longer
    return data


def _content(installer: Installer, module: AddedModule) -> "Iterator[bytes]":
    """The module as ESXi has it in memory. Raises ForgeError, at its end where it is not as it was built."""
    path = "{}/{}".format(LOADED, module.name)
    digest = hashlib.sha256()
    size = 0
    try:
        with open(installer.locate(path), "rb") as stream:
            while True:
                chunk = stream.read(_CHUNK)
                if not chunk:
                    break
                digest.update(chunk)
                size += len(chunk)
                yield chunk
    except OSError as error:
        raise ForgeError(
            "{} of {} cannot be read back from ESXi's memory: {}: {}.".format(
                module.name, module.vib, path, error.strerror
            ),
            _NOT_AS_BUILT,
        )
    if (digest.hexdigest(), size) != (module.sha256, module.size):
        raise ForgeError(
            "{} of {} is not as it was built: {} has {} bytes with another SHA-256 than its VIB names.".format(
                module.name, module.vib, path, size
            ),
            _NOT_AS_BUILT,
        )


def _unzips_to(data: bytes, module: AddedModule) -> bool:
    """Whether the boot loader gets the module from this gzip file."""
    unpack = zlib.decompressobj(31)
    digest = hashlib.sha256()
    size = 0
    try:
        while data and size <= module.size:
            chunk = unpack.decompress(data, _CHUNK)
            digest.update(chunk)
            size += len(chunk)
            data = unpack.unconsumed_tail
    except zlib.error:
        return False
    is_whole = unpack.eof and not unpack.unused_data
    return is_whole and (digest.hexdigest(), size) == (module.sha256, module.size)

"""Modules of VIBs that the image adds, put into the boot bank, so that the installed ESXi loads them at every start.

The boot volume that the installer was started from is overwritten by then. What the boot loader loaded is in memory:
ESXi shows each module, unzipped, as ``/tardisks/NAME`` (a public tool in production reads its own back from there). So
each is read from there, held against the SHA-256 that its VIB names, and zipped again.
"""

import hashlib
import zlib
from typing import List, Sequence, Tuple

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
_NOT_AS_BUILT = "Deploy the machine again. If it repeats, build the image again, or leave this VIB out."

Zipped = Tuple[AddedModule, bytes]


def read_modules(installer: Installer, modules: "Sequence[AddedModule]") -> "List[Zipped]":
    """Each module with its content as gzip. Raises ForgeError where one is not there, or not as it was built."""
    return [(module, _zipped(installer, module)) for module in modules]


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
    path = "{}/{}".format(LOADED, module.name)
    pack = zlib.compressobj(6, zlib.DEFLATED, 31)  # a gzip header without a name and a time
    digest = hashlib.sha256()
    packed = []  # type: List[bytes]
    size = 0
    try:
        with open(installer.locate(path), "rb") as stream:
            while True:
                chunk = stream.read(_CHUNK)
                if not chunk:
                    break
                digest.update(chunk)
                size += len(chunk)
                packed.append(pack.compress(chunk))
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
    other = pack.copy()
    data = b"".join(packed + [pack.flush()])
    if len(data) % _READ_BYTES == 0:
        data = b"".join(packed + [other.flush(zlib.Z_FULL_FLUSH), other.flush()])  # some bytes longer
    return data

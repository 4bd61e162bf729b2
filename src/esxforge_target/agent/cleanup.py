"""The agent takes itself out of the boot bank, and the secrets off the disk. The log stays.

No power cut and no full bank may leave secrets that nobody removes, nor a bank that does not boot. So the secrets are
overwritten first of all, in their own place, which needs no room, with what keeps the module's checksum: it boots as
before and starts the agent, which goes on here. Only then does boot.cfg stop naming the module. The secrets' text is
shorter than a sector and starts one, so no power cut leaves a half of it, and a checksum at which the loader stops.
"""

import os
import posixpath
from typing import List

from esxforge_target.agent.log import Log
from esxforge_target.agent.system import System
from esxforge_target.contract.names import KICKSTART, SECRETS
from esxforge_target.contract.secret_sectors import filler, is_overwritten
from esxforge_target.esxi.banks import BANK_FAILS, BOOT_CFG, MODULE, module_name
from esxforge_target.formats import tar_module
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.stored_gzip import member_extent, stored_gzip
from esxforge_target.runtime.blocks import DiskError
from esxforge_target.runtime.errors import ForgeError, FormatError

_SECTOR = 512
_LOADED = "/tardisks/" + MODULE  # holds the same secrets


def is_listed(system: System, bank: str) -> bool:
    """Return whether a bank's boot.cfg loads our module. A boot.cfg that cannot be read lists none."""
    try:
        cfg = _boot_cfg(system, bank)
    except ForgeError:
        return False
    return MODULE in [posixpath.basename(module.name).lower() for module in cfg.modules]


def is_last(system: System) -> bool:
    """Return whether the secrets are gone, or the module is: an earlier start was about to end."""
    try:
        with open(system.locate(SECRETS), "rb") as stream:
            if _is_gone(stream.read()):
                return True
    except OSError:
        pass  # a damaged module is told elsewhere
    return not any(is_listed(system, bank) for bank in system.banks())


def take_secrets_out(system: System, log: Log) -> None:
    """Overwrite the secrets in the modules. Raises DiskError; the next boot then goes on."""
    problem = None
    for bank in system.banks():
        path = "{}/{}".format(bank, MODULE)
        try:
            _clean(system, path, log)
        except DiskError as error:
            problem = error
    if problem is not None:
        raise problem


def take_out(system: System, log: Log) -> None:
    """No bank starts the agent any more. A power cut before the very last step leaves a file that nothing loads."""
    for bank in system.banks():
        if is_listed(system, bank):
            _unlist(system, bank)
            log.say("{}/{}: the agent is not started any more".format(bank, BOOT_CFG))
        path = "{}/{}".format(bank, MODULE)
        data = system.bank_files.read(path)
        if data is None:
            continue
        if not _is_clean(data):
            _overwrite(system, path, _empty(len(data)))
        system.bank_files.remove(path)
        # Else a power cut may leave the name with clusters that are free, and somebody else's soon.
        system.bank_files.sync_directory(bank)
        log.say("{}: removed".format(path))


def _clean(system: System, path: str, log: Log) -> None:
    data = system.bank_files.read(path)
    if data is None:
        return
    try:
        _overwrite(system, path, without_secrets(data))
    except (FormatError, MemoryError) as error:
        # It goes whole, once boot.cfg does not name it any more.
        reason = "memory ran out" if isinstance(error, MemoryError) else error.message
        log.warn("the secrets in {} cannot be overwritten alone: {}".format(path, reason))
    else:
        log.say("{}: its secrets are overwritten".format(path))


def without_secrets(module: bytes) -> bytes:
    """The same module with zeros for its secrets; its length and its checksum stay. Raises FormatError."""
    offset, length = member_extent(module, SECRETS.lstrip("/"))
    secrets = module[offset : offset + length]
    if _is_gone(secrets):
        return module
    used = len(secrets.rstrip(b" \n"))
    used = min(used + -used % _SECTOR, length)  # blanks fill the rest
    return module[:offset] + filler(secrets[:used]) + module[offset + used :]


def _is_gone(secrets: bytes) -> bool:
    """Return whether this is what ``without_secrets`` leaves."""
    return is_overwritten(secrets[: 8 * 4])


def _is_clean(module: bytes) -> bool:
    try:
        offset, length = member_extent(module, SECRETS.lstrip("/"))
    except (FormatError, MemoryError):
        return False
    return _is_gone(module[offset : offset + length])


def _overwrite(system: System, path: str, data: bytes) -> None:
    system.bank_files.overwrite(path, data)
    if system.bank_files.read(path) != data:
        raise DiskError("{} reads back different from what overwrote it.".format(path), BANK_FAILS)


def _empty(length: int) -> bytes:
    """A module of this length that holds nothing."""
    try:
        return stored_gzip(tar_module.build([]), length)
    except FormatError:
        return bytes(length)


def _boot_cfg(system: System, bank: str) -> BootCfg:
    data = system.bank_files.read("{}/{}".format(bank, BOOT_CFG))
    if data is None:
        raise FormatError("{}/{} is not there.".format(bank, BOOT_CFG), "The boot bank is damaged: deploy again.")
    return BootCfg.parse(data)


def _unlist(system: System, bank: str) -> None:
    cfg = _boot_cfg(system, bank)
    system.bank_files.write("{}/{}".format(bank, BOOT_CFG), cfg.without_module(module_name(cfg)).to_bytes())


def wipe(system: System, log: Log) -> None:
    """Overwrite and remove what stands in memory. ESXi may hold the module's files read-only: then they go with it."""
    problems = _wipe(system)
    if os.path.exists(system.locate(SECRETS)) or _is_loaded(system):
        log.warn("{}; they are in memory until the next boot".format("; ".join(problems)))


def unload(system: System) -> bool:
    """The same ahead of the end, without a word; True once ESXi's memory holds no module of ours.

    From here on nothing of this program can be loaded that is not yet. The boot bank stays as it is.
    """
    _wipe(system)
    return not _is_loaded(system)


def _is_loaded(system: System) -> bool:
    return os.path.exists(system.locate(_LOADED))


def _wipe(system: System) -> "List[str]":
    """A sentence for each thing that did not work."""
    problems = []  # type: List[str]
    path = system.locate(SECRETS)
    try:
        size = os.path.getsize(path)
        with open(path, "r+b") as stream:
            stream.write(bytes(size))
    except FileNotFoundError:
        pass
    except OSError as error:
        problems.append("{} was not overwritten: {}".format(SECRETS, error.strerror))
    for one in (SECRETS, KICKSTART, _LOADED):
        problems += _remove(system, one)
    return problems


def _remove(system: System, path: str) -> "List[str]":
    try:
        os.unlink(system.locate(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        return ["{} was not removed: {}".format(path, error.strerror)]
    return []

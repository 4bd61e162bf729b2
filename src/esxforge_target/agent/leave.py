"""The agent takes itself out of the boot bank, and the secrets off the disk. The log stays.

No power cut may leave secrets that nobody removes, nor a bank that does not boot. So a second module without secrets
takes the first one's place in boot.cfg; only then is the first one overwritten in its own sectors (the boot loader
would stop at a module that is half overwritten) and removed; then the second one goes, too. Each boot.cfg is whole
under its name at any moment. A boot in between starts the agent from the second module, and it goes on here.
"""

import os
import posixpath
from typing import List, Sequence

from esxforge_target.agent.deployment import FOLDER, SECRETS
from esxforge_target.agent.log import Log
from esxforge_target.agent.system import System
from esxforge_target.banks import BOOT_CFG, MODULE, module_name
from esxforge_target.blocks import DiskError
from esxforge_target.errors import ForgeError, FormatError
from esxforge_target.formats import tar_module
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.stored_gzip import stored_gzip, stored_length

# The module without secrets; 8.3, as all names in a bank.
LAST_MODULE = "esxfend.tgz"
_MODULES = (MODULE, LAST_MODULE)


def is_listed(system: System, bank: str, names: "Sequence[str]" = _MODULES) -> bool:
    """Whether a bank's boot.cfg loads one of our modules. A boot.cfg that cannot be read lists none."""
    try:
        cfg = _boot_cfg(system, bank)
    except ForgeError:
        return False
    listed = [posixpath.basename(module.name).lower() for module in cfg.modules]
    return any(name in listed for name in names)


def is_last(system: System) -> bool:
    """Whether only the module without secrets is left: an earlier start was about to end."""
    return not any(is_listed(system, bank, (MODULE,)) for bank in system.banks())


def take_secrets_out(system: System, log: Log) -> None:
    """The module with the secrets goes. Raises ForgeError; the next boot then goes on."""
    for bank in system.banks():
        path = "{}/{}".format(bank, MODULE)
        data = system.bank_files.read(path)
        if data is not None:
            _change_over(system, bank, data, log)
            _destroy(system, path, len(data))
            log.say("{}: overwritten and removed".format(path))


def take_out(system: System, log: Log) -> None:
    """No bank starts the agent any more. A power cut before the very last step leaves a file that nothing loads."""
    for bank in system.banks():
        if is_listed(system, bank):
            _list(system, bank, "")
            log.say("{}/{}: the agent is not started any more".format(bank, BOOT_CFG))
        system.bank_files.remove("{}/{}".format(bank, LAST_MODULE))
        # Else a power cut may leave the name with clusters that are free, and somebody else's soon.
        system.bank_files.settle(bank)


def _change_over(system: System, bank: str, data: bytes, log: Log) -> None:
    """boot.cfg lists the module without secrets in the place of the one with them."""
    if not is_listed(system, bank):
        return
    last = ""
    try:
        system.bank_files.write("{}/{}".format(bank, LAST_MODULE), without_secrets(data))
        last = LAST_MODULE
    except (DiskError, FormatError, MemoryError) as error:
        reason = "memory ran out" if isinstance(error, MemoryError) else error.message
        log.warn("the agent leaves without a module for a power cut: {}".format(reason))
    _list(system, bank, last)


def without_secrets(module: bytes) -> bytes:
    """The same module without the file of secrets."""
    name = SECRETS.lstrip("/")
    tar = tar_module.build([entry for entry in tar_module.read(module) if entry.name != name])
    return stored_gzip(tar, stored_length(tar))


def _boot_cfg(system: System, bank: str) -> BootCfg:
    data = system.bank_files.read("{}/{}".format(bank, BOOT_CFG))
    if data is None:
        raise FormatError("{}/{} is not there.".format(bank, BOOT_CFG), "The boot bank is damaged: deploy again.")
    return BootCfg.parse(data)


def _list(system: System, bank: str, name: str) -> None:
    """boot.cfg lists ``name`` (none, where empty) of our modules."""
    before = _boot_cfg(system, bank)
    cfg = before
    prefix = module_name(cfg)[: -len(MODULE)]
    for one in _MODULES:
        cfg = cfg.without_module(prefix + one)
    if name:
        cfg = cfg.with_module(prefix + name)
    if cfg != before:
        system.bank_files.write("{}/{}".format(bank, BOOT_CFG), cfg.to_bytes())


def _destroy(system: System, path: str, length: int) -> None:
    """Overwrite a module with one that holds nothing, and remove it."""
    try:
        empty = stored_gzip(tar_module.build([]), length)
    except FormatError:
        empty = bytes(length)
    system.bank_files.overwrite(path, empty)
    system.bank_files.remove(path)


def forget(system: System, log: Log) -> None:
    """Overwrite and remove what stands in memory. ESXi may hold the module's files read-only: then they go with it."""
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
    for one in [SECRETS, FOLDER + "/ks.cfg"] + ["/tardisks/" + name for name in _MODULES]:
        problems += _remove(system, one)
    if os.path.exists(path):
        log.warn("{}; they are in memory until the next boot".format("; ".join(problems)))


def _remove(system: System, path: str) -> "List[str]":
    try:
        os.unlink(system.locate(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        return ["{} was not removed: {}".format(path, error.strerror)]
    return []

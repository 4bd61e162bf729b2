"""Saving ESXi's configuration, and the proof that it was saved: the file that it is saved in was renewed, and is whole.

Facts: ``auto-backup.sh`` (published with ESXi 4.1) calls ``backup.sh 0`` where a file of /etc differs from what is
saved, and does nothing else; its exit status does not tell whether that worked. ``backup.sh 0`` saves always. Both
write ``state.tgz`` in the boot bank, which from 7.0 U2 on holds an encrypted archive.
"""

import os
import zlib
from typing import Optional, Tuple

from esxforge_target.agent.system import System, said
from esxforge_target.formats.tar_module import unzip
from esxforge_target.runtime.blocks import DiskError
from esxforge_target.runtime.errors import FormatError

STATE = "/bootbank/state.tgz"
# The first one is what VMware documents; it does nothing where nothing was changed, which proves nothing.
COMMANDS = (("/sbin/auto-backup.sh",), ("/sbin/backup.sh", "0"))
# FAT keeps times in steps of two seconds: by then the same content is told from a file that was not written.
_PAUSE = 5.0

_Seen = Optional[Tuple[int, int, int]]


def save_configuration(system: System) -> str:
    """Make the configuration in memory the one of the next boot. A sentence where that is not proved, or ""."""
    problem = _save(system)
    if problem:
        system.clock.sleep(_PAUSE)
        problem = _save(system)
    return problem


def _save(system: System) -> str:
    problem = ""
    for command in COMMANDS:
        before = _seen(system)
        result = system.run(command)
        if result.status != 0:
            problem = "{} ended with {}: {}".format(" ".join(command), result.status, said(result))
        elif _seen(system) in (None, before):
            problem = "{} says that it worked, but {} is not renewed".format(" ".join(command), STATE)
        else:
            return ""
    return problem


def _seen(system: System) -> _Seen:
    """Return time, size and checksum of the saved configuration; None if there is no complete one."""
    try:
        data = system.bank_files.read(STATE)
        if not data or not unzip(data):
            return None
        return os.stat(system.locate(STATE)).st_mtime_ns, len(data), zlib.crc32(data)
    except (DiskError, FormatError, OSError):
        return None

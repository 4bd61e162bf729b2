"""What only the stand-in of ESXi 6.x needs: its one program is too large for the system partition of 4 MiB, and the one
in the boot bank is started by the entry that its installer makes. A disk that was captured comes to another machine
without that entry, so the firmware is told here. VMware's own loaders fit, and need none.
"""

from __future__ import annotations

import struct
import uuid

from standin.system import efi_variables

# On the kernel's command line, where it is desired.
WORD = "standin.loader=bank"
_BANK, _PROGRAM = 5, "/standin.efi"
_SECTOR = 512


def enter(device: str) -> None:
    """An entry for the program in the boot bank on ``device``. GPT: UEFI 2.10, 5.3.3 (entries from sector 2 on)."""
    with open(device, "rb", buffering=0) as disk:
        disk.seek(2 * _SECTOR)
        entry = disk.read(16 * _SECTOR)[(_BANK - 1) * 128 : _BANK * 128]
    first, last = struct.unpack_from("<QQ", entry, 32)
    guid = str(uuid.UUID(bytes_le=entry[16:32]))
    efi_variables.add_first_boot_entry("VMware ESXi", (_BANK, first, last - first + 1, guid), _PROGRAM)

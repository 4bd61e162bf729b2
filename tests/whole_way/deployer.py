"""The small Linux that MAAS starts from the network to deploy a machine: kernel, busybox, Python and curtin's way."""

from __future__ import annotations

import gzip
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import standin.curtin
from esxforge.local import processes
from standin.linux.contents import (
    DISKS,
    FILE_SYSTEMS,
    LAYERS,
    NETWORK_CARDS,
    add_busybox,
    add_modules,
    add_python,
    shared_libraries,
)
from standin.linux.cpio import Archive
from standin.linux.fetched import find_guest_linux
from standin.system import efi_variables

# As in MAAS's images: what they say stands in curtin's log. dash, since busybox's shell prefers busybox's programs.
_PROGRAMS = ("dash", "dd", "dmsetup", "gzip", "lvm", "mdadm", "partprobe", "sgdisk", "wget", "wipefs")
_INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r path; do insmod "$path"; done < /lib/modules/order
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
ip link set lo up
cd /curtin
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/curtin python3 -m standin.curtin
echo "the guest's Python ended"
poweroff -f
"""


@dataclass(frozen=True)
class Deployer:
    """Two files for QEMU."""

    kernel: Path
    initrd: Path


def make_deployer(directory: Path) -> Deployer:
    """Make it in ``directory``. Raises :class:`~esxforge.errors.ProcessError` where the parts are not installed."""
    linux = find_guest_linux()
    archive = Archive()
    for name in ("proc", "sys", "dev", "run", "tmp"):
        archive.add_directory(name)
    archive.add_character_device("dev/console", 5, 1)
    archive.add("init", _INIT, 0o755)
    add_busybox(archive, leave_out=(*_PROGRAMS, "sh", "gunzip", "zcat"))
    for name in _PROGRAMS:
        _add_program(archive, name)
    archive.add_link("bin/sh", "dash")
    archive.add(
        "bin/udevadm",
        "#!/bin/sh\n# There is no daemon: the kernel makes the devices, standin.curtin the links.\n",
        0o755,
    )
    archive.add("bin/zcat", '#!/bin/sh\nexec gzip -cd "$@"\n', 0o755)
    add_modules(archive, linux, (*DISKS, *LAYERS, *FILE_SYSTEMS, *NETWORK_CARDS))
    work = directory / "python"
    work.mkdir()
    program = add_python(archive, Path(shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin") or ""), work=work)
    archive.add_link("usr/bin/python3", program)
    archive.add_link("usr/bin/env", "/bin/busybox")
    # Regular packages: the guest must see the same names as the tests.
    archive.add("curtin/standin/__init__.py", "")
    for source in Path(standin.curtin.__file__).parent.glob("*.py"):
        archive.add_file(f"curtin/standin/curtin/{source.name}", source)
    archive.add("curtin/standin/system/__init__.py", "")
    archive.add_file("curtin/standin/system/efi_variables.py", Path(efi_variables.__file__))
    unpacked = io.BytesIO()
    archive.write(unpacked)
    initrd = directory / "deployer.cpio.gz"
    initrd.write_bytes(gzip.compress(unpacked.getvalue(), 1, mtime=0))
    shutil.rmtree(work)
    return Deployer(linux.kernel, initrd)


def _add_program(archive: Archive, name: str) -> None:
    program = Path(processes.find_program(name, hint=f"Install {name}.")).resolve()
    archive.add_file(f"bin/{name}", program, 0o755)
    for library in shared_libraries(program):
        archive.add_file(str(library), library.resolve(), 0o755)

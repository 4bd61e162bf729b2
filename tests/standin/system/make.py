"""Makes the stand-in's EFI program: ``python -m standin.system.make --release 8.0 --python 3.6 OUT``."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from esxforge.errors import ForgeError, ProcessError
from esxforge.local import processes
from esxforge.standin_iso.efi_program import build_efi_program
from esxforge.standin_iso.profiles import RELEASES, ReleaseProfile
from standin.linux import contents
from standin.linux.cpio import Archive
from standin.linux.fetched import CHECKOUT, find_guest_linux
from standin.linux.guest import make_program
from standin.pythons import python_of

HERE = Path(__file__).parent
LIBRARY = "usr/lib/standin"
# ESXi's commands, by the path at which scripts call them.
COMMANDS = (
    "bin/esxcli", "bin/localcli", "bin/vim-cmd", "sbin/partedUtil", "sbin/vmkfstools", "sbin/auto-backup.sh",
    "sbin/backup.sh", "sbin/generate-certificates", "sbin/vsish", "sbin/esxcfg-nics", "sbin/esxcfg-vmknic",
    "sbin/esxcfg-route", "sbin/esxcfg-advcfg", "sbin/esxcfg-scsidevs", "sbin/esxcfg-volume", "etc/init.d/hostd",
    "etc/init.d/SSH", "bin/hostname", "bin/reboot", "bin/poweroff", "bin/halt", "usr/lib/vmware/uefi/bin/bootorder",
    "usr/lib/vmware/secureboot/bin/secureBoot.py",
)  # fmt: skip
# Busybox must not bring programs of these names, nor those that ESXi's own busybox lacks and scripts might lean on.
_NOT_FROM_BUSYBOX = frozenset((
    "reboot", "poweroff", "halt", "hostname", "bash", "curl", "dpkg", "dpkg-deb", "rpm", "init", "linuxrc",
))  # fmt: skip
_ETC = {
    "passwd": "root:x:0:0:Administrator:/:/bin/sh\ndcui:x:100:100:DCUI User:/:/sbin/nologin\n",
    "shadow": "root:*:13358:0:99999:7:::\ndcui:*:13358:0:99999:7:::\n",
    "group": "root:x:0:root\n",
    "hosts": "127.0.0.1\tlocalhost.localdomain localhost\n::1\tlocalhost.localdomain localhost\n",
    "ntp.conf": "restrict default kod nomodify notrap nopeer\n",
}
_DIRECTORIES = ("proc", "sys", "dev", "run", "tmp", "var/run", "var/lock", "var/log", "vmfs/volumes",
                "vmfs/devices/disks", "tardisks", "etc/rc.local.d", "etc/init.d", "scratch")  # fmt: skip


def make(out: Path, release: str, python: str | None, without: Collection[str] = ()) -> None:
    """Write the EFI program that plays ESXi ``release``. ``python`` ("3.6"): ESXi's Python; None: the system's.

    ``without`` are drivers of Linux that this ESXi does not have.
    """
    linux = find_guest_linux()
    archive = Archive()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        contents.add_busybox(archive, leave_out=_NOT_FROM_BUSYBOX)
        modules = (*contents.DISKS, *contents.FILE_SYSTEMS, *contents.NETWORK, "macvlan", "loop", "ext4")
        contents.add_modules(archive, linux, [module for module in modules if module not in without])
        own = contents.add_python(archive, system_python(), work / "own", prefix=f"{LIBRARY}/python")
        esxi = own
        if python is not None:
            esxi = contents.add_python(archive, Path(python_of(python) or _no_python(python)), work / "esxi")
        archive.add_link("bin/python", esxi)
        if not release.startswith("6"):
            archive.add_link("bin/python3", esxi)
        _add_programs(archive, own, work)
        _add_files(archive, RELEASES[release])
        out.write_bytes(make_program(linux, archive))


def system_python() -> Path:
    """The Python that the stand-in itself runs on: the distribution's, else ours."""
    usual = Path("/usr/bin/python3")
    if usual.exists():
        asked = processes.run([str(usual), "-c", "import sys; print(sys.version_info >= (3, 10))"], timeout=30)
        if asked.stdout.strip() == "True":
            return usual
    return Path(sys.executable)


def _no_python(version: str) -> str:
    raise ProcessError(f"There is no Python {version} on this computer, neither on PATH nor in pyenv.")


def _add_programs(archive: Archive, own: str, work: Path) -> None:
    packages = work / "packages"
    for package in ("esxi", "system"):
        shutil.copytree(HERE.parent / package, packages / "standin" / package, ignore=_not_in_guest)
    target = packages / "esxforge_target"
    (target / "runtime").mkdir(parents=True)
    for file in ("__init__.py", "runtime/__init__.py", "runtime/commands.py", "runtime/values.py"):
        shutil.copyfile(CHECKOUT / "src/esxforge_target" / file, target / file)
    # Compiled by the Python that will run it: the guest's time is dear.
    subprocess.run([str(system_python()), "-m", "compileall", "-q", "-b", str(packages)], check=True)
    for source in packages.rglob("*.py"):
        source.unlink()
    archive.add_tree(f"{LIBRARY}/packages", packages)
    start = (
        f"#!{own} -IS\nimport sys\nsys.path.insert(0, '/{LIBRARY}/packages')\n"
        "from standin.system.main import boot\nboot()\n"
    )
    archive.add(f"{LIBRARY}/boot", start, 0o755)
    archive.add(f"{LIBRARY}/client", f"#!{own} -IS\n" + (HERE / "client.py").read_text(), 0o755)
    for command in COMMANDS:
        archive.add_link(command, f"/{LIBRARY}/client")
    archive.add_file(f"{LIBRARY}/lease", HERE / "lease.sh", 0o755)
    archive.add_file("init", HERE / "init.sh", 0o755)


def _not_in_guest(directory: str, names: list[str]) -> set[str]:
    return {
        name
        for name in names
        if name in ("__pycache__", "client.py", "make.py", "iso.py", "images.py", "conftest.py", "ruff.toml")
        or name.startswith("test_")
    }


def _add_files(archive: Archive, release: ReleaseProfile) -> None:
    for directory in _DIRECTORIES:
        archive.add_directory(directory)
    archive.add_character_device("dev/console", 5, 1)
    archive.add_character_device("dev/null", 1, 3, 0o666)
    for name, text in _ETC.items():
        archive.add(f"etc/{name}", text, 0o600 if name == "shadow" else 0o644)
    archive.add(f"{LIBRARY}/unused.efi", build_efi_program("esxforge stand-in: not meant to be started"))
    told = {
        "version": release.version, "build": release.build, "boot_cfg_build": release.boot_cfg_build,
        "kernel": release.kernel, "modules": list(release.modules),
    }  # fmt: skip
    archive.add(f"{LIBRARY}/release.json", json.dumps(told, sort_keys=True))


def main() -> int:
    """The command line. Exit status 1 with a sentence where it cannot be made."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--release", choices=sorted(RELEASES), default="8.0")
    parser.add_argument("--python")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    try:
        make(given.out, given.release, given.python)
    except ForgeError as error:
        print("\n".join(filter(None, (error.message, error.hint))), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

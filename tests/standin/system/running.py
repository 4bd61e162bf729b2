"""The installed system: configuration from the bank, real network, scripts of rc.local.d and of the first boot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from standin.esxi.fake import FakeEsxi
from standin.system import commands, efi_variables, machine, network, server
from standin.system.console import log, say
from standin.system.install import FIRST_BOOT
from standin.system.loader import Loaded, extract

_RC = Path("/etc/rc.local.d")
_INTERPRETERS = {"busybox": "/bin/sh", "python": "/bin/python"}


def run(loaded: Loaded, left_out: Sequence[str] = ()) -> None:
    """Boot what is installed; returns when it runs. ``left_out``: scripts of rc.local.d that are not run."""
    told = machine.release()
    log(f"VMware ESXi {told['version']} build-{told['build']} starts")
    disk = loaded.volume.disk
    saved = Path(machine.DIRECTORY) / "saved.json"
    state = json.loads(saved.read_text()) if saved.exists() else None
    fake = machine.power_on(disk.node if disk else None)
    _link_banks(fake, loaded.bank)
    network.take_over(fake.hardware["nics"])
    with fake.edit() as host:
        host.store["saved"] = state or host.running
        host.hardware["boot_entries"] = efi_variables.boot_entries()
        host.store["power"]["first"] = False
    shutil.rmtree(f"{machine.DIRECTORY}/saved-etc", ignore_errors=True)
    shutil.copytree("/etc", f"{machine.DIRECTORY}/saved-etc", symlinks=True)
    _one_time_files()
    fake.boot()
    with fake.edit() as host:
        host.world["cables"] = network.cables(host.hardware["nics"])
        network.apply(host)
    server.start(commands.run)
    log("hostd is up")
    _tell_address(fake)
    _run_scripts(left_out)
    say(f"VMware ESXi {told['version']} is up")


def _link_banks(fake: FakeEsxi, number: int | None) -> None:
    boot = [disk["name"] for disk in fake.hardware["disks"] if disk["boot"]]
    for bank in fake.hardware["banks"]:
        if bank["device"] in boot:
            link = "/bootbank" if bank["partition"] == number else "/altbootbank"
            if not os.path.lexists(link):
                os.symlink(f"/vmfs/volumes/{bank['uuid']}", link)


def _one_time_files() -> None:
    file = Path("/bootbank/onetime.tgz")
    if file.exists():
        with tarfile.open(file) as archive:
            extract(archive)
        file.unlink()
        os.sync()


def _run_scripts(left_out: Sequence[str]) -> None:
    first = Path("/") / FIRST_BOOT
    for path in sorted(first.glob("*")) if first.is_dir() else []:
        _run_script([_INTERPRETERS[path.name.partition("_")[2]], str(path)])
        path.unlink()
    for path in sorted(_RC.iterdir()):
        # As /etc/rc.local does: what may be executed, in the order of names.
        if path.is_file() and os.access(path, os.X_OK) and path.name not in left_out:
            _run_script(["/bin/sh", str(path)])


def _run_script(arguments: list[str]) -> None:
    say(f"Running {arguments[-1]}")
    with open("/var/log/scripts.log", "ab") as output:
        status = subprocess.run(arguments, stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False, cwd="/")
    if status.returncode:
        say(f"{arguments[-1]} ended with exit status {status.returncode}")


def _tell_address(fake: FakeEsxi) -> None:
    for name, vmk in sorted(fake.running["interfaces"].items()):
        say(f"{name} {vmk['mac']} {vmk['ipv4']['address'] or 'no address'} ({vmk['ipv4']['type']})")

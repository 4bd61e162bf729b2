"""Where the stand-in's programs start: ``boot`` by the first process, every other name is one of ESXi's commands."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path

from esxforge_target.commands import TIMED_OUT
from standin.esxi import FakeEsxi, PowerLost
from standin.esxi.host import Host
from standin.system import boot_cfg, installer, loader, machine, network, power, running
from standin.system.console import say, wait_for_ever

_LOCK = "/run/standin/lock"


def main(arguments: list[str]) -> int:
    """``arguments``: a program's name and its own arguments."""
    name = os.path.basename(arguments[0])
    if name == "boot":
        boot()
        return 0
    return _command([name, *arguments[1:]])


def boot() -> None:
    """From the loader to the running system."""
    os.makedirs("/run/standin", exist_ok=True)
    try:
        loaded = loader.load()
        digests = loader.unpack(loaded.modules)
    except boot_cfg.LoaderError as error:
        say(str(error))
        say(error.last_words)
        wait_for_ever()
        return
    os.makedirs(machine.FOLDER, exist_ok=True)
    machine.FROM_MODULES.write_text(json.dumps(digests))
    if any(word == "runweasel" or word.startswith("ks=") for word in loaded.options):
        installer.run(loaded)
    else:
        running.run(loaded)


def _command(words: list[str]) -> int:
    Host.real = machine.RealMachine()
    stdin = sys.stdin.read() if words[0] == "vmkfstools" and "-Z" in words else ""
    # Commands of several processes change the same documents.
    with open(_LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fake = FakeEsxi.open(machine.FOLDER)
        before = json.dumps(fake.running, sort_keys=True)
        with fake.edit() as host:
            host.world["cables"] = network.cables(host.hardware["nics"])
        try:
            result = fake.run(words, stdin=stdin)
        except PowerLost as lost:
            return _end(fake, str(lost), words)
        if json.dumps(fake.running, sort_keys=True) != before and fake.store["power"]["hostd"]:
            with fake.edit() as host:
                network.apply(host)
    if result.status == TIMED_OUT:
        time.sleep(3600)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    return result.status


def _end(fake: FakeEsxi, kind: str, words: list[str]) -> int:
    """A clean shutdown saves the configuration; esxcli's has a delay, in which the host goes on."""
    with fake.edit() as host:
        host.store["power"].update(on=True)
    if Path("/bootbank/boot.cfg").exists():
        fake.run(["/sbin/auto-backup.sh"])
    delay = next((float(after) for word, after in pairwise(words) if word in ("-d", "--delay")), 0)
    power.end_later("poweroff" if kind == "poweroff" else "reboot", delay or (10 if "esxcli" in words else 1))
    return 0

"""One of ESXi's commands: the fake runs it, and what it changed is made real on Linux."""

from __future__ import annotations

import fcntl
import json
import sys
from itertools import pairwise
from pathlib import Path

from standin.esxi import FakeEsxi, PowerLost
from standin.esxi.host import Host
from standin.system import machine, network, power

_LOCK = "/run/standin/lock"


def run(words: list[str], stdin: str) -> int:
    """Run a command by its name and arguments; its output is printed. The exit status."""
    Host.real = machine.RealMachine()
    # Commands of several processes change the same documents.
    with open(_LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fake = FakeEsxi.open(machine.DIRECTORY)
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
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    return result.status


def _end(fake: FakeEsxi, kind: str, words: list[str]) -> int:
    """A clean shutdown saves the configuration; esxcli's has a delay, in which the host goes on."""
    with fake.edit() as host:
        host.store["power"].update(on=True)
    if Path("/bootbank/boot.cfg").exists():
        fake.run(["/sbin/auto-backup.sh"])
    if words[0] not in ("esxcli", "localcli"):
        power.end(kind)
    delay = next((float(after) for word, after in pairwise(words) if word in ("-d", "--delay")), 10.0)
    power.end_later(kind, delay)
    return 0

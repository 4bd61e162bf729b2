"""A program that is called like QEMU: it speaks QMP on the descriptor that it inherits, or refuses to start."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from esxforge.vm.hardware import QEMU

_PROGRAM = """\
#!{python}
import json, re, socket, sys
plan = json.loads({plan!r})
if plan["refuses"]:
    sys.exit(plan["refuses"])
words = " ".join(sys.argv)
serial = re.search("id=serial0,path=([^ ,]+)", words)
if serial:
    with open(serial.group(1), "w") as log:
        log.write(plan["serial"])
channel = socket.socket(fileno=int(re.search("id=qmp,fd=([0-9]+)", words).group(1)))
def send(**message):
    channel.sendall(json.dumps(message).encode() + b"\\n")
version = {{"qemu": {{"major": 8, "minor": 2, "micro": 1}}, "package": ""}}
send(QMP={{"version": version, "capabilities": []}})
asked_for = ""
while received := channel.recv(4096):
    # No newline ends a command: one is whole when it can be read.
    asked_for += received.decode()
    try:
        asked = json.loads(asked_for)
    except ValueError:
        continue
    asked_for = ""
    known = {{name: asked[name] for name in ("id",) if name in asked}}
    if asked["execute"] == "screendump":
        send(**known, error={{"class": "GenericError", "desc": "no screen"}})
        continue
    send(**known, **{{"return": {{}}}})
    if asked["execute"] == "cont":
        for event in plan["events"]:
            send(timestamp={{"seconds": 0, "microseconds": 0}}, **event)
        if plan["status"] is not None:
            sys.exit(plan["status"])
"""


def put_on_path(
    directory: Path,
    patch: pytest.MonkeyPatch,
    *,
    refuses: str = "",
    serial: str = "",
    events: tuple[dict[str, Any], ...] = (),
    status: int | None = None,
) -> None:
    """Make the program QEMU for the rest of the test.

    It says ``refuses`` and ends with status 1; or writes ``serial``, tells ``events`` once the guest is started, and
    ends with ``status`` (None: it goes on until it is ended).
    """
    directory.mkdir(exist_ok=True)
    program = directory / QEMU
    plan = json.dumps({"refuses": refuses, "serial": serial, "events": events, "status": status})
    program.write_text(_PROGRAM.format(python=sys.executable, plan=plan))
    program.chmod(stat.S_IRWXU)
    patch.setenv("PATH", str(directory), prepend=os.pathsep)

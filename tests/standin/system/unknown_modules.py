"""What ESXi does with modules that no VIB names, once the boot loader has loaded them: nobody knows, so it is a dial.

``standin.unknownModules=`` among the kernel's options: ``accept`` (without it, too); ``refuse``: the kernel stops with
a purple screen; ``unrun``: they are unpacked, and none of their scripts in rc.local.d is run.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from standin.system import machine
from standin.system.console import say
from standin.system.loader import Loaded

OPTION = "standin.unknownModules"
ACCEPT, REFUSE, UNRUN = "accept", "refuse", "unrun"
STOPPED = "Unexpected early boot module"
# What an installed system has besides the image profile's.
_OWN = ("state.tgz", "onetime.tgz")
_PURPLE = "\x1b[45;97m\x1b[2J\x1b[H"


def dial(loaded: Loaded) -> str:
    """Where it stands in this start."""
    words = [word.partition("=")[2] for word in loaded.options if word.startswith(OPTION + "=")]
    return words[-1] if words else ACCEPT


def unknown_modules(loaded: Loaded) -> list[str]:
    """The modules that the image profile does not name."""
    told = machine.release()
    return [name for name in loaded.modules if name not in (told["kernel"], *told["modules"], *_OWN)]


def purple_screen(name: str) -> None:
    """What the kernel shows before it stops for good."""
    told = machine.release()
    say(f"{_PURPLE}VMware ESXi {told['version']} [Releasebuild-{told['build']} x86_64]\n{STOPPED}: {name}")


def scripts_of(loaded: Loaded) -> list[str]:
    """The scripts of rc.local.d that unknown modules bring."""
    found = []
    for name in unknown_modules(loaded):
        with tarfile.open(fileobj=io.BytesIO(loaded.modules[name])) as archive:
            paths = [Path("/", member.name) for member in archive]
        found += [path.name for path in paths if path.parent == Path("/etc/rc.local.d")]
    return found

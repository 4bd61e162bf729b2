"""Where the stand-in's own program starts: from the boot loader to the installer's end or the running system."""

from __future__ import annotations

import json
import os

from standin.system import boot_cfg, installer, loader, machine, running, unknown_modules
from standin.system.console import say, wait_for_ever


def boot() -> None:
    """Play a boot. It returns when the installed system runs."""
    os.makedirs("/run/standin", exist_ok=True)
    try:
        loaded = loader.load()
        unknown = unknown_modules.unknown_modules(loaded)
        if unknown and unknown_modules.dial(loaded) == unknown_modules.REFUSE:
            unknown_modules.purple_screen(unknown[0])
            wait_for_ever()
        digests = loader.unpack(loaded.modules)
        loader.load_drivers()
    except boot_cfg.LoaderError as error:
        say(str(error))
        say(error.last_words)
        wait_for_ever()
        return
    os.makedirs(machine.DIRECTORY, exist_ok=True)
    machine.FROM_MODULES.write_text(json.dumps(digests))
    if any(word == "runweasel" or word.startswith("ks=") for word in loaded.options):
        installer.run(loaded)
    else:
        left_out = unknown_modules.scripts_of(loaded) if unknown_modules.dial(loaded) == unknown_modules.UNRUN else []
        running.run(loaded, left_out)

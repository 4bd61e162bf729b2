"""Modules of VIBs that the image added: did the boot loader load them?

They stay in the boot bank when the agent leaves. ESXi does not own them, so nobody else would look.
"""

import os
from typing import List, Sequence, Tuple

from esxforge_target.agent.system import System
from esxforge_target.contract.added_module import AddedModule

LOADED = "/tardisks"


def looked_for(system: System, modules: "Sequence[AddedModule]") -> "Tuple[str, str]":
    """(a sentence on those that are loaded, one on those that are not); each may be empty."""
    loaded = []  # type: List[str]
    missing = []  # type: List[str]
    for module in modules:
        there = os.path.isfile(system.locate("{}/{}".format(LOADED, module.name)))
        (loaded if there else missing).append("{} of {}".format(module.name, module.vib))
    return (
        "Loaded from the boot bank, and not owned by ESXi: {}.".format(", ".join(loaded)) if loaded else "",
        "Added by the image, and not loaded by ESXi: {}. Hardware that needs it is missing.".format(", ".join(missing))
        if missing
        else "",
    )

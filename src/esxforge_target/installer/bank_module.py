"""The bank module: what the boot loader gives the installed ESXi on every boot, until the agent has finished."""

import json
from typing import Any, Dict

from esxforge_target.contract import agent_start
from esxforge_target.formats import tar_module
from esxforge_target.formats.stored_gzip import stored_gzip, stored_length
from esxforge_target.installer.environment import Installer
from esxforge_target.installer.step import DESIRED, HOST, SECRETS

_SECRETS = SECRETS.lstrip("/")


def bank_module(installer: Installer, installed: "Dict[str, Any]") -> bytes:
    """A gzip of stored blocks with what the agent needs from the RAM disk; ``installed`` becomes installed.json.

    The kickstart stays behind. So do the places of the secrets: they were on the boot medium, which is no more; in the
    bank they stand in this module alone.
    """
    host = dict(installer.document(HOST), secrets=[])
    entries = [
        tar_module.directory("esxforge", 0o755),
        tar_module.file(_SECRETS, installer.read(SECRETS), 0o600),
        tar_module.file(HOST.lstrip("/"), _json(host)),
        tar_module.file("esxforge/installed.json", _json(installed)),
        tar_module.file(DESIRED.lstrip("/"), installer.read(DESIRED)),
    ]
    library = agent_start.LIBRARY
    for name in installer.directory(library):
        path = "{}/{}".format(library, name)
        entries.append(tar_module.file(path.lstrip("/"), installer.read(path)))
    tar = tar_module.build(entries + [agent_start.entry()])
    return stored_gzip(tar, stored_length(tar, _SECRETS), _SECRETS)


def _json(document: "Dict[str, Any]") -> bytes:
    return json.dumps(document, sort_keys=True, indent=1).encode("ascii") + b"\n"

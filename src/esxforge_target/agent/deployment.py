"""What the host module brings: the desired host, what the hook knew, and the secrets."""

import json
import os
from typing import Any, Dict, Optional

from esxforge_target.agent.system import System
from esxforge_target.contract.desired_document import desired_host_from_json
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.endpoint import Endpoint, parse_endpoint
from esxforge_target.contract.token import Token
from esxforge_target.runtime.errors import ForgeError, FormatError
from esxforge_target.runtime.values import Value

DIRECTORY = "/esxforge"
SECRETS = DIRECTORY + "/secrets.json"
_HINT = "The host module is damaged: deploy the machine again."
_ROOT_PASSWORD = "rootpw --iscrypted "  # noqa: S105  a kickstart's words


class Deployment(Value):
    """``host`` is host.json; ``installed`` installed.json, or None. ``root_hash`` is root's password, hashed, or ""."""

    __slots__ = ("desired", "host", "installed", "endpoint", "token", "root_hash")

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        desired: DesiredHost,
        host: "Dict[str, Any]",
        installed: "Optional[Dict[str, Any]]",
        endpoint: Endpoint,
        token: Token,
        root_hash: str,
    ) -> None:
        self.desired = desired
        self.host = host
        self.installed = installed
        self.endpoint = endpoint
        self.token = token
        self.root_hash = root_hash

    def __repr__(self) -> str:
        return "Deployment({})".format(self.endpoint.system_id)

    @property
    def golden(self) -> bool:
        """Whether this host was cloned from a captured disk."""
        return str(self.host.get("kind", "installer")) == "golden"

    @property
    def boot_disk_guid(self) -> str:
        """The GPT disk GUID that the boot disk must have (empty: not known)."""
        if self.installed is not None:
            return str(self.installed.get("disk_guid") or "").lower()
        return str(self.host["disk_guids"].get(self.host["boot_disk"], "")).lower()


def read_deployment(system: System) -> Deployment:
    """Read it all from the RAM disk. Raises ForgeError, which repeats nothing of the secrets."""
    desired = desired_host_from_json(_text(system, "desired.json"))
    host = _document(system, "host.json")
    secrets = _document(system, "secrets.json")
    installed = None
    if os.path.exists(system.locate(DIRECTORY + "/installed.json")):
        installed = _document(system, "installed.json")
    maas, rootpw = secrets.get("maas"), secrets.get("rootpw")
    if not isinstance(maas, dict) or not isinstance(host.get("disk_guids"), dict):
        raise FormatError("The host module lacks what this host needs.", _HINT)
    line = rootpw if isinstance(rootpw, str) else ""
    return Deployment(
        desired,
        host,
        installed,
        parse_endpoint(desired.maas.endpoint, desired.maas.addresses),
        Token.from_config(maas),
        line[len(_ROOT_PASSWORD) :].strip() if line.startswith(_ROOT_PASSWORD) else "",
    )


def _text(system: System, name: str) -> str:
    try:
        with open(system.locate("{}/{}".format(DIRECTORY, name)), encoding="ascii") as stream:
            return stream.read()
    except OSError as error:
        raise ForgeError("{}/{} cannot be read: {}.".format(DIRECTORY, name, error.strerror), _HINT)
    except UnicodeDecodeError:
        raise FormatError("{}/{} is damaged.".format(DIRECTORY, name), _HINT) from None


def _document(system: System, name: str) -> "Dict[str, Any]":
    try:
        document = json.loads(_text(system, name))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise FormatError("{}/{} is damaged.".format(DIRECTORY, name), _HINT) from None
    return document

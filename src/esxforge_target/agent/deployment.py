"""Contents of the bank module: the desired host, the host record, the install record and the secrets."""

import os
from typing import List, Optional

from esxforge_target.agent.system import System
from esxforge_target.contract.desired_document import desired_host_from_json
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.host_record import HostRecord
from esxforge_target.contract.install_record import InstallRecord
from esxforge_target.contract.names import DESIRED_HOST, HOST_RECORD, INSTALL_RECORD, SECRETS
from esxforge_target.contract.secrets import Secrets
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.values import Value

_HINT = "The host module is damaged: deploy the machine again."


class Deployment(Value):
    """``installed`` is None on a golden host, on which no installer ran."""

    __slots__ = ("desired", "record", "installed", "secrets")

    def __init__(
        self, desired: DesiredHost, record: HostRecord, installed: "Optional[InstallRecord]", secrets: Secrets
    ) -> None:
        self.desired = desired
        self.record = record
        self.installed = installed
        self.secrets = secrets

    def __repr__(self) -> str:
        return "Deployment({})".format(self.desired.maas.system_id)

    @property
    def notices(self) -> "List[str]":
        """Reports of the installer step, one sentence each."""
        return list(self.installed.notices) if self.installed is not None else []

    @property
    def boot_disk_guid(self) -> str:
        """GPT disk GUID that the boot disk must have, in lower case; empty if it is not known."""
        if self.installed is not None:
            return self.installed.disk_guid.lower()
        return self.desired.boot_disk.disk_guid.lower()


def read_deployment(system: System) -> Deployment:
    """Read everything from the RAM disk. Raises ForgeError, which contains no secret."""
    installed = None
    if os.path.exists(system.locate(INSTALL_RECORD)):
        installed = InstallRecord.from_json(_text(system, INSTALL_RECORD))
    return Deployment(
        desired_host_from_json(_text(system, DESIRED_HOST)),
        HostRecord.from_json(_text(system, HOST_RECORD)),
        installed,
        Secrets.from_bytes(_read(system, SECRETS)),
    )


def _text(system: System, path: str) -> str:
    return _read(system, path).decode("ascii", "replace")


def _read(system: System, path: str) -> bytes:
    try:
        with open(system.locate(path), "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ForgeError("{} cannot be read: {}.".format(path, error.strerror), _HINT)

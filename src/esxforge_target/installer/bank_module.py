"""The bank module: what the boot loader gives the installed ESXi on every boot, until the agent has finished."""

from esxforge_target.contract import agent_start
from esxforge_target.contract.host_record import HostRecord
from esxforge_target.contract.install_record import InstallRecord
from esxforge_target.contract.names import DESIRED_HOST, DIRECTORY, HOST_RECORD, INSTALL_RECORD, LIBRARY, SECRETS
from esxforge_target.contract.secrets import Secrets
from esxforge_target.formats import tar_module
from esxforge_target.formats.stored_gzip import stored_gzip, stored_length
from esxforge_target.installer.environment import Installer

_SECRETS = SECRETS.lstrip("/")


def bank_module(installer: Installer, installed: InstallRecord) -> bytes:
    """A gzip of stored blocks with what the agent needs from the RAM disk.

    The kickstart stays behind, and root's password, which the installer has set: of secrets there is this host's token
    alone, as a host that does not start may keep the module. So does the place of the secrets: it was on the boot
    medium, which is no more.
    """
    record = HostRecord.from_json(installer.text(HOST_RECORD)).replace(secrets=None)
    token = Secrets.from_bytes(installer.read(SECRETS)).token
    entries = [
        tar_module.directory(DIRECTORY.lstrip("/"), 0o755),
        tar_module.file(_SECRETS, Secrets(token, "").to_bytes(), 0o600),
        tar_module.file(HOST_RECORD.lstrip("/"), record.to_json().encode("ascii")),
        tar_module.file(INSTALL_RECORD.lstrip("/"), installed.to_json().encode("ascii")),
        tar_module.file(DESIRED_HOST.lstrip("/"), installer.read(DESIRED_HOST)),
    ]
    for name in installer.directory(LIBRARY):
        path = "{}/{}".format(LIBRARY, name)
        entries.append(tar_module.file(path.lstrip("/"), installer.read(path)))
    tar = tar_module.build(entries + [agent_start.entry()])
    return stored_gzip(tar, stored_length(tar, _SECRETS), _SECRETS)

"""Talk to MAAS from ESXi's installer: ``python -m esxforge_target.installer.report_to_maas WHAT ROOT``.

WHAT is ``failed``, with the reason on stdin, ``event`` with a sentence there, or ``at-work``, which restarts MAAS's
time limit.

A process of its own, so that its starter can put an end to it: nothing promises a network inside ESXi's installer, and
looking up a name without one can take minutes. The token comes from the RAM disk, never by argument.
"""

import sys

from esxforge_target.contract.desired_document import desired_host_from_json
from esxforge_target.contract.errors import ContractError
from esxforge_target.contract.names import DESIRED_HOST, SECRETS
from esxforge_target.contract.secrets import Secrets
from esxforge_target.contract.secure_boot_steps import EVENT_NAME
from esxforge_target.installer.environment import Installer
from esxforge_target.installer.step import AT_WORK, EVENT
from esxforge_target.metadata.client import MetadataClient, Patience
from esxforge_target.metadata.errors import MetadataError
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.visible import visible

_REQUEST_SECONDS = 5.0
_TOTAL_SECONDS = 8.0


def connect(installer: Installer) -> MetadataClient:
    """MAAS, as the documents in the RAM disk name it. Raises ForgeError."""
    desired = desired_host_from_json(installer.text(DESIRED_HOST))
    try:
        token = Secrets.from_bytes(installer.read(SECRETS)).token
    except ContractError:
        raise MetadataError(
            "{} holds no token for MAAS any more.".format(SECRETS), "MAAS gives up by itself."
        ) from None
    return MetadataClient(desired.maas, token, Patience(_REQUEST_SECONDS, _TOTAL_SECONDS))


def main() -> int:
    """0 if MAAS took it; else 1, with the reason on stderr."""
    what, root = sys.argv[1:]
    try:
        client = connect(Installer(root))
        if what == AT_WORK:
            client.restart_limit()
        elif what == EVENT:
            client.report("start", EVENT_NAME, sys.stdin.read())
        else:
            client.report_failed_deployment(sys.stdin.read())
    except ForgeError as error:
        sys.stderr.write(visible(error.message) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

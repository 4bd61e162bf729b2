"""Run by old Pythons in a child process: the agent on the fake ESXi in a directory, MAAS on a port of this computer.

Arguments: the directory of the fake, the port. Python 3.6 syntax, as the fake has it.
"""

import sys

from esxforge_target.agent.life import run
from esxforge_target.agent.system import System
from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.metadata.client import MetadataClient
from standin.esxi import FakeEsxi


def main(directory: str, port: str) -> int:
    fake = FakeEsxi.open(directory)

    class Client(MetadataClient):
        """Reaches MAAS here, where the host's network leads to it."""

        def _once(self, method, path, body, limit, timeout):  # type: ignore[no-untyped-def]
            assert not fake.why_not(self.endpoint.host, self.endpoint.port)
            outside = self.endpoint
            self.endpoint = Endpoint(False, "127.0.0.1", int(port), outside.base, outside.system_id)
            try:
                return super()._once(method, path, body, limit, timeout)
            finally:
                self.endpoint = outside

    return run(System(fake.root, fake, connect=Client))


sys.exit(main(*sys.argv[1:]))

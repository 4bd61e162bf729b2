"""A machine, its MAAS and its network, put up for one deployment and taken down again; logs stay where one is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from esxforge.local.workspace import work_directory
from whole_way.deployer import Deployer
from whole_way.evidence import Found, leaks
from whole_way.host import Host, HostError
from whole_way.installed import InstalledHost
from whole_way.maas import Maas, running_maas
from whole_way.neighbour import Neighbour, Place
from whole_way.order import Order, segment

# What the samples' network has besides MAAS: the gateways, and a host in VLAN 100.
GATEWAY = Place.of("10.0.0.1")
ROUTER = Place.of("2001:db8:0:1::1")
BEHIND_VLAN = Place.of("192.168.100.1", 100)
# What the agent says first and last, on the host's consoles.
AGENT_STARTS = "esxforge: the agent starts"
AGENT_IS_DONE = "esxforge: the agent is done"
PLACES = (GATEWAY, Place.of("10.0.0.254"), ROUTER, BEHIND_VLAN)


@dataclass
class Laboratory:
    """All of it."""

    order: Order
    maas: Maas
    host: Host
    neighbour: Neighbour

    def deploy(self, deployer: Deployer, *words: str) -> bool:
        """MAAS deploys the machine: does it let it start from its disk now? ``words``: more for the kernel."""
        self.host.deploy(deployer, " ".join((self.maas.kernel_words(), *words)))
        return not self.maas.machine.netboot

    def esxforge(self, *arguments: str) -> None:
        """Run one of esxforge's commands against this MAAS. Raises HostError where it fails."""
        command = [sys.executable, "-m", "esxforge", *arguments]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env={**os.environ, **self.maas.variables}
        )
        if done.returncode:
            raise HostError(f"esxforge {arguments[0]} failed:\n{done.stdout}{done.stderr}")

    def request(self) -> None:
        """Plan the machine and ask MAAS to deploy it, as a person does; nobody follows."""
        self.esxforge("plan", "--machine", self.order.hostname, "--summary")
        self.esxforge("deploy", self.order.hostname, "--yes", "--detach")

    def installed(self) -> InstalledHost:
        """What is on its disks; the machine must be off."""
        return InstalledHost(tuple(self.host.disk(number) for number in range(len(self.host.disks))))

    def leaks(self, **forbidden: str) -> list[Found]:
        """Where MAAS's token, or what else is forbidden, stands on the machine's disks."""
        token = self.order.token
        named = {
            "consumer key": token.consumer_key,
            "token key": token.token_key,
            "token secret": token.token_secret,
            **forbidden,
        }
        disks = [self.host.disk(number) for number in range(len(self.host.disks))]
        return leaks(disks, {name: text.encode() for name, text in named.items()})


@contextmanager
def laboratory(
    order: Order, logs: Path, *, on_segment: int = 1, places: Sequence[Place] = PLACES
) -> Iterator[Laboratory]:
    """Put it up. Disks go away at the end; serial logs and MAAS's story are in ``logs``, which must exist."""
    with (
        work_directory() as directory,
        running_maas(order) as maas,
        Neighbour(places) as neighbour,
    ):
        host = Host(order.disks, order.macs(), segment(neighbour.port), directory, logs, on_segment)
        try:
            yield Laboratory(order, maas, host, neighbour)
        finally:
            (logs / "maas.txt").write_text("\n".join([*maas.story(), "", maas.installation_log, ""]), "utf-8")

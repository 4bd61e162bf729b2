"""The machine as its commands see it: documents of the store by name, and look-ups that many commands need."""

import time
from typing import Any, Callable, Dict, List, Optional

from standin.esxi.dials import DIALS
from standin.esxi.errors import CommandError
from standin.esxi.options import Option, Options
from standin.esxi.output import Output
from standin.esxi.store import Document, Store

DEFAULT_STACK = "defaultTcpipStack"


class RealHardware:
    """Real disks and NICs below the fake: the bootable stand-in has its own kind of it."""

    def make_nodes(self, host: "Host") -> None:
        """Make /vmfs/devices/disks anew."""
        raise NotImplementedError

    def mount(self, host: "Host") -> None:
        """Mount what stands on the volumes in /vmfs/volumes."""
        raise NotImplementedError

    def lease(self, host: "Host", vmk: Document) -> Optional[Document]:
        """As :func:`standin.esxi.world.lease`."""
        raise NotImplementedError


class Host:
    """Configuration, hardware and surroundings during one command."""

    real: Optional[RealHardware] = None

    def __init__(self, store: Store, clock: Any = time) -> None:
        self.store = store
        self.clock = clock
        self.stdin = ""

    @property
    def running(self) -> Document:
        return self.store["running"]

    @property
    def now(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return float(self.clock.monotonic())

    @property
    def up_for(self) -> float:
        """Seconds since the boot."""
        return self.now - float(self.store["power"].get("booted_at", 0.0))

    def dial(self, name: str) -> str:
        """Where a dial stands (dials.py)."""
        return str(self.hardware.get("dials", {}).get(name, DIALS[name].default))

    @property
    def hardware(self) -> Document:
        return self.store["hardware"]

    @property
    def world(self) -> Document:
        return self.store["world"]

    @property
    def release(self) -> "List[int]":
        """The release as numbers: ``[8, 0, 3]``."""
        return [int(part) for part in self.hardware["release"].split(".")]

    def nics(self) -> List[Document]:
        """The NICs that have a driver, in the order in which esxcli lists them: names sorted as text."""
        return sorted((nic for nic in self.hardware["nics"] if nic.get("driver")), key=lambda nic: str(nic["name"]))

    def nic(self, name: str) -> Document:
        for nic in self.nics():
            if nic["name"] == name:
                return nic
        raise CommandError(f"No such uplink or physical NIC: {name}")

    def switch(self, name: str) -> Document:
        switch: Optional[Document] = self.running["vswitches"].get(name)
        if switch is None:
            raise CommandError(f"No vSwitch with name {name} found")
        return switch

    def portgroup(self, name: str) -> Document:
        portgroup: Optional[Document] = self.running["portgroups"].get(name)
        if portgroup is None:
            raise CommandError(f"No portgroup with name {name} found")
        return portgroup

    def interface(self, name: str) -> Document:
        interface: Optional[Document] = self.running["interfaces"].get(name)
        if interface is None:
            raise CommandError(f"Unable to find vmkernel network interface {name}")
        return interface

    def stack(self, name: Optional[str] = None) -> Document:
        stack: Optional[Document] = self.running["netstacks"].get(name or DEFAULT_STACK)
        if stack is None:
            raise CommandError(f"Unable to find netstack instance {name}")
        return stack

    def interfaces(self, stack: Optional[str] = None) -> "List[Document]":
        """VMkernel interfaces by number, of one stack or (None) of all."""
        chosen = [vmk for vmk in self.running["interfaces"].values() if stack is None or vmk["netstack"] == stack]
        return sorted(chosen, key=lambda vmk: int(vmk["name"][3:]))

    def clients(self, portgroup: str) -> "List[str]":
        """The VMkernel interfaces (and virtual machines) on a port group."""
        vmks = [vmk["name"] for vmk in self.interfaces() if vmk["portgroup"] == portgroup]
        return vmks + list(self.running["portgroups"][portgroup].get("machines", []))


class PastHost(Host):
    """The same machine with the configuration as hostd still shows it (dial list-lag)."""

    def __init__(self, host: Host, running: Document) -> None:
        super().__init__(host.store, host.clock)
        self._running = running

    @property
    def running(self) -> Document:
        return self._running


Handler = Callable[[Host, Options], Optional[Output]]


class Command:
    """One esxcli command: its words, options and handler."""

    def __init__(self, words: str, handler: Handler, *options: Option) -> None:
        self.words = tuple(words.split())
        self.handler = handler
        self.options = options


def none(value: Any) -> Any:
    """``N/A`` for what is not there, as esxcli prints it."""
    return "N/A" if value in (None, "") else value


Commands = Dict[str, Any]

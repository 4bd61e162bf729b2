"""The machine that is deployed: its disks, NICs and firmware variables outlive its boots; its power can be cut.

Each start of QEMU has a serial log of its own, so that a failure can be read boot by boot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from esxforge.errors import ForgeError
from esxforge.vm import serial
from esxforge.vm.diagnosis import Ending
from esxforge.vm.disks import create_blank
from esxforge.vm.firmware import find_ovmf, private_copy
from esxforge.vm.hardware import (
    Accelerator,
    Chipset,
    Disk,
    LinuxKernel,
    Machine,
    NetworkCard,
    Nic,
    Segment,
    SerialToFile,
)
from esxforge.vm.machine import RunningMachine
from standin.linux.guest import COMMAND_LINE
from whole_way.deployer import Deployer
from whole_way.order import WholeDisk

_TICK = 0.5
# What the stand-in says when nothing more will come of it; waiting on is of no use.
_HOPELESS = ("The stand-in's own program failed", "An error has occurred", "(Enter) Reboot", "Kernel panic")


class HostError(AssertionError):
    """The machine did not do what was waited for."""


@dataclass
class Host:
    """``disks``: as Linux finds them. ``directory`` holds the disks; ``logs`` the serial logs and the last screen.

    The first NICs, ``on_segment`` of them, are on ``segment``; the others each on a network of its own that leads
    nowhere, where DHCP answers.
    """

    disks: tuple[WholeDisk, ...]
    macs: tuple[str, ...]
    segment: Segment
    directory: Path
    logs: Path
    on_segment: int = 1
    card: NetworkCard = NetworkCard.E1000E
    memory_mib: int = 1024
    look: Callable[[RunningMachine, str], None] = lambda running, sentence: None
    boots: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.firmware = private_copy(find_ovmf(Chipset.Q35), self.directory)
        for number, disk in enumerate(self.disks):
            create_blank(self.disk(number), disk.size)

    def disk(self, number: int) -> Path:
        """The file of a disk."""
        return self.directory / f"disk{number}.raw"

    @property
    def machine(self) -> Machine:
        """Without a serial port and a kernel of its own."""
        nics = [
            Nic(self.card, mac, connected=False, segment=self.segment if number < self.on_segment else None)
            for number, mac in enumerate(self.macs)
        ]
        return Machine(
            "whole-way",
            Chipset.Q35,
            Accelerator.TCG,
            cpus=2,
            memory_mib=self.memory_mib,
            firmware=self.firmware,
            # No place in the boot order: the firmware's own variables decide, as in a real machine.
            disks=tuple(Disk(self.disk(number), serial=disk.serial) for number, disk in enumerate(self.disks)),
            nics=tuple(nics),
        )

    @contextmanager
    def powered_on(self, name: str, linux: LinuxKernel | None = None) -> Iterator[Boot]:
        """Start it, from the network (``linux``; it ends with that system) or from its disks; cut its power at the end.

        ``name`` is that of the serial log.
        """
        log = self.logs / f"{len(self.boots) + 1}-{name}.serial.log"
        self.boots.append(log)
        machine = replace(self.machine, serial=SerialToFile(log), linux=linux, restart_allowed=linux is None)
        with RunningMachine(machine, self.directory) as running:
            boot = Boot(self, running, log)
            try:
                yield boot
            except BaseException:
                boot.keep_screen()
                raise

    def deploy(self, deployer: Deployer, words: str, limit: float = 900) -> None:
        """Let MAAS's system deploy the machine, until that restarts it: it does so in any case."""
        with self.powered_on(
            "curtin", LinuxKernel(deployer.kernel, deployer.initrd, f"{COMMAND_LINE} {words}")
        ) as boot:
            ending = boot.wait_for_end(limit)
            if ending is not Ending.RESTARTED:
                raise boot.failure(f"The machine {ending.value} instead of restarting.")

    def serial_text(self) -> str:
        """What all boots said."""
        return "\n".join(serial.read(log) for log in self.boots)


class Boot:
    """The machine from power on to power off."""

    def __init__(self, host: Host, running: RunningMachine, log: Path) -> None:
        self.host = host
        self.running = running
        self.log = log

    @property
    def text(self) -> str:
        """What this boot said on the serial port."""
        return serial.read(self.log)

    def wait_for_end(self, limit: float) -> Ending:
        """Wait until the machine ends by itself. Raises HostError."""
        self.wait_until("the machine ends", lambda: self.running.state.ending is not None, limit)
        self.running.wait_for_exit(20)
        assert self.running.state.ending is not None
        return self.running.state.ending

    def wait_for_text(self, text: str, limit: float) -> None:
        """Wait until the serial port says something. Raises HostError."""
        self.wait_until(f"the serial port says “{text}”", lambda: text in self.text, limit)

    def wait_until(self, what: str, condition: Callable[[], bool], limit: float) -> None:
        """Wait for up to ``limit`` seconds. Raises HostError, also when the machine ends before."""
        deadline = time.monotonic() + limit
        while True:
            state = self.running.follow(_TICK)
            self.host.look(self.running, what)
            if condition():
                return
            if state.ending is not None:
                raise self.failure(f"The machine {state.ending.value}; waited for: {what}.")
            if any(words in self.text for words in _HOPELESS):
                raise self.failure(f"The machine stopped; waited for: {what}.")
            if time.monotonic() > deadline:
                raise self.failure(f"After {limit:.0f} seconds still waiting for: {what}.")

    def keep_screen(self) -> None:
        """Put the last screen beside the logs, where the machine still has one."""
        with suppress(ForgeError, OSError):
            (self.host.logs / "last-screen.png").write_bytes(self.running.screenshot())

    def failure(self, sentence: str) -> HostError:
        """An error with all that a person needs to look further."""
        end = serial.last_lines(self.text, 40)
        return HostError(f"{sentence}\nLogs and the last screen: {self.host.logs}\nThe end of {self.log.name}:\n{end}")

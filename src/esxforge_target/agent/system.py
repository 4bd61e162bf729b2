"""The installed ESXi as the agent sees it: commands, files, disks, clock, and the way to MAAS; the seams for tests."""

import os
import posixpath
import sys
from typing import Callable, List, Optional, Sequence

from esxforge_target.agent.bank_files import AgentFiles
from esxforge_target.cloud_data.execution import Host
from esxforge_target.cloud_data.files import HostFiles
from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.contract.token import Token
from esxforge_target.esxi.esxcli import Esxcli
from esxforge_target.inventory.disk_identities import DEVICES, DeviceDirectory
from esxforge_target.metadata.client import MetadataClient, Patience
from esxforge_target.runtime.clock import Clock
from esxforge_target.runtime.commands import TIMED_OUT, ProcessRunner, Result, Runner

# The bank that runs, and the other one. ESXi makes the links early in its boot.
BANKS = ("/bootbank", "/altbootbank")
COMMAND_SECONDS = 60.0

_QUESTIONS = (["partedUtil", "getptbl"], ["partedUtil", "getUsableSectors"], ["vmkfstools", "-P"])
_QUESTION_PAUSE = 2.0
NO_TIME = "there was no time left for it"

Connect = Callable[[Endpoint, Token, Patience, Clock], MetadataClient]


class PatientRunner(Runner):
    """Run commands no longer than until ``end`` on the host's clock (None: as long as each may take).

    A failed query is repeated once: hostd is restarted now and then, and one lost answer is not a reason to end a
    deployment.
    """

    def __init__(self, runner: Runner, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock
        self.end = None  # type: Optional[float]

    def run(self, arguments: "List[str]", timeout: float = COMMAND_SECONDS, stdin: str = "") -> Result:
        result = self._once(arguments, timeout, stdin)
        if result.status == 0 or not _is_question(arguments):
            return result
        self._clock.sleep(_QUESTION_PAUSE)
        return self._once(arguments, timeout, stdin)

    def _once(self, arguments: "List[str]", timeout: float, stdin: str) -> Result:
        if self.end is not None:
            left = self.end - self._clock.monotonic()
            if left <= 0:
                return Result(TIMED_OUT, "", NO_TIME)
            timeout = min(timeout, left)
        return self._runner.run(arguments, timeout, stdin)


def _is_question(arguments: "List[str]") -> bool:
    return arguments[1].startswith("--formatter=") or arguments[:2] in _QUESTIONS if len(arguments) > 1 else False


class System:
    """``root`` is /. ``program`` becomes localcli if hostd does not come up."""

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        root: str = "/",
        runner: "Optional[Runner]" = None,
        clock: "Optional[Clock]" = None,
        devices: "Optional[DeviceDirectory]" = None,
        connect: "Optional[Connect]" = None,
        bank_files: "Optional[AgentFiles]" = None,
    ) -> None:
        self.root = root
        self.clock = clock or Clock()
        self.runner = PatientRunner(runner or ProcessRunner(), self.clock)
        self.devices = devices or DeviceDirectory(self.locate(DEVICES))
        self.connect = connect or MetadataClient  # type: Connect
        self.bank_files = bank_files or AgentFiles(root)
        self.files = HostFiles(root)
        self.program = "esxcli"
        self.process = os.getpid()

    def locate(self, path: str) -> str:
        """Return our path of the host's ``path``."""
        return posixpath.join(self.root, path.lstrip("/"))

    def run(self, command: "Sequence[str]", timeout: float = COMMAND_SECONDS, stdin: str = "") -> Result:
        """Run a command of the host; ``esxcli`` is replaced if hostd is not up."""
        words = list(command)
        if words[0] == "esxcli":
            words[0] = self.program
        return self.runner.run(words, timeout, stdin)

    def until(self, end: "Optional[float]") -> None:
        """Let no command run past ``end``, and start none after it."""
        self.runner.end = end

    @property
    def end(self) -> "Optional[float]":
        """Time until which commands run."""
        return self.runner.end

    def is_over(self) -> bool:
        """Return whether no command is started any more."""
        return self.runner.end is not None and self.clock.monotonic() >= self.runner.end

    def esxcli(self) -> Esxcli:
        """Return an Esxcli for this host."""
        return Esxcli(self.runner, self.program)

    def host(self, log: "Callable[[str], None]") -> Host:
        """Return the same host, as vendor-data, user-data and vCenter see it."""
        return Host(self.files, self.runner, log, self.clock, sys.executable or "python")

    def banks(self) -> "List[str]":
        """Return the banks that are there."""
        return [bank for bank in BANKS if os.path.isfile(self.locate(bank + "/boot.cfg"))]


def said(result: Result) -> str:
    """Return a command's output, in one line, for messages."""
    text = " ".join((result.stderr.strip() or result.stdout.strip()).split())
    return text[-300:] or "it said nothing"

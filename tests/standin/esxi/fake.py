"""The fake itself: a machine in a directory that runs ESXi's commands."""

import contextlib
import copy
import os
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

from esxforge_target.runtime.commands import COULD_NOT_START, TIMED_OUT, Result, Runner
from standin.esxi import addressing, esxcli, firewall, partedutil, reach, scripts, vmkfstools
from standin.esxi.dials import HOSTD_LATE, HOSTD_SLOW, HOSTD_UNSTEADY, LIST_LAG
from standin.esxi.disks import hide_late_disks, make_nodes, show_late_disks
from standin.esxi.errors import AlreadyThereError, CommandError, NotThereError, PowerLost
from standin.esxi.faults import new_fault, strike
from standin.esxi.host import Host
from standin.esxi.install import install
from standin.esxi.store import Document, Store
from standin.esxi.volumes import make_directories

# What asks hostd, and its words when hostd is not there.
NEEDS_HOSTD = ("esxcli", "vim-cmd")
NO_HOSTD = "Connect to localhost failed: Connection failure"


class FakeEsxi(Runner):
    """A host whose commands work on a directory. ``run`` raises PowerLost, and nothing else, when the power goes."""

    def __init__(self, store: Store, clock: Any = time) -> None:
        self.store = store
        self.clock = clock

    @classmethod
    def create(
        cls,
        directory: str,
        preset: str = "sas-12-nics",
        release: str = "8.0.3",
        nics: Optional[List[Document]] = None,
        disks: Optional[List[Document]] = None,
        world: Optional[Document] = None,
        hostd_delay: int = 0,
        dials: Optional[Dict[str, str]] = None,
        booted: str = "",
        clock: Any = time,
        **quirks: bool,
    ) -> "FakeEsxi":
        """A fresh install in ``directory``, booted. ``nics``, ``disks`` (presets.nic, presets.disk) and ``world``
        (world.default_world) replace the preset's; ``hostd_delay``: how many commands hostd refuses after a boot.
        Quirks: json_blanks, json_strings, errors_on_stdout. ``dials``: settings of dials.py; ``booted``: the MAC of the
        NIC that the installer was told; ``clock``: has ``monotonic`` and ``sleep``, and says how much time passes.
        """
        store = install(str(directory), preset, release, nics, disks, world, hostd_delay, quirks, dials, booted)
        fake = cls(store, clock)
        fake.boot()
        return fake

    @classmethod
    def open(cls, directory: str) -> "FakeEsxi":
        """The machine in ``directory``, as it is: on or off."""
        store = Store(str(directory))
        store.load()
        return cls(store)

    # -- what tests look at and change --------------------------------------------------------------------------

    @property
    def root(self) -> str:
        """The directory that is the machine's /."""
        return self.store.root()

    @property
    def devices(self) -> str:
        """The directory that is /vmfs/devices/disks."""
        return self.store.root("/vmfs/devices/disks")

    def path(self, path: str) -> str:
        """Where the machine's ``path`` stands here."""
        return self.store.root(path)

    @property
    def commands(self) -> List[List[str]]:
        """The arguments of every command that ran, in order."""
        return [list(entry["arguments"]) for entry in self.store.logged()]

    @property
    def running(self) -> Document:
        """The configuration in memory, to look at."""
        return copy.deepcopy(self._host().running)

    @property
    def saved(self) -> Document:
        """The configuration that a boot starts from, to look at."""
        return copy.deepcopy(self._host().store["saved"])

    @property
    def hardware(self) -> Document:
        """What is in the box, to look at."""
        return copy.deepcopy(self._host().hardware)

    @property
    def is_on(self) -> bool:
        return bool(self._host().store["power"]["on"])

    @contextlib.contextmanager
    def edit(self) -> Iterator[Host]:
        """Change the machine's documents by hand: ``with fake.edit() as host: host.running[…] = …``."""
        host = self._host()
        yield host
        self.store.write()

    @contextlib.contextmanager
    def surroundings(self) -> Iterator[Document]:
        """Change the world (world.py), and let links and leases follow."""
        host = self._host()
        yield host.world
        if self.store["power"]["on"]:
            addressing.drop_leftovers(host)
        addressing.refresh_addresses(host)
        self.store.write()

    def reaches(self, address: str, port: Optional[int] = None) -> bool:
        """Whether the machine now gets an answer from ``address`` (and, by its firewall, on that TCP port)."""
        return not self.why_not(address, port)

    def why_not(self, address: str, port: Optional[int] = None) -> str:
        """Why ``reaches`` says no; empty if it says yes."""
        host = self._host()
        if not host.store["power"]["on"]:
            return "the machine is off"
        self._pass_time(host)
        self.store.write()
        return reach.why_not(host, address, port)

    def fault(self, action: str, nth: int = 1, match: str = "", **more: Any) -> None:
        """Order a fault (faults.new_fault)."""
        self._host()
        self.store["faults"]["list"].append(new_fault(action, nth, match, **more))
        self.store.write()

    # -- power --------------------------------------------------------------------------------------------------

    def power_cut(self) -> None:
        """The power goes: what was not saved is lost."""
        self._host()
        self.store["power"].update(on=False, ending="cut")
        self.store.write()

    def shutdown(self) -> None:
        """A clean shutdown, which saves the configuration."""
        self._host()
        self.store.save_configuration()
        self.store["power"].update(on=False, ending="poweroff")
        self.store.write()

    def reboot(self) -> None:
        """Clean shutdown and boot."""
        self.shutdown()
        self.boot()

    def hourly_backup(self) -> None:
        """What cron does on a real host in the first minute of every hour: save, whether anyone wants it or not."""
        host = self._host()
        scripts.save(host, [])
        self.store.write()

    def routers_advertise(self) -> None:
        """What routers do by themselves every few minutes: who listens learns address and default route (again)."""
        host = self._host()
        for vmk in host.interfaces():
            if vmk["enabled"]:
                addressing.learn_ipv6(host, vmk, dhcp=False)
        self.store.write()

    def boot(self) -> None:
        """Start from the saved configuration; interfaces ask DHCP, rule files are read."""
        host = self._host()
        power = self.store["power"]
        if not power["first"]:
            self.store.restore_configuration()
        power.update(on=True, ending="", first=False, hostd=True, hostd_refusals=host.hardware["hostd_delay"])
        power["boots"] += 1
        power.update(booted_at=host.now, bounced={})
        hide_late_disks(host)
        running = host.running
        if running["ipv6_enabled"] != running["ipv6_enabled_next"]:
            running["ipv6_enabled"] = running["ipv6_enabled_next"]
            for vmk in host.interfaces():
                vmk["ipv6"]["enabled"] = running["ipv6_enabled"]
        for name in sorted(running["services"]):
            running["services"][name]["running"] = running["services"][name]["policy"]
        make_nodes(host)
        make_directories(host)
        with contextlib.suppress(CommandError):
            firewall.refresh(host)
        addressing.drop_leftovers(host)
        addressing.refresh_addresses(host)
        self.store.write()

    # -- commands -----------------------------------------------------------------------------------------------

    def run(self, arguments: List[str], timeout: float = 60.0, stdin: str = "") -> Result:
        """Run one command. A fault may make it fail, hang (without waiting here) or cut the power."""
        host = self._host()
        if not self.store["power"]["on"]:
            raise PowerLost("the machine is off")
        words = [str(word) for word in arguments]
        self._pass_time(host)
        self.store.write()  # what came of itself stays, also where the command fails
        fault = strike(self.store["faults"]["list"], words)
        result = self._with_fault(host, words, stdin, timeout, fault)
        self.store.log({"arguments": words, "status": result.status, "fault": fault["action"] if fault else None})
        self.store.write()
        self.store.remember(host.now, max(LIST_LAG.values()))
        if fault and fault["action"] == "cut-after":
            self.power_cut()
            raise PowerLost("after: " + " ".join(words))
        return result

    def _with_fault(
        self, host: Host, words: List[str], stdin: str, timeout: float, fault: Optional[Dict[str, Any]]
    ) -> Result:
        action = fault["action"] if fault else ""
        if fault and action == "fail":
            return self._failed(host, CommandError(fault["message"], fault["status"]))
        if action == "hang":
            return Result(TIMED_OUT, "", f"\nnot finished after {timeout:g} seconds")
        if action == "ignore":
            return Result(0)
        if action == "cut-before":
            self.store.log({"arguments": words, "status": None, "fault": action})
            self.power_cut()
            raise PowerLost("before: " + " ".join(words))
        return self._execute(host, words, stdin)

    def _execute(self, host: Host, words: List[str], stdin: str) -> Result:
        name = os.path.basename(words[0])
        program = _program(host, name)
        if program is None:
            return Result(COULD_NOT_START, "", f"{words[0]}: No such file or directory")
        host.stdin = stdin
        try:
            if name in NEEDS_HOSTD:
                self._ask_hostd(host)
            return Result(0, program(host, words[1:]))
        except CommandError as error:
            # A command fails whole: what it had begun to change in memory is forgotten.
            for document in ("running", "hardware"):
                self.store.revert(document)
            return Result(0) if _is_silent(host, error) else self._failed(host, error)
        except PowerLost:
            power = self.store["power"]
            power["on"] = False
            self.store.log({"arguments": words, "status": 0, "fault": None})
            self.store.write()
            raise

    @staticmethod
    def _pass_time(host: Host) -> None:
        """What came of itself since the last command."""
        if show_late_disks(host):
            make_nodes(host)
            make_directories(host)
        addressing.late_answers(host)

    def _ask_hostd(self, host: Host) -> None:
        power = self.store["power"]
        manner = host.dial("hostd")
        if manner == "slow":
            self.clock.sleep(HOSTD_SLOW)
        if manner == "late" and host.up_for < HOSTD_LATE:
            raise CommandError(NO_HOSTD, 1)
        if manner == "unsteady":
            power["hostd_asked"] = power.get("hostd_asked", 0) + 1
            if power["hostd_asked"] % HOSTD_UNSTEADY == 0:
                raise CommandError(NO_HOSTD, 1)
        if not power["hostd"] or power["hostd_refusals"] > 0:
            power["hostd_refusals"] = max(0, power["hostd_refusals"] - 1)
            raise CommandError(NO_HOSTD, 1)

    def _failed(self, host: Host, error: CommandError) -> Result:
        text = error.message + "\n"
        if host.hardware["quirks"]["errors_on_stdout"]:
            return Result(error.status, text, "")
        return Result(error.status, "", text)

    def _host(self) -> Host:
        """The documents as they are on disk now, so that tests may change the files between commands."""
        self.store.load()
        return Host(self.store, self.clock)


def _is_silent(host: Host, error: CommandError) -> bool:
    """Whether the error is none here: what was asked for is so already."""
    if isinstance(error, AlreadyThereError):
        return host.dial("already-there") == "silent"
    return isinstance(error, NotThereError) and host.dial("not-there") == "silent"


def _partedutil(host: Host, arguments: List[str]) -> str:
    return partedutil.show_guids(arguments) if arguments == ["showGuids"] else partedutil.run(host, arguments)


def _program(host: Host, name: str) -> "Optional[Callable[[Host, List[str]], str]]":
    if name in host.hardware["programs_missing"]:
        return None
    if name in ("esxcli", "localcli"):
        return esxcli.run
    if name == "partedUtil":
        return _partedutil
    if name == "vmkfstools":
        return vmkfstools.run
    return scripts.PROGRAMS.get(name)

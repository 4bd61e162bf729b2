"""A host that ESXi was just installed on, with the agent's module in its bank, and MAAS behind its own network.

MAAS is reached only where the fake host's network leads there (standin.esxi.connectivity); the requests themselves go
over real sockets. Time is virtual. ``boot`` does what the boot loader does: it unpacks the modules that boot.cfg lists.
"""

from __future__ import annotations

import enum
import gzip
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from esxforge_target.agent.bank_files import AgentFiles
from esxforge_target.agent.life import run
from esxforge_target.agent.system import System
from esxforge_target.contract import agent_start, names
from esxforge_target.contract.desired_document import desired_host_to_json
from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.contract.host_record import INSTALLER, HostRecord
from esxforge_target.contract.install_record import InstallRecord
from esxforge_target.contract.secrets import Secrets
from esxforge_target.contract.token import Token
from esxforge_target.formats import tar_module
from esxforge_target.formats.gpt_disk import disk_identities
from esxforge_target.formats.stored_gzip import stored_gzip, stored_length
from esxforge_target.inventory.disk_identities import DeviceDirectory
from esxforge_target.inventory.model import Inventory
from esxforge_target.inventory.read import read as read_inventory
from esxforge_target.metadata.client import MetadataClient, Patience
from esxforge_target.metadata.errors import SILENCE, UnreachableError
from esxforge_target.metadata.exchange import MetadataResponse
from esxforge_target.plan.differences import differences
from esxforge_target.runtime.blocks import DiskError
from esxforge_target.runtime.clock import Clock
from esxforge_target.runtime.commands import Result, Runner
from standin.esxi import FakeEsxi, PowerLost
from standin.maas_metadata import FakeMetadataService, Fault, MachineStatus, VirtualClock
from target.plan.configs import sample
from target.plan.test_on_fake import Machine

HASH = "$6$rootsalt$NotAnyPasswordsHashButAsLongAsOneWouldBe0123456789abcdefghijklmnopqrstuv"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl platform@example"
RECIPE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q recipe@example"


MAAS = "10.0.0.2"
T = TypeVar("T")


class Away(enum.Enum):
    """What may be silent for a while."""

    MAAS = "MAAS"
    GATEWAY = "the gateways"
    DHCP = "the DHCP server"


@dataclass(frozen=True)
class Outage:
    """``what`` is out of order from ``start`` to ``end``, in seconds of virtual time."""

    what: Away | Fault
    start: float
    end: float


class DirectDirectory(DeviceDirectory):
    """Reads the disks itself: no child, as none of these disks hangs."""

    def stamps(self) -> dict[str, tuple[str, ...]]:
        found = {}
        for name in self.names():
            with open(os.path.join(self.path, name), "rb") as stream:  # noqa: PTH118, PTH123
                found[name] = tuple(sorted({str(one.disk_guid) for one in disk_identities(stream.read(8192))}))
        return found


class Moment:
    """Counts what the agent does to the world, and lets something happen before or after one of these moments.

    A moment is a command, a write to the bank, or a request to MAAS.
    """

    def __init__(self) -> None:
        self.count = 0
        self.log: list[str] = []
        self.before: dict[int, Callable[[], None]] = {}
        self.after: dict[int, Callable[[], None]] = {}
        self.at: dict[str, Callable[[], None]] = {}
        self.fail: dict[int, str] = {}
        self.fail_always: dict[str, str] = {}
        # Commands that begin so, without their program, say that they worked and do nothing.
        self.ignored = ""
        # From now on: nothing more fits into the bank ("full"), or it takes no change at all ("read-only").
        self.bank = ""
        self.pass_time: Callable[[], None] = lambda: None
        # What the agent sees of what a command printed, and all of it, where somebody listens.
        self.twist: Callable[[str, str], str] | None = None
        self.heard: list[tuple[str, str]] | None = None

    def answer(self, line: str, stdout: str) -> str:
        """What the agent is to see of a command's answer."""
        if self.heard is not None:
            self.heard.append((line, stdout))
        return stdout if self.twist is None else self.twist(line, stdout)

    def begin(self, what: str) -> int:
        self.pass_time()
        self.count += 1
        self.log.append(what)
        for start in [one for one in self.at if what.startswith(one)]:
            self.at.pop(start)()
            self.pass_time()
        self.before.pop(self.count, lambda: None)()
        return self.count

    def end(self, number: int) -> None:
        self.after.pop(number, lambda: None)()


class WatchedRunner(Runner):
    """Every command is a moment."""

    def __init__(self, fake: FakeEsxi, moment: Moment) -> None:
        self._fake = fake
        self._moment = moment

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        number = self._moment.begin(" ".join(arguments))
        fault = self._moment.fail.get(number) or self._moment.fail_always.get(" ".join(arguments))
        if self._moment.ignored and " ".join(arguments[1:]).startswith(self._moment.ignored):
            fault = "ignore"
        if fault == "fail":
            result = Result(1, "", "Operation failed.")
        elif fault == "hang":
            result = Result(124, "", f"not finished after {timeout:g} seconds")
        elif fault == "ignore":
            result = Result(0)
        else:
            result = self._fake.run(arguments, timeout, stdin)
            if result.status == 0:
                result = result.replace(stdout=self._moment.answer(" ".join(arguments), result.stdout))
            if fault == "late":  # it did its work, and was ended before it could say so
                result = Result(124, "", f"not finished after {timeout:g} seconds")
        self._moment.end(number)
        return result


class WatchedFiles(AgentFiles):
    """Every write to the bank is a moment; ``keep`` remembers the sectors of whatever is removed or replaced."""

    def __init__(self, root: str, moment: Moment, keep: Path) -> None:
        super().__init__(root)
        self._moment = moment
        self._keep = keep
        keep.mkdir(exist_ok=True)

    def _sectors(self, path: str) -> None:
        place = self.locate(path)
        if os.path.isfile(place):  # noqa: PTH113
            name = f"{len(list(self._keep.iterdir()))}-{os.path.basename(place)}"  # noqa: PTH119
            os.link(os.path.realpath(place), self._keep / name)

    def _do(self, what: str, path: str, action: Callable[[], None]) -> None:
        number = self._moment.begin(f"{what} {path}")
        if self._moment.bank == "read-only":
            raise OSError(30, "Read-only file system")
        if self._moment.fail.get(number) or (self._moment.bank and what != "move"):
            raise OSError(28, "No space left on device")
        action()
        self._moment.end(number)

    def fill(self, path: str, data: bytes) -> None:
        self._do("fill", path, lambda: super(WatchedFiles, self).fill(path, data))

    def move(self, before: str, after: str) -> None:
        self._sectors(after)
        self._do("move", after, lambda: super(WatchedFiles, self).move(before, after))

    def append(self, path: str, data: bytes) -> None:
        self._do("append", path, lambda: super(WatchedFiles, self).append(path, data))

    def overwrite(self, path: str, data: bytes) -> None:
        number = self._moment.begin(f"overwrite {path}")
        if self._moment.fail.get(number) or self._moment.bank == "read-only":
            raise DiskError("the disk fails")
        super().overwrite(path, data)
        self._moment.end(number)

    def remove(self, path: str) -> None:
        if not os.path.exists(self.locate(path)):  # noqa: PTH110
            return
        self._sectors(path)
        number = self._moment.begin(f"remove {path}")
        if self._moment.bank == "read-only":
            raise DiskError("the disk fails")
        super().remove(path)
        self._moment.end(number)


class BridgedClient(MetadataClient):
    """Reaches MAAS where the host's network does."""

    site: Site

    def _once(self, method: str, path: str, body: bytes | None, limit: int, timeout: float) -> MetadataResponse:
        site = self.site
        number = site.moment.begin(f"{method} {path}")
        site.maas.fault = site.now(Fault)
        self._check_way(timeout)
        outside = self.endpoint
        self.endpoint = Endpoint(False, "127.0.0.1", site.maas.port, outside.base, outside.system_id)
        try:
            answer = super()._once(method, path, body, limit, timeout)
        finally:
            self.endpoint = outside
        site.moment.end(number)
        return answer

    def _check_way(self, timeout: float) -> None:
        site = self.site
        if not site.fake.is_on:
            raise PowerLost("the machine is off")
        why = site.fake.why_not(self.endpoint.host, self.endpoint.port)
        if why:
            site.clock.sleep(timeout)
            raise UnreachableError(f"MAAS at {self.endpoint.where} did not answer: {why}.", SILENCE)


class Site:
    """``moment`` counts what the agent does; ``outages`` are spans of virtual time in which MAAS is silent.

    ``machine`` (with ``fake`` and ``desired``) replaces the one made for ``config``; ``boot_mac``: the NIC that booted.
    """

    def __init__(
        self,
        directory: Path,
        maas: FakeMetadataService,
        clock: VirtualClock,
        config: str | dict[str, Any] = "simple-static",
        release: str = "8.0.3",
        **host: Any,
    ) -> None:
        self.directory = directory
        self.maas = maas
        self.clock = clock
        self.outages: list[Outage] = []
        self.expects_fallback = False
        self.quirks = host.pop("quirks", {})
        given, boot_mac = host.pop("machine", None), host.pop("boot_mac", "")
        chosen = sample(config) if isinstance(config, str) else config
        self.machine: Any = given or Machine(directory / "esxi", release, chosen, **self.quirks)
        self.fake: FakeEsxi = self.machine.fake
        self.root_hash = HASH
        maas.machine.system_id = self.machine.desired.maas.system_id
        maas.machine.hostname = "esx01.maas"
        maas.machine.public_keys = KEY + "\n"
        self.desired = self.machine.desired.replace(boot_mac=boot_mac or self.machine.desired.interfaces[0].mac)
        self.moment = Moment()
        self.moment.pass_time = self.pass_time
        self._away: set[Away | Fault] = set()
        self._install(host)

    # -- what the installer step leaves -------------------------------------------------------------------------

    def _install(self, record: dict[str, Any]) -> None:
        disk_guid = next(iter(DirectDirectory(self.fake.devices).stamps()[self.boot_device]), "")
        self.record = HostRecord(INSTALLER, ["0000", "0002"], ssh_keys=[RECIPE_KEY]).replace(**record)
        self.installed: InstallRecord | None = InstallRecord(self.boot_device, disk_guid, "8.0.3-0.0.1")
        if self.record.is_golden:
            self.desired = self.desired.with_disk_guids([(self.desired.boot_disk.id, disk_guid)])
            self.installed = None
        cfg = (self.bank / "boot.cfg").read_text()
        (self.bank / "boot.cfg").write_text(cfg.replace("state.tgz\n", "state.tgz --- esxforge.tgz\n"))
        self.rewrite_module()

    def rewrite_module(self) -> None:
        """Put ``desired``, ``record`` and ``installed`` into the bank's module, and load it."""
        machine = self.maas.machine
        token = {"consumer_key": machine.consumer_key, "token_key": machine.token_key,
                 "token_secret": machine.token_secret}  # fmt: skip
        files = {
            names.SECRETS: Secrets(Token.from_config(token), names.ROOT_PASSWORD_PREFIX + self.root_hash).to_bytes(),
            names.HOST_RECORD: self.record.to_json().encode(),
            names.DESIRED_HOST: desired_host_to_json(self.desired).encode(),
            names.LIBRARY + "/esxforge_target/__init__.py": b"# stand-in\n" * 999,
        }
        if self.installed:
            files[names.INSTALL_RECORD] = self.installed.to_json().encode()
        entries = [tar_module.file(path.lstrip("/"), files[path], 0o600) for path in sorted(files)]
        tar = tar_module.build([*entries, agent_start.entry()])
        module = stored_gzip(tar, stored_length(tar, "esxforge/secrets.json"), "esxforge/secrets.json")
        (self.bank / "esxforge.tgz").write_bytes(module)
        keep = self.directory / "sectors"
        keep.mkdir(exist_ok=True)
        (keep / "module").unlink(missing_ok=True)
        os.link(os.path.realpath(self.bank / "esxforge.tgz"), keep / "module")
        self._load()

    def _load(self) -> None:
        for console in ("console", "tty1", "tty2"):
            Path(self.fake.path("/dev/" + console)).touch()
        self._load_modules()

    @property
    def boot_device(self) -> str:
        return next(str(disk["name"]) for disk in self.fake.hardware["disks"] if disk["boot"])

    @property
    def bank(self) -> Path:
        return Path(self.fake.path("/bootbank"))

    # -- power ----------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """The boot loader loads what boot.cfg lists; the host starts from what was saved."""
        self.fake.boot()
        self._load()

    def _load_modules(self) -> None:
        # What a module brings is not saved by ESXi; the fake saves all of /etc.
        shutil.rmtree(self.fake.path("/esxforge"), ignore_errors=True)
        Path(self.fake.path("/etc/rc.local.d/999.esxforge.sh")).unlink(missing_ok=True)
        for old in Path(self.fake.path("/tardisks")).iterdir():
            old.unlink()
        for name in self.listed():
            path = self.bank / name
            assert path.is_file(), f"boot.cfg lists {name}, which is not there: the boot loader stops"
            data = path.read_bytes()
            if data[:2] == b"\x1f\x8b" and name != "state.tgz":
                content = gzip.decompress(data)  # raises where the CRC is wrong: the boot loader would stop
                with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                    archive.extractall(self.fake.root, filter="tar")
                Path(self.fake.path("/tardisks/" + name)).write_bytes(content)

    def listed(self) -> list[str]:
        """The modules of the bank's boot.cfg."""
        (line,) = [one for one in (self.bank / "boot.cfg").read_text().splitlines() if one.startswith("modules=")]
        return [name.strip() for name in line[len("modules=") :].split("---")]

    def cut(self) -> None:
        """The power goes, now."""
        self.fake.power_cut()
        raise PowerLost("cut")

    # -- the agent --------------------------------------------------------------------------------------------------

    def system(self, **seams: Any) -> System:
        given: dict[str, Any] = {
            "runner": WatchedRunner(self.fake, self.moment), "clock": self.clock,
            "devices": DirectDirectory(self.fake.devices), "connect": self.connect,
            "bank_files": WatchedFiles(self.fake.root, self.moment, self.directory / "sectors"), **seams,
        }  # fmt: skip
        return System(self.fake.root, **given)

    def connect(self, endpoint: Endpoint, token: Token, patience: Patience, clock: Clock) -> MetadataClient:
        client = BridgedClient(endpoint, token, patience, clock)
        client.site = self
        return client

    def start(self) -> int | None:
        """rc.local.d starts the agent, where a module brought it. None: nothing was started."""
        if not os.path.exists(self.fake.path("/etc/rc.local.d/999.esxforge.sh")):  # noqa: PTH110
            return None
        return run(self.system())

    def live(self, boots: int = 8) -> int:
        """Boot and start again until the agent is gone; how many starts that took. Power cuts come from ``moment``."""
        for number in range(1, boots + 1):
            try:
                status = self.start()
            except PowerLost:
                status = 1
            if status in (0, None):
                return number
            if self.fake.is_on:
                self.fake.power_cut()
            self.boot()
        raise AssertionError("the agent never came to its end")

    def now(self, kind: type[T]) -> T | None:
        """What of a kind is out of order at this moment."""
        now = self.clock.elapsed
        return next(
            (one.what for one in self.outages if isinstance(one.what, kind) and one.start <= now < one.end), None
        )

    def pass_time(self) -> None:
        """Let the world be as the outages say."""
        away = {one.what for one in self.outages if one.start <= self.clock.elapsed < one.end}
        if away == self._away or not self.fake.is_on:
            return
        self._away = away
        with self.fake.surroundings() as world:
            for network in world["networks"].values():
                for address, host in network["hosts"].items():
                    host["alive"] = not (address == MAAS and Away.MAAS in away)
                for gateway in network["gateways"].values():
                    gateway["alive"] = Away.GATEWAY not in away
                if network["dhcp"]:
                    network["dhcp"]["alive"] = Away.DHCP not in away

    # -- what came of it --------------------------------------------------------------------------------------------

    def inventory(self) -> Inventory:
        stamps = [one.disk_guid for one in self.desired.datastore_disks()]
        return read_inventory(self.fake, DirectDirectory(self.fake.devices), stamps)

    def reaches_maas(self) -> bool:
        """Whether the way to MAAS leads there (the firewall aside, which is closed again)."""
        return not self.fake.why_not(MAAS)

    def differences(self) -> list[str]:
        return differences(self.desired, self.inventory())

    @property
    def status(self) -> MachineStatus:
        return self.maas.machine.status

    @property
    def log(self) -> str:
        return (self.bank / "esxforge.log").read_text()

    def leaks(self) -> list[str]:
        """Where a secret still stands: in any file, any raw disk, and the sectors of files that are gone."""
        secrets = [*self.maas.secrets, self.root_hash]
        found = []
        for path in sorted(self.directory.rglob("*")):
            if path.is_symlink() or not path.is_file() or path.name == "shadow":
                continue
            for data in _data_of(path):
                found += [f"{path}: {secret[:6]}" for secret in secrets if secret.encode() in data]
        return found

    def leftovers(self) -> list[str]:
        """What of the agent is still in the banks or started, besides its log and inventory."""
        names = [name for name in os.listdir(self.bank) if name.startswith("esxf")]  # noqa: PTH208
        # Cut off before its very last step, the agent leaves its module without secrets; nothing loads it.
        harmless = ("esxforge.log", "esxforge.inv", "esxforge.tgz")
        found = [name for name in names if name not in harmless]
        found += [name for name in self.listed() if name.startswith("esxf")]
        if "esxforge" in self.fake.running["firewall"]["rulesets"]:
            found.append("firewall")
        return found


def _data_of(path: Path) -> Iterator[bytes]:
    """The file's data without its holes."""
    with path.open("rb") as stream:
        at, size = 0, path.stat().st_size
        while at < size:
            try:
                start = os.lseek(stream.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            at = os.lseek(stream.fileno(), start, os.SEEK_HOLE)
            stream.seek(start)
            yield stream.read(at - start)


__all__ = ["HASH", "KEY", "RECIPE_KEY", "DirectDirectory", "Moment", "Site"]

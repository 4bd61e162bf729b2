"""The host's identity: its name, root's SSH keys, its certificate. Each change is noted in the undo list before."""

from typing import Callable, List, Sequence, Tuple

from esxforge_target.agent.certificate import common_name
from esxforge_target.agent.hostd import restart_hostd
from esxforge_target.agent.log import Log
from esxforge_target.agent.ssh import is_running, starts_with_host
from esxforge_target.agent.system import System, said
from esxforge_target.agent.undo import IDENTITY, Undo
from esxforge_target.cloud_data.execution import AUTHORIZED_KEYS
from esxforge_target.esxi.esxcli import single
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.metadata.public_keys import parse_public_keys
from esxforge_target.runtime.errors import ForgeError

_SET_NAME = ("esxcli", "system", "hostname", "set")
_CERTIFICATE = ("/etc/vmware/ssl/rui.crt", "/etc/vmware/ssl/rui.key")


class Identity:
    """Gives the host its identity from MAAS. Raises ForgeError."""

    def __init__(self, system: System, undo: Undo, log: Log) -> None:
        self._system = system
        self._undo = undo
        self._log = log

    def name(self, client: MetadataClient) -> str:
        """Set the host's full name to the one in MAAS, and return it."""
        desired = client.hostname()
        before = self._names()
        if _is_called(desired, before):
            return desired
        self._undo.before(IDENTITY, (_SET_NAME + ("--fqdn=" + _full(before),),))
        self._do(*(_SET_NAME + ("--fqdn=" + desired,)))
        if not _is_called(desired, self._names()):
            # One release is documented to leave a part of the name unchanged.
            back = [_SET_NAME + ("--host=" + before[0],)]
            if before[1]:  # no command takes an empty domain
                back.append(_SET_NAME + ("--domain=" + before[1],))
            self._undo.before(IDENTITY, back)
            host, _, domain = desired.partition(".")
            self._do(*(_SET_NAME + ("--host=" + host,)))
            if domain:
                self._do(*(_SET_NAME + ("--domain=" + domain,)))
        self._log.say("the host's name is {}".format(desired))
        return desired

    def differences(self, desired: str, keys: "Sequence[str]") -> "List[str]":
        """Return how name and keys differ from the desired ones."""
        found = []
        now = self._names()
        if not _is_called(desired, now):
            found.append("The host's name is {}, not {}.".format(_full(now), desired))
        lines = self._key_lines()
        missing = [key for key in keys if key not in lines]
        if missing:
            found.append("{} of {} SSH keys of root are missing.".format(len(missing), len(keys)))
        return found

    def keys(self, client: MetadataClient, own: "Sequence[str]") -> "Tuple[str, ...]":
        """Set root's SSH keys: those of MAAS and of the recipe, besides present ones. Only keys are ever written."""
        given = client.public_keys()
        recipe = parse_public_keys("\n".join(own))
        for dropped in given.dropped + recipe.dropped:
            self._log.warn("SSH keys: {}".format(dropped))
        keys = []  # type: List[str]
        for key in given.keys + recipe.keys:
            if key not in keys:
                keys.append(key)
        there = self._key_lines()
        new = [key for key in keys if key not in there]
        if new:
            before = self._system.files.read(AUTHORIZED_KEYS)
            self._undo.before(IDENTITY, (), ((AUTHORIZED_KEYS, before),))
            text = (before or b"").decode("utf-8", "surrogateescape")
            text += "" if not text or text.endswith("\n") else "\n"
            text += "".join(key + "\n" for key in new)
            try:
                self._system.files.write(AUTHORIZED_KEYS, text.encode("utf-8", "surrogateescape"))
            except OSError as error:
                raise ForgeError(
                    "{} cannot be written: {}.".format(AUTHORIZED_KEYS, error.strerror),
                    "Is the host's RAM disk full (vdf -h)? Deploy the machine again.",
                )
            self._log.say("{} SSH keys for root".format(len(new)))
        return tuple(keys)

    def ssh(self) -> None:
        """Start the SSH service now and on every boot. Only called if there is a key: its owner wants access."""
        running, starts = is_running(self._system), starts_with_host(self._system)
        if running and starts:
            self._log.say("the SSH service is on already")
            return
        back = []
        if not running:
            back.append(("vim-cmd", "hostsvc/stop_ssh"))
        # If the host does not say what it does at a boot: a service that ran was desired by somebody.
        if starts is False or (starts is None and not running):
            back.append(("vim-cmd", "hostsvc/disable_ssh"))
        self._undo.before(IDENTITY, back)
        if not starts:
            self._do("vim-cmd", "hostsvc/enable_ssh")
        if not running:
            self._do("vim-cmd", "hostsvc/start_ssh")
        if is_running(self._system) is False:
            raise ForgeError(
                "ESXi says that its SSH service was started, but it does not run.",
                "See /var/log/hostd.log on the host, then deploy the machine again.",
            )
        self._log.say("the SSH service is on")

    def certificate(self, name: str, left: "Callable[[], float]") -> str:
        """Make a certificate for ``name``; return a sentence if that failed, which stops nothing.

        hostd and its proxy read it when they start; vCenter compares it with the file, so they are restarted.
        """
        before = tuple((path, self._system.files.read(path)) for path in _CERTIFICATE)
        if common_name(before[0][1] or b"").lower() == name.lower():
            self._log.say("the host's certificate is for its name already")
            return ""
        result = self._system.run(("/sbin/generate-certificates",), min(60.0, left()))
        if result.status != 0:
            for path, data in before:
                if data is not None:
                    self._system.files.write(path, data)
            return "the host keeps its certificate: generate-certificates ended with {}: {}".format(
                result.status, said(result)
            )
        self._log.say("a certificate was made for the host's name")
        if not restart_hostd(self._system, self._log, self._system.clock.monotonic() + max(left(), 30.0)):
            raise ForgeError(
                "ESXi's management service did not come back after its restart.",
                "Look at /var/log/hostd.log on the host.",
            )
        return ""

    def _names(self) -> "Tuple[str, str]":
        """Return host part and domain, which ESXi keeps apart."""
        record = single(self._system.esxcli().records("system hostname get"), "esxcli system hostname get")
        return record.name("hostname"), record.text("domainname")

    def _key_lines(self) -> "List[str]":
        data = self._system.files.read(AUTHORIZED_KEYS) or b""
        return [line.strip() for line in data.decode("utf-8", "surrogateescape").split("\n")]

    def _do(self, *command: str) -> None:
        for attempt in (1, 2):
            result = self._system.run(command)
            if result.status == 0:
                return
            if attempt == 1:
                self._system.clock.sleep(3.0)
        raise ForgeError(
            "{} ended with {}: {}.".format(" ".join(command), result.status, said(result)),
            "Run the command in the host's shell to see why.",
        )


def _full(names: "Tuple[str, str]") -> str:
    return ".".join(part for part in names if part)


def _is_called(desired: str, names: "Tuple[str, str]") -> bool:
    """Return whether host part and domain are those of ``desired``; a name without a domain leaves the domain open."""
    host, _, domain = desired.lower().partition(".")
    return names[0].lower() == host and domain in ("", names[1].lower())

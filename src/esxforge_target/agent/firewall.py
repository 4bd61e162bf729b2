"""ESXi lets nothing out to MAAS's port by itself: it is opened to MAAS's addresses only, while the agent runs.

Facts: ``httpClient`` opens ports 80 and 443 only. A rule file in /etc/vmware/firewall makes a rule set of one's own
(Broadcom KB 2008226); files there do not outlive a boot, so a power cut closes it, too. ESXi's own rule sets are left
alone: to put one back, its state before would have to be known for sure.
"""

from ipaddress import ip_address
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from esxforge_target.agent.log import Log
from esxforge_target.agent.system import System, said
from esxforge_target.agent.undo import FIREWALL, Undo
from esxforge_target.esxi.esxcli import CommandError, Record
from esxforge_target.metadata.connection import look_up
from esxforge_target.runtime.errors import ForgeError

RULE_FILE = "/etc/vmware/firewall/esxforge.xml"
RULESET = "esxforge"
_LOOK_UP_SECONDS = 15.0
# A list may lag behind for so long.
_LAG_SECONDS = 12.0
_PAUSE = 3.0
_HINT = "Run the command in the host's shell to see why; ESXi's firewall must let TCP out to MAAS's port."
_COMMAND = ("esxcli", "network", "firewall")
_RULES = """\
<ConfigRoot>
  <service id="9990">
    <id>{name}</id>
{rules}    <enabled>false</enabled>
    <required>false</required>
  </service>
</ConfigRoot>
"""
_RULE = """\
    <rule id="{number:04d}">
      <direction>outbound</direction>
      <protocol>tcp</protocol>
      <porttype>dst</porttype>
      <port>{port}</port>
    </rule>
"""


class Firewall:
    """Opens ways out, and closes them again through the undo list."""

    def __init__(self, system: System, undo: Undo, log: Log) -> None:
        self._system = system
        self._undo = undo
        self._log = log
        self._ways = {}  # type: Dict[int, List[str]]
        self._noted = False
        self._last = ""

    def open(self, port: int, addresses: "Iterable[str]") -> None:
        """Let TCP out to ``port`` of ``addresses``.

        A failure is shown on the console and stops nothing: the firewall may be off.
        """
        self._ways.setdefault(port, [])
        self._ways[port] += [one for one in addresses if one not in self._ways[port]]
        self.reopen()

    def reopen(self) -> None:
        """Open the same ways again: where MAAS is silent, the firewall may be why."""
        try:
            self._open()
        except ForgeError as error:
            self._announce(
                "the firewall was not opened, and MAAS cannot be reached unless it is off: {} {}".format(
                    error.message, error.hint
                )
            )
        else:
            told = ", ".join(self._addresses()) or "any address"
            ports = ", ".join(str(port) for port in sorted(self._ways))
            self._say("the firewall lets TCP out to port {} of {}".format(ports, told))

    def close(self) -> "List[str]":
        """As it was. A sentence for each command that failed."""
        was_opened = self._noted
        problems = self._undo.roll_back(FIREWALL)
        self._noted = False
        self._ways = {}
        if was_opened and not problems and not self._is_gone():
            problems += self._refresh_again()
        return problems

    def _refresh_again(self) -> "List[str]":
        try:
            self._do("refresh")
        except CommandError as error:
            return [error.message]
        if self._is_gone():
            return []
        return ["ESXi still shows the rule set {}, though its file is gone; a boot removes it".format(RULESET)]

    def _is_gone(self) -> bool:
        """Return whether ESXi shows our rule set no longer; also where it does not say. A list may lag."""
        end = self._system.clock.monotonic() + _LAG_SECONDS
        while True:
            try:
                if RULESET not in [record.name("name") for record in self._records("list")]:
                    return True
            except CommandError:
                return True
            if self._system.clock.monotonic() + _PAUSE >= end:
                return False
            self._system.clock.sleep(_PAUSE)

    def _open(self) -> None:
        if not self._noted:
            self._undo.before(FIREWALL, (_COMMAND + ("refresh",),), ((RULE_FILE, None),))
            self._noted = True
        rules = "".join(_RULE.format(number=number, port=port) for number, port in enumerate(sorted(self._ways)))
        try:
            self._system.files.write(RULE_FILE, _RULES.format(name=RULESET, rules=rules).encode("ascii"), 0o644)
        except OSError as error:
            raise ForgeError("{} cannot be written: {}.".format(RULE_FILE, error.strerror), _HINT)
        self._do("refresh")
        self._limit()
        self._do("ruleset", "set", "-r", RULESET, "-e", "true")
        self._check()

    def _limit(self) -> None:
        """Only our addresses; where none is known, the ports must do."""
        addresses = self._addresses()
        if not addresses:
            return
        self._do("ruleset", "set", "-r", RULESET, "-a", "false")
        for address in addresses:
            # Whatever the list shows: it may be of a rule set that is gone. What is there already may be refused.
            add = ("ruleset", "allowedip", "add", "-r", RULESET, "-i", address)
            if self._system.run(_COMMAND + add).status == 0:
                continue
            allowed = self._allowed()
            if allowed is not None and address not in allowed:
                self._do(*add)

    def _check(self) -> None:
        """Raises CommandError where ESXi shows another thing than it took: nothing would get out. A list may lag."""
        clock = self._system.clock
        end = clock.monotonic() + _LAG_SECONDS
        while not self._is_open():
            if clock.monotonic() + _PAUSE >= end:
                raise CommandError("The rule set {} was set, but ESXi shows it closed.".format(RULESET), _HINT)
            clock.sleep(_PAUSE)

    def _is_open(self) -> bool:
        """Return whether ESXi shows that our ways are open; also where it does not say."""
        try:
            enabled = [record.truth("enabled") for record in self._records("list") if record.name("name") == RULESET]
        except CommandError as error:
            self._say("what the firewall lets out cannot be read back: {}".format(error.message))
            return True
        allowed = self._allowed()
        closed = allowed is not None and allowed != ["all"] and not set(self._addresses()) <= set(allowed)
        return enabled == [True] and not closed

    def _allowed(self) -> "Optional[List[str]]":
        """The addresses that our rule set is limited to; None where that cannot be read."""
        try:
            records = self._records("allowedip list", "-r", RULESET)
            return [one.lower() for record in records for one in record.names("allowedipaddresses")]
        except CommandError:
            return None

    def _records(self, command: str, *arguments: str) -> "List[Record]":
        return self._system.esxcli().records("network firewall ruleset " + command, *arguments)

    def _say(self, line: str) -> None:
        if line != self._last:
            self._log.say(line)
        self._last = line

    def _announce(self, line: str) -> None:
        if line != self._last:
            self._log.announce(line)
        self._last = line

    def _addresses(self) -> "List[str]":
        if any(not addresses for addresses in self._ways.values()):
            return []
        found = []  # type: List[str]
        for port in sorted(self._ways):
            found += [one for one in self._ways[port] if one not in found]
        return found

    def _do(self, *words: str) -> None:
        result = self._system.run(_COMMAND + words)
        if result.status != 0 and not self._system.is_over():
            self._system.clock.sleep(_PAUSE)  # ESXi's management service refuses some, while it is busy
            result = self._system.run(_COMMAND + words)
        if result.status != 0:
            raise CommandError(
                "{} ended with {}: {}.".format(" ".join(_COMMAND + words), result.status, said(result)), _HINT
            )


def addresses_of(name: str, port: int, known: "Sequence[str]" = ()) -> "Tuple[str, ...]":
    """The addresses of a host: ``known`` ones, itself where it is one, else what its name resolves to here."""
    if known:
        return tuple(known)
    try:
        ip_address(name)
    except ValueError:
        pass
    else:
        return (name,)
    try:
        return tuple(sorted(look_up(name, port, _LOOK_UP_SECONDS)))
    except (OSError, UnicodeError):
        return ()

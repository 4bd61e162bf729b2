"""ESXi lets nothing out to MAAS's port by itself: it is opened to MAAS's addresses only, while the agent runs.

Facts: ``httpClient`` opens ports 80 and 443 only. A rule file in /etc/vmware/firewall makes a rule set of one's own
(Broadcom KB 2008226); files there do not outlive a boot, so a power cut closes it, too. Where ESXi does not take the
file, the rule set ``remoteSerialPort`` (or ``vSPC``), which lets all TCP out, is limited to the addresses and opened.
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
_STAND_INS = ("remoteSerialPort", "vSPC")
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
        self._ruleset = ""
        self._last = ""

    def open(self, port: int, addresses: "Iterable[str]") -> None:
        """Let TCP out to ``port`` of ``addresses``. Failures are noted only: the way may be open all the same."""
        self._ways.setdefault(port, [])
        self._ways[port] += [one for one in addresses if one not in self._ways[port]]
        self.mend()

    def mend(self) -> None:
        """Open the same ways again: where MAAS is silent, the firewall may be why."""
        try:
            if self._closed():
                self._open()
        except ForgeError as error:
            self._log.warn("the firewall was not opened: {}".format(error.message))

    def close(self) -> "List[str]":
        """As it was. A sentence for each command that failed."""
        problems = self._undo.roll_back(FIREWALL)
        if self._ruleset == RULESET and self._is_there(RULESET):
            self._system.run(_COMMAND + ("refresh",))
        self._ruleset = ""
        self._ways = {}
        return problems

    def _is_there(self, name: str) -> bool:
        try:
            return name in [record.text("name") for record in self._records("ruleset", "list")]
        except CommandError:
            return False

    def _closed(self) -> bool:
        try:
            record = self._records("get")[0]
        except CommandError as error:
            self._log.warn(error.message)
            return True
        action = record.text("defaultaction").upper()
        if record.truth("enabled") and action != "PASS":
            return True
        self._log.say("the firewall lets everything out by itself")
        return False

    def _open(self) -> None:
        if self._ruleset == RULESET:
            self._fill_own()
            return
        if not self._ruleset:
            self._undo.before(
                FIREWALL,
                (_COMMAND + ("refresh",),),
                ((RULE_FILE, None),),
            )
            try:
                self._fill_own()
            except ForgeError as error:
                self._log.warn("ESXi does not take a rule file: {}".format(error.message))
                self._undo.roll_back(FIREWALL, quiet=True)
            else:
                self._ruleset = RULESET
                return
        self._borrow()

    def _fill_own(self) -> None:
        rules = "".join(_RULE.format(number=number, port=port) for number, port in enumerate(sorted(self._ways)))
        try:
            self._system.files.write(RULE_FILE, _RULES.format(name=RULESET, rules=rules).encode("ascii"), 0o644)
        except OSError as error:
            raise ForgeError("{} cannot be written: {}.".format(RULE_FILE, error.strerror), _HINT)
        self._do("refresh")
        self._limit(RULESET)
        self._do("ruleset", "set", "-r", RULESET, "-e", "true")
        self._check_own()
        self._tell("the firewall lets TCP out to {}".format(self._told()))

    def _check_own(self) -> None:
        """Raises CommandError where ESXi shows another thing than it took: nothing would get out."""
        try:
            enabled = [record.truth("enabled") for record in self._records("ruleset", "list")
                       if record.text("name") == RULESET]  # fmt: skip
            allowed = self._allowed(RULESET)
        except CommandError as error:
            self._log.warn("what the firewall lets out cannot be read back: {}".format(error.message))
            return
        if enabled != [True] or (allowed is not None and len(allowed) < len(self._addresses())):
            raise CommandError("{} was set, but ESXi shows it closed.".format(RULESET), _HINT)

    def _borrow(self) -> None:
        there = {record.text("name"): record for record in self._records("ruleset", "list")}
        name = next((one for one in _STAND_INS if one in there), "")
        if not name:
            raise CommandError("ESXi has none of the rule sets {}.".format(", ".join(_STAND_INS)), _HINT)
        if not self._addresses():
            raise CommandError("{} would let everything out, as no address is known.".format(name), _HINT)
        if not self._ruleset:
            base = _COMMAND + ("ruleset", "set", "-r", name)
            back = [base + ("-e", "true" if there[name].truth("enabled") else "false")]
            if self._allowed(name) is None:
                back.append(base + ("-a", "true"))
            self._undo.before(FIREWALL, back)
            self._ruleset = name
        self._limit(name)
        self._do("ruleset", "set", "-r", name, "-e", "true")
        self._tell("the firewall's rule set {} lets TCP out to {}".format(name, self._told()))

    def _tell(self, line: str) -> None:
        if line != self._last:
            self._log.say(line)
        self._last = line

    def _limit(self, name: str) -> None:
        """Only our addresses; where none is known, the ports must do."""
        addresses = self._addresses()
        if not addresses:
            return
        allowed = self._allowed(name)
        if allowed is None:
            self._do("ruleset", "set", "-r", name, "-a", "false")
            allowed = []
        for address in addresses:
            if address not in allowed:
                if name != RULESET:
                    back = _COMMAND + ("ruleset", "allowedip", "remove", "-r", name, "-i", address)
                    self._undo.before(FIREWALL, (back,))
                self._do("ruleset", "allowedip", "add", "-r", name, "-i", address)

    def _addresses(self) -> "List[str]":
        if any(not addresses for addresses in self._ways.values()):
            return []
        found = []  # type: List[str]
        for port in sorted(self._ways):
            found += [one for one in self._ways[port] if one not in found]
        return found

    def _allowed(self, name: str) -> "Optional[List[str]]":
        """The addresses that a rule set is limited to; None: it is not."""
        names = [one for record in self._records("ruleset", "allowedip", "list", "-r", name)
                 for one in record.names("allowedipaddresses")]  # fmt: skip
        return None if [one.lower() for one in names] == ["all"] else names

    def _told(self) -> str:
        return "port {} of {}".format(
            ", ".join(str(port) for port in sorted(self._ways)), ", ".join(self._addresses()) or "any address"
        )

    def _records(self, *words: str) -> "List[Record]":
        count = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
        records = self._system.esxcli().records("network firewall " + " ".join(words[:count]), *words[count:])
        if not records:
            raise CommandError("esxcli network firewall {} says nothing.".format(" ".join(words)), _HINT)
        return records

    def _do(self, *words: str) -> None:
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

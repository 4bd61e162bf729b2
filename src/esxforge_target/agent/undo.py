"""Changes of this host and how to roll them back; kept in the journal, so that the next boot can do it, too.

ESXi saves its configuration every hour by itself, so a boot may start from any point of an earlier run. Rolling back
is therefore done in reverse to the very beginning, and a command that finds nothing to roll back may fail. For the same
reason the journal drops a change only once the configuration was saved, not when it was rolled back.

Whatever could not be rolled back stays in the list, with everything older: it may be about the same thing, and the
oldest must come last when it is tried again.

The network is not rolled back step by step: its present state is read, and turned into what the agent found at first
(plan.restore). So it does not matter how far a step came, what ESXi did besides, or in which boot that was.
"""

import base64
from typing import Dict, List, Optional, Sequence, Set, Tuple

from esxforge_target.agent.journal import Journal
from esxforge_target.agent.log import Log
from esxforge_target.agent.system import System, said
from esxforge_target.inventory.document import inventory_from_json
from esxforge_target.inventory.model import Inventory
from esxforge_target.inventory.read import WHOLE_NETWORK, reread_network, reread_what_answers
from esxforge_target.inventory.storage import read_extents
from esxforge_target.plan.commands import RENAME
from esxforge_target.plan.restore import LEASES, changed_parts, restore_network, waits_for_boot
from esxforge_target.runtime.commands import Result
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.values import Value

# Subjects of changes: the network, and so on. Storage lies on disks, so a boot does not bring it back.
NETWORK = "network"
FALLBACK = "fallback"
STORAGE = "storage"
IDENTITY = "identity"
FIREWALL = "firewall"
_BY_READING = (NETWORK, FALLBACK)
_PAUSE = 2.0
# The remainder is read again each time: lists may lag behind what was done.
_MOST_READINGS = 4
_READING_PAUSE = 5.0
# Rolling back gets this much, whatever is left of the phase in which it became necessary: enough to read the network
# twice if each of some 15 commands takes 4 seconds, and to change it in between.
_LEAST = 150.0


class Change(Value):
    """``files`` (path, former content or None) and then ``commands`` roll it back."""

    __slots__ = ("number", "about", "commands", "files")

    def __init__(
        self,
        number: int,
        about: str,
        commands: "Tuple[Tuple[str, ...], ...]",
        files: "Tuple[Tuple[str, Optional[bytes]], ...]" = (),
    ) -> None:
        self.number = number
        self.about = about
        self.commands = tuple(commands)
        self.files = tuple(files)


class Undo:
    """The changes that are not committed."""

    def __init__(self, system: System, journal: Journal, log: Log) -> None:
        self._system = system
        self._journal = journal
        self._log = log
        self._next = 0
        self._noted = {}  # type: Dict[int, Change]
        self.changes = []  # type: List[Change]
        self._reads_as_found = False  # and nothing was changed since that reading
        self._restore()

    def before(
        self,
        about: str,
        commands: "Sequence[Tuple[str, ...]]" = (),
        files: "Sequence[Tuple[str, Optional[bytes]]]" = (),
    ) -> None:
        """Note, before a change, how it is rolled back."""
        change = self._add(about, commands, files)
        self._noted[change.number] = change
        self.changes.append(change)

    def after(self, about: str, commands: "Sequence[Tuple[str, ...]]") -> None:
        """Note as ``before`` does, for a change that was made already: it is rolled back even if it cannot be noted."""
        change = Change(self._next, about, tuple(commands))
        self._noted[change.number] = change
        self.changes.append(change)
        self._add(about, commands, ())

    def _add(
        self, about: str, commands: "Sequence[Tuple[str, ...]]", files: "Sequence[Tuple[str, Optional[bytes]]]"
    ) -> Change:
        """Add a change to the journal. Raises DiskError."""
        number = self._next
        self._next += 1
        encoded = [
            {"path": path, "content": None if data is None else base64.b64encode(data).decode("ascii")}
            for path, data in files
        ]
        self._journal.add("change", number=number, about=about, commands=[list(one) for one in commands], files=encoded)
        return Change(number, about, tuple(commands), tuple(files))

    def note_lasting(self, changes: str) -> None:
        """Note a change that cannot be rolled back: VMFS never shrinks."""
        self._journal.add("lasting", changes=changes)

    def lasting(self) -> "List[str]":
        """Return the changes that cannot be rolled back."""
        return [record["changes"] for record in self._journal.records if record["kind"] == "lasting"]

    def open(self, about: str) -> None:
        """Note, before its first change, that the network is no longer as found."""
        self.touch()
        if not any(change.about == about for change in self.changes):
            self.before(about)

    def touch(self) -> None:
        """Discard the last reading of the network: something of it is about to change."""
        self._reads_as_found = False

    def commit(self, *about: str) -> None:
        """Note that the configuration was saved: these stay as they are now, rolled back or not."""
        self.changes = [change for change in self.changes if change.about not in about]
        self._note([number for number in sorted(self._noted) if self._noted[number].about in about])

    def is_open(self, *about: str) -> bool:
        """Return whether one of these is not committed: ESXi may have saved, or may still save, a part of it."""
        return any(change.about in about for change in self._noted.values())

    def reopen(self, *about: str) -> None:
        """Let all of these, from the first start on, be rolled back again: a command may only claim that it worked."""
        still = [change.number for change in self.changes]
        noted = [self._noted[number] for number in sorted(self._noted)]
        self.changes = [change for change in noted if change.about in about or change.number in still]

    def roll_back(self, *about: str, quiet: bool = False) -> "List[str]":
        """Roll these back, the newest first; return a sentence for each command that failed. Another call tries again.

        ``quiet``: most will find nothing to roll back, so failed commands are retried only once, and then ignored.
        """
        before = self._system.end
        if before is not None:
            self._system.until(max(before, self._system.clock.monotonic() + _LEAST))
        try:
            return self._roll_back_changes(about, quiet)
        finally:
            self._system.until(before)

    def _roll_back_changes(self, about: "Tuple[str, ...]", quiet: bool) -> "List[str]":
        problems = []  # type: List[str]
        stuck = set()  # type: Set[str]
        for change in [one for one in reversed(self.changes) if one.about in about and one.about not in _BY_READING]:
            failed = []  # type: List[str]
            for path, data in change.files:
                failed += self._put_back(path, data)
            for command in change.commands:
                self._log.say("rolling back: {}".format(" ".join(command)))
                result = self._patiently(command, quiet)
                if result.status != 0 and not self._never_renamed(command):
                    failed.append("{} ended with {}: {}".format(" ".join(command), result.status, said(result)))
            problems += failed
            if not quiet:
                for problem in failed:
                    self._log.warn(problem)
            if change.about == STORAGE:
                # Disks do not wait for a configuration to be saved; and what is gone there is not rolled back twice.
                if not failed:
                    self._note([change.number])
                    self.changes.remove(change)
                continue
            if failed and not quiet:
                stuck.add(change.about)
            if change.about not in stuck:
                self.changes.remove(change)
        # Last, as it takes long if ESXi is slow: other changes must not stay for lack of time.
        network = [change for change in self.changes if change.about in about and change.about in _BY_READING]
        if network:
            left = self._restore_network(quiet)
            problems += left
            if not left or quiet:
                self.changes = [change for change in self.changes if change not in network]
        return problems

    def _never_renamed(self, command: "Tuple[str, ...]") -> bool:
        """Return whether a rename, which is noted before it is made, was never made."""
        if command[:2] != RENAME:
            return False
        try:
            names = [extent.volume for extent in read_extents(self._system.esxcli())]
        except ForgeError:
            return False
        return command[3] in names and command[2] not in names

    def network_unlike(self) -> "List[str]":
        """Return the parts of the network that are not as the agent found them. Raises ForgeError if any is unreadable.

        Not read again if rolling back read it as found and nothing was changed since: a slow host has no time.
        """
        found = self._found()
        if found is None or self._reads_as_found:
            return []
        return changed_parts(found, self._read(found))

    def waits_for_boot(self) -> bool:
        """Return whether a boot from what is there now would let the rest of the network be rolled back."""
        found = self._found()
        try:
            return found is not None and waits_for_boot(found, self._read(found))
        except ForgeError:
            return False

    def _found(self) -> "Optional[Inventory]":
        record = self._journal.last("found")
        return None if record is None else inventory_from_json(record["inventory"])

    def _read(self, found: Inventory) -> Inventory:
        """Return the network as it is now; by localcli if ESXi's management service does not answer."""
        try:
            return reread_network(self._system.runner, found, WHOLE_NETWORK, self._system.program)
        except ForgeError:
            if self._system.is_over():
                raise
            return reread_network(self._system.runner, found, WHOLE_NETWORK, "localcli")

    def _restore_network(self, quiet: bool) -> "List[str]":
        """Turn the network into the one that was found; return a sentence for each remaining difference."""
        found = self._found()
        if found is None:
            return []  # nothing is touched before it is noted
        self.touch()
        todo = ()  # type: Sequence[Tuple[str, Tuple[str, ...]]]
        for number in range(_MOST_READINGS):
            if number:
                self._system.clock.sleep(_READING_PAUSE)
            try:
                todo = restore_network(found, self._read(found))
            except ForgeError as error:
                if self._system.is_over():
                    return [error.message]
                if number == _MOST_READINGS - 1:
                    # One list that cannot be read must not keep the host off the network.
                    self._run_all(restore_network(found, reread_what_answers(self._system.runner, found)), False)
                    return [error.message]
                continue
            if number and all(part == LEASES for part, _ in todo):
                todo = ()  # they were asked for; but again where something below an interface had to be done again
            if not todo:
                self._reads_as_found = True
                return []
            self._run_all(todo, number == 0 or quiet)
        parts = sorted({part for part, _ in todo})
        return ["the network is not as found: {}".format(", ".join(parts))]

    def _run_all(self, todo: "Sequence[Tuple[str, Tuple[str, ...]]]", quiet: bool) -> None:
        for _, command in todo:
            self._log.say("rolling back: {}".format(" ".join(command)))
            result = self._system.run(command) if quiet else self._patiently(command)
            if result.status != 0:
                self._log.say("{} ended with {}: {}".format(" ".join(command), result.status, said(result)))

    def _patiently(self, command: "Tuple[str, ...]", quiet: bool = False) -> Result:
        """Run twice, and once more, unless ``quiet``, bypassing ESXi's management service, which may be the cause."""
        result = self._system.run(command)
        tries = [command] + ([("localcli",) + command[1:]] if command[0] == "esxcli" and not quiet else [])
        for one in tries:
            if result.status == 0 or self._system.is_over():
                break
            self._system.clock.sleep(_PAUSE)
            result = self._system.run(one)
        return result

    def _note(self, numbers: "List[int]") -> None:
        """Record these as rolled back. Without this record the next boot rolls the same back once more."""
        for number in numbers:
            del self._noted[number]
        problem = self._journal.note("committed", numbers=numbers)
        if problem:
            self._log.warn(problem)

    def _put_back(self, path: str, data: "Optional[bytes]") -> "List[str]":
        self._log.say("rolling back: {}".format(path))
        try:
            if data is None:
                self._system.files.remove(path)
            elif self._system.files.read(path) != data:
                self._system.files.write(path, data)
        except OSError as error:
            return ["{} was not put back: {}".format(path, error.strerror)]
        return []

    def _restore(self) -> None:
        found = {}  # type: Dict[int, Change]
        for record in self._journal.records:
            if record["kind"] == "change":
                files = [(one["path"], _decoded(one["content"])) for one in record["files"]]
                commands = tuple(tuple(command) for command in record["commands"])
                found[record["number"]] = Change(record["number"], record["about"], commands, tuple(files))
                self._next = max(self._next, record["number"] + 1)
            elif record["kind"] == "committed":
                for number in record["numbers"]:
                    found.pop(number, None)
        self.changes = [found[number] for number in sorted(found)]
        self._noted = {change.number: change for change in self.changes}


def _decoded(content: "Optional[str]") -> "Optional[bytes]":
    return None if content is None else base64.b64decode(content)

"""Answers of esxcli. JSON is read (keys with or without blanks, values as texts or natives), keyvalue as a fallback.

Facts: outputs of esxcli 6.7 to 9.0 in tests/data/esxi/esxcli-outputs.txt. Tables for people are never parsed.
"""

import collections
import re
from typing import Any, Dict, List, Tuple

from esxforge_target.runtime.commands import Runner
from esxforge_target.runtime.documents import LONGEST_TEXT
from esxforge_target.runtime.errors import ForgeError, FormatError
from esxforge_target.runtime.strict_json import load_json

_TRUE = ("true", "1", "yes", "up", "on", "enabled")
_FALSE = ("false", "0", "no", "down", "off", "disabled")
_UNREADABLE = (
    "This release of ESXi may name it otherwise, or its management service answers in part. Look at the command's "
    "answer (with --formatter=json) and report it with the release."
)


class CommandError(ForgeError):
    """A command of the host failed, or its answer cannot be understood."""


class Record:
    """One structure of the answer to ``command``, its keys reduced to lower-case letters and digits.

    An absent field is unknown, not empty: all but ``optional`` and ``has`` raise ``CommandError`` then, with
    the command and the field. Of several keys, which releases write differently, the first that is there counts.
    """

    def __init__(self, values: Dict[str, Any], command: str = "") -> None:
        self.values = {normal(str(key)): value for key, value in values.items()}
        self.command = command

    def text(self, *keys: str) -> str:
        """Return the field as text, maybe empty; a list is unreadable. ``N/A`` and JSON's null count as empty."""
        value = self._value(keys)
        if isinstance(value, (list, dict)):
            raise self.unreadable(keys[0], "is not a single value")
        text = "" if value is None else str(value).strip()
        return "" if text == "N/A" else text[:LONGEST_TEXT]

    def name(self, *keys: str) -> str:
        """Return the field as text, which must not be empty."""
        text = self.text(*keys)
        if not text:
            raise self.unreadable(keys[0], "is empty")
        return text

    def optional(self, *keys: str) -> str:
        """Return the field as text; empty if it is absent. For what people see and nothing depends on."""
        return self.text(*keys) if any(self.has(key) for key in keys) else ""

    def number(self, *keys: str) -> int:
        """Return a whole number of at most 64 bits; a unit may follow it."""
        found = re.match(r"\s*(-?[0-9]{1,18})(?![0-9])", self.text(*keys))
        if found is None:
            raise self.unreadable(keys[0], "is not a number: {!r}".format(self.text(*keys)[:60]))
        return int(found.group(1))

    def truth(self, *keys: str) -> bool:
        """Return whether the field says true (or up, yes, enabled)."""
        word = self.text(*keys).lower()
        if word not in _TRUE + _FALSE:
            raise self.unreadable(keys[0], "is neither true nor false: {!r}".format(word[:60]))
        return word in _TRUE

    def names(self, *keys: str) -> List[str]:
        """Return a list, given as such or as text separated by commas; maybe empty."""
        value = self._value(keys)
        names = value if isinstance(value, list) else self.text(*keys).split(",")
        return [str(name).strip() for name in names if str(name).strip()]

    def has(self, key: str) -> bool:
        """Return whether the answer has this field."""
        return key in self.values

    def unreadable(self, key: str, problem: str) -> CommandError:
        """Return the error that names the command and the field (as it is called in ``values``)."""
        there = ", ".join(sorted(self.values)) or "none"
        return CommandError(
            "{} cannot be read: the field {} {} (fields: {}).".format(
                self.command or "an answer", key, problem, there[:200]
            ),
            _UNREADABLE,
        )

    def _value(self, keys: "Tuple[str, ...]") -> Any:
        for key in keys:
            if self.has(key):
                return self.values[key]
        raise self.unreadable(keys[0], "is missing")


def single(records: "List[Record]", command: str) -> Record:
    """Return the only structure of an answer. Raises ``CommandError`` if there is none, or more than one."""
    if len(records) != 1:
        raise CommandError(
            "{} cannot be read: it answers {} structures instead of one.".format(command, len(records)), _UNREADABLE
        )
    return records[0]


def by_name(records: "List[Record]", *keys: str) -> "Dict[str, Record]":
    """Return the structures by the name in the first of ``keys`` that is there, in their order.

    Raises ``CommandError`` for a name twice.
    """
    found = collections.OrderedDict()  # type: Dict[str, Record]
    for record in records:
        name = record.name(*keys)
        if name in found:
            raise record.unreadable(keys[0], "names {} twice".format(name))
        found[name] = record
    return found


def normal(key: str) -> str:
    """Return the normalized key: ``MAC Address`` and ``MACAddress`` are both ``macaddress``."""
    return "".join(character for character in key.lower() if character.isalnum())


class Esxcli:
    """Runs esxcli. ``program`` is ``localcli`` if hostd is not up."""

    def __init__(self, runner: Runner, program: str = "esxcli", timeout: float = 60.0) -> None:
        self._runner = runner
        self._program = program
        self._timeout = timeout

    def records(self, command: str, *arguments: str) -> List[Record]:
        """Return the structures that ``command`` answers, such as ``network nic list``. Raises ``CommandError``."""
        words = command.split() + list(arguments)
        line = [self._program, "--formatter=json"] + words
        told = " ".join([self._program] + words)
        result = self._runner.run(line, self._timeout)
        if result.status == 0:
            try:
                return _from_json(load_json(result.stdout, "The answer"), told)
            except FormatError:
                line[1] = "--formatter=keyvalue"
                result = self._runner.run(line, self._timeout)
                if result.status == 0:
                    return parse_keyvalue(result.stdout, told)
        said = " ".join((result.stderr.strip() or result.stdout.strip() or "no output").split())
        raise CommandError(
            "{} ended with status {}: {}".format(told, result.status, said[:300]),
            "Run the command in the host's shell; if it hangs, hostd may be down (/etc/init.d/hostd restart).",
        )


def _structure(found: "Dict[str, Any]") -> "Dict[str, Any]":
    """Return a structure of an answer. Raises FormatError if two of its keys mean the same with different values."""
    reduced = {}  # type: Dict[str, Any]
    for key, value in found.items():
        if reduced.setdefault(normal(key), value) != value:
            raise FormatError("{} is given twice.".format(key), _UNREADABLE)
    return reduced


def _from_json(document: Any, command: str) -> List[Record]:
    if isinstance(document, dict):
        document = [document]
    if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
        raise FormatError("The answer holds no structures.", _UNREADABLE)
    return [Record(_structure(one), command) for one in document]


def parse_keyvalue(text: str, command: str = "") -> List[Record]:
    """Return the structures of ``--formatter=keyvalue``: lines like ``structure[0].NicEntry.Name.string=vmnic0``.

    Raises ``CommandError`` if a field is given twice, with different values.
    """
    heads = []  # type: List[str]
    found = {}  # type: Dict[str, Dict[str, Any]]
    for line in text.splitlines():
        path, separator, value = line.partition("=")
        match = re.match(r"\A(.*?)\.([^.]+)\.([a-z]+)(\[[0-9]*\](\.[a-z]+)?)?\s*\Z", path.strip())
        if not separator or match is None:
            continue
        head, key, is_list = match.group(1), match.group(2), match.group(4) is not None
        if head not in found:
            heads.append(head)
            found[head] = {}
        before = found[head].setdefault(key, [] if is_list else value)
        if isinstance(before, list) != is_list or (not is_list and before != value):
            raise Record(found[head], command).unreadable(normal(key), "is given twice")
        if is_list and value.strip():
            before.append(value.strip())
    return [Record(found[head], command) for head in heads]

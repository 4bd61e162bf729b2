"""What esxcli answers. JSON is read (keys with or without blanks, values as texts or natives), keyvalue as a fallback.

Facts: outputs of esxcli 6.7 to 9.0 in tests/data/esxi/esxcli-outputs.txt. Tables for people are never parsed.
"""

import re
from typing import Any, Dict, List

from esxforge_target.runtime.commands import Runner
from esxforge_target.runtime.documents import LONGEST_TEXT
from esxforge_target.runtime.errors import ForgeError, FormatError
from esxforge_target.runtime.strict_json import load_json

_TRUE = ("true", "1", "yes", "up", "on", "enabled")


class CommandError(ForgeError):
    """A command of the host failed, or answered what cannot be understood."""


class Record:
    """One structure of an answer, its keys reduced to lower-case letters and digits."""

    def __init__(self, values: Dict[str, Any]) -> None:
        self.values = {normal(str(key)): value for key, value in values.items()}

    def text(self, *keys: str) -> str:
        """The first of these fields that is there, as text; empty where none is. ``N/A`` counts as empty."""
        for key in keys:
            if key in self.values and self.values[key] is not None:
                value = self.values[key]
                text = ", ".join(str(one) for one in value) if isinstance(value, list) else str(value).strip()
                return "" if text == "N/A" else text[:LONGEST_TEXT]
        return ""

    def number(self, *keys: str) -> int:
        """A whole number; 0 where there is none, or one that does not fit into 64 bits."""
        found = re.match(r"\s*(-?[0-9]{1,18})(?![0-9])", self.text(*keys))
        return int(found.group(1)) if found else 0

    def truth(self, *keys: str) -> bool:
        """Whether the field says true (or up, yes, enabled)."""
        return self.text(*keys).lower() in _TRUE

    def names(self, *keys: str) -> List[str]:
        """A list, given as such or as text parted by commas."""
        for key in keys:
            if isinstance(self.values.get(key), list):
                return [str(one).strip() for one in self.values[key] if str(one).strip()]
        return [name.strip() for name in self.text(*keys).split(",") if name.strip()]

    def has(self, key: str) -> bool:
        """Whether the answer has this field."""
        return key in self.values


def normal(key: str) -> str:
    """``MAC Address`` and ``MACAddress`` are both ``macaddress``."""
    return "".join(character for character in key.lower() if character.isalnum())


class Esxcli:
    """Asks esxcli. ``program`` is ``localcli`` where hostd is not up."""

    def __init__(self, runner: Runner, program: str = "esxcli", timeout: float = 60.0) -> None:
        self._runner = runner
        self._program = program
        self._timeout = timeout

    def records(self, command: str, *arguments: str) -> List[Record]:
        """The structures that ``command`` answers, as ``network nic list``. Raises ``CommandError``."""
        words = command.split() + list(arguments)
        line = [self._program, "--formatter=json"] + words
        result = self._runner.run(line, self._timeout)
        if result.status == 0:
            try:
                return _from_json(load_json(result.stdout, "The answer"))
            except FormatError:
                line[1] = "--formatter=keyvalue"
                result = self._runner.run(line, self._timeout)
                if result.status == 0:
                    return parse_keyvalue(result.stdout)
        said = " ".join((result.stderr.strip() or result.stdout.strip() or "no output").split())
        raise CommandError(
            "{} ended with status {}: {}".format(" ".join([self._program] + words), result.status, said[:300]),
            "Run the command in the host's shell; if it hangs, hostd may be down (/etc/init.d/hostd restart).",
        )


def _from_json(document: Any) -> List[Record]:
    if isinstance(document, dict):
        document = [document]
    if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
        raise FormatError("The answer holds no structures.", "Is this the esxcli of an ESXi host?")
    return [Record(one) for one in document]


def parse_keyvalue(text: str) -> List[Record]:
    """The structures of ``--formatter=keyvalue``: lines like ``structure[0].NicEntry.Name.string=vmnic0``."""
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
        if is_list:
            found[head].setdefault(key, [])
            if value.strip():
                found[head][key].append(value.strip())
        else:
            found[head][key] = value
    return [Record(found[head]) for head in heads]

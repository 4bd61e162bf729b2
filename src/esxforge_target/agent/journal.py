"""The journal: what was begun on this host and is not committed yet, in the boot bank, so that it survives power cuts.

A line for each record: CRC-32 of the JSON text in eight hexadecimal digits, a blank, the JSON text. A record is on the
disk before what it tells begins; a line that the power cut short is dropped. No secret is in it.
"""

import json
import os
import re
import zlib
from typing import Any, Dict, List, Optional

from esxforge_target.agent.system import System
from esxforge_target.runtime.blocks import DiskError
from esxforge_target.runtime.documents import ANYTHING, NUMBER, TEXT, TEXTS, TRUTH, Builder, Shape
from esxforge_target.runtime.documents import Record as Fields
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import load_json

NAME = "esxforge.jnl"  # 8.3, as all names in a bank

Record = Dict[str, Any]

_LARGEST = 1 << 24
_BASE64 = re.compile(r"\A(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")
_FILE = Fields({"path": TEXT, "content": Shape(str, optional=True, high=_LARGEST, form=(_BASE64, "base64"))})
# What is read back of a record; one of another kind says something by being there.
_SHAPES = {
    "boot": {"number": NUMBER},
    "found": {"inventory": Shape(str, high=_LARGEST), "ssh": Shape(bool, optional=True)},
    "failed": {"reason": Shape(str, high=_LARGEST)},
    "outcome": {"save": TRUTH, "text": Shape(str, high=_LARGEST)},
    "lasting": {"changes": TEXT},
    "deployed": {"runs": Shape(bool, absent=True)},
    "change": {"number": NUMBER, "about": TEXT, "commands": Shape(TEXTS, many=True), "files": Shape(_FILE, many=True)},
    "committed": {"numbers": Shape(int, many=True)},
}  # type: Dict[str, Dict[str, Shape]]


class Journal:
    """The records of earlier boots (``records``), and those to come."""

    def __init__(self, system: System, bank: str) -> None:
        self._system = system
        self._path = "{}/{}".format(bank, NAME)
        self.records = []  # type: List[Record]
        # Cleared where the bank takes nothing: then records are kept in memory only, so that MAAS can be told that.
        self.is_needed = True
        self._length = 0
        self._read()

    def last(self, kind: str) -> "Optional[Record]":
        """The newest record of a kind."""
        for record in reversed(self.records):
            if record["kind"] == kind:
                return record
        return None

    def add(self, kind: str, **values: Any) -> None:
        """Write a record; it is on the disk when this returns. Raises DiskError."""
        record = dict(values, kind=kind)
        text = json.dumps(record, sort_keys=True).encode("ascii")
        line = "{:08x} ".format(zlib.crc32(text) & 0xFFFFFFFF).encode("ascii") + text + b"\n"
        try:
            self._system.bank_files.append(self._path, line)
        except OSError as error:
            self._cut()
            if self.is_needed:
                raise DiskError(
                    "The journal in the boot bank cannot be written: {}.".format(error.strerror),
                    "Is the boot bank full, or the boot disk failing?",
                )
        else:
            self._length += len(line)
        self.records.append(record)

    def note(self, kind: str, **values: Any) -> str:
        """As ``add``, where work goes on without the record, too: a sentence where it could not be written, or ""."""
        try:
            self.add(kind, **values)
        except DiskError as error:
            self.records.append(dict(values, kind=kind))
            return error.message
        return ""

    def note_alone(self, kind: str, **values: Any) -> str:
        """As ``note``, where nothing earlier matters any more: in a full bank it takes the others' room."""
        if not self.note(kind, **values):
            return ""
        try:
            self.remove()
        except DiskError as error:
            self.records.append(dict(values, kind=kind))
            return error.message
        return self.note(kind, **values)

    def remove(self) -> None:
        """Everything is committed. Raises DiskError."""
        self._system.bank_files.remove(self._path)
        self._system.bank_files.sync_directory(os.path.dirname(self._path))
        self.records = []
        self._length = 0

    def _read(self) -> None:
        data = self._system.bank_files.read(self._path)
        if data is None:
            return
        good = 0
        for line in data.split(b"\n")[:-1]:
            record = _parse(line)
            if record is None:
                break
            self.records.append(record)
            good += len(line) + 1
        self._length = good
        if good < len(data):
            self._cut()

    def _cut(self) -> None:
        """A line that was written in part must not stand before the next one."""
        try:
            os.truncate(self._system.bank_files.locate(self._path), self._length)
        except OSError:
            return  # then the next one cannot be written either


def _parse(line: bytes) -> "Optional[Record]":
    checksum, _, text = line.partition(b" ")
    if checksum != "{:08x}".format(zlib.crc32(text) & 0xFFFFFFFF).encode("ascii"):
        return None
    try:
        record = load_json(text, "The record")
    except FormatError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        return None
    builder = Builder({}, secret=True)
    builder.read(Shape(Fields(_SHAPES.get(record["kind"], {}), rest=ANYTHING)), record, "record")
    return None if builder.problems else record


def exists(system: System, bank: str) -> bool:
    """Return whether a bank has a journal."""
    return os.path.exists(system.bank_files.locate("{}/{}".format(bank, NAME)))

"""The directory that is the machine: JSON documents, the files of its root file system, its disks.

hardware.json   what is in the box: release, NICs, disks, quirks of this release's tools
world.json      what it is cabled to (world.py)
running.json    configuration in memory: what commands read and change
saved.json      configuration that a boot starts from
saved-etc/      the saved files of /etc
from-modules.json  (bootable stand-in) files of /etc that came from modules
power.json      on, off; boots; how often hostd still refuses
faults.json     faults that were ordered
commands.jsonl  every command that ran, one a line
root/           /vmfs/devices/disks, /vmfs/volumes, /bootbank, /altbootbank, /etc, /tmp, …
"""

import copy
import hashlib
import json
import os
import shutil
from typing import Any, Dict, List, Tuple

Document = Dict[str, Any]

FILES = ("hardware", "world", "running", "saved", "power", "faults")
# Files of /etc that do not come back after a boot, whoever saved: only VIBs may bring firewall rules to stay.
NOT_KEPT = ("vmware/firewall",)


def read_json(path: str) -> Any:
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def write_json(path: str, document: Any) -> None:
    """Replace ``path`` whole, so that a reader beside us never sees half of it."""
    with open(path + ".new", "w", encoding="utf-8") as stream:
        stream.write(json.dumps(document, sort_keys=True))
        stream.write("\n")
    os.replace(path + ".new", path)


class Store:
    """One machine's directory, read at the start of a command and written at its end."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._read: Dict[str, Document] = {}
        self._documents: Dict[str, Document] = {}
        self._seen: Dict[str, Tuple[int, int, int]] = {}
        # What ``running`` was from which moment on, oldest first. It is not kept beyond this process.
        self._past: List[Tuple[float, Document]] = []

    def path(self, *parts: str) -> str:
        return os.path.join(self.directory, *parts)

    def root(self, path: str = "/") -> str:
        """Where the machine's ``path`` stands on the machine that runs the fake."""
        return (
            os.path.join(self.directory, "root", path.lstrip("/"))
            if path != "/"
            else os.path.join(self.directory, "root")
        )

    def load(self) -> None:
        """The documents as their files are now; what was changed here and not written is forgotten."""
        for name in FILES:
            seen = self._signature(name)
            if seen == self._seen.get(name) and self._documents[name] == self._read[name]:
                continue
            self._seen[name] = seen
            self._read[name] = read_json(self.path(name + ".json"))
            self.revert(name)

    def _signature(self, name: str) -> Tuple[int, int, int]:
        """A file is written beside and moved into place, so a changed one is another one."""
        status = os.stat(self.path(name + ".json"))
        return status.st_ino, status.st_size, status.st_mtime_ns

    def __getitem__(self, name: str) -> Document:
        return self._documents[name]

    def __setitem__(self, name: str, document: Document) -> None:
        self._documents[name] = document

    def revert(self, name: str) -> None:
        """Forget what was changed in one document since it was read: a command fails whole."""
        self._documents[name] = copy.deepcopy(self._read[name])

    def write(self) -> None:
        for name in FILES:
            document = self._documents[name]
            if document != self._read.get(name):
                write_json(self.path(name + ".json"), document)
                self._seen[name] = self._signature(name)
                self._read[name] = copy.deepcopy(document)

    def remember(self, now: float, keep: float) -> None:
        """Note that ``running`` is as it stands since ``now``; what was replaced ``keep`` seconds ago is forgotten."""
        if not self._past or self._past[-1][1] is not self._read["running"]:
            self._past.append((now, self._read["running"]))
        while len(self._past) > 1 and self._past[1][0] <= now - keep:
            del self._past[0]

    def running_at(self, moment: float) -> Document:
        """``running`` as it was then, as far as that is remembered."""
        found = self._read["running"] if not self._past else self._past[0][1]
        for since, document in self._past:
            if since <= moment:
                found = document
        return copy.deepcopy(found)

    def log(self, entry: Document) -> None:
        with open(self.path("commands.jsonl"), "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, sort_keys=True) + "\n")

    def logged(self) -> List[Document]:
        if not os.path.exists(self.path("commands.jsonl")):
            return []
        with open(self.path("commands.jsonl"), encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]

    def save_configuration(self) -> None:
        """What auto-backup.sh and a clean shutdown do."""
        self["saved"] = copy.deepcopy(self["running"])
        replace_tree(self.root("/etc"), self.path("saved-etc"))
        for path, digest in self._from_modules().items():
            copied = self.path("saved-etc", os.path.relpath(path, "/etc"))
            if os.path.isfile(copied) and file_digest(copied) == digest:
                os.unlink(copied)

    def _from_modules(self) -> Dict[str, str]:
        """Files of /etc that the boot loader's modules brought, with their SHA-256: as long as nobody changes them they
        are no part of the configuration, and go with their module.
        """
        path = self.path("from-modules.json")
        return dict(read_json(path)) if os.path.exists(path) else {}

    def restore_configuration(self) -> None:
        """What a boot starts from; the RAM disk's other directories are empty again."""
        self["running"] = copy.deepcopy(self["saved"])
        replace_tree(self.path("saved-etc"), self.root("/etc"))
        for kept in NOT_KEPT:
            directory = os.path.join(self.root("/etc"), kept)
            shutil.rmtree(directory, ignore_errors=True)
            os.makedirs(directory)
        for directory in ("/tmp", "/var/run", "/var/lock"):
            shutil.rmtree(self.root(directory), ignore_errors=True)
            os.makedirs(self.root(directory))


def file_digest(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def tree_digests(directory: str) -> Dict[str, str]:
    """Each file below a directory, with its SHA-256."""
    found = {}
    for where, _, names in os.walk(directory):
        for path in (os.path.join(where, name) for name in names):
            if os.path.isfile(path):
                found[os.path.relpath(path, directory)] = file_digest(path)
    return found


def replace_tree(source: str, target: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)

"""The images of a stand-in MAAS: what is created, answered and deleted."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from standin.maas_region.errors import ApiError
from standin.maas_region.faults import Fault
from standin.maas_region.machines import FakeMachines, User
from standin.maas_region.storage import Storage, StorageError, Stored

ADMIN_KEY = "Qm4vTz81KpLxWc7RbN:Yd2GhJ5sXa9PfUe3Mo:Z8rCk1VwT6yBnH4qLs0DjEg7AiFx2Ou5"
USER_KEY = "Hx7LpQ2nVb5TcR9wKd:Ks4WmZ8jYf1XgB6vNa:T3hRuE9oPiC5sDl7QxJk2MwGy8ZbVn4A"

_SYSTEMS = ["ubuntu", "ubuntu-core", "bootloader", "centos", "rhel", "custom", "windows", "suse", "esxi", "ol"]
_FILES = {"tgz": "root-tgz", "ddgz": "root-dd.gz", "ddxz": "root-dd.xz", "ddraw": "root-dd.raw"}
_BASE = "/MAAS/api/2.0"


@dataclass
class File:
    """An announced file."""

    id: int
    filename: str
    stored: Stored


@dataclass
class Resource:
    """An image; ``sets`` from old to new."""

    id: int
    name: str
    architecture: str
    title: str
    sets: list[tuple[str, list[File]]] = field(default_factory=list)
    rtype: str = "Uploaded"


class FakeRegion:
    """State and rules. ``version`` decides how bytes are kept; ``regions`` is how many share the work.

    ``clock`` is MAAS's; ``balance`` sends each PUT to the next region, as a load balancer would; ``counts_refused``:
    see :class:`~standin.maas_region.storage.Storage`.
    """

    def __init__(
        self,
        version: str = "3.6.5",
        *,
        regions: int = 1,
        balance: bool = False,
        clock: Callable[[], float] = time.time,
        counts_refused: bool = True,
    ) -> None:
        major, minor = re.findall(r"\d+", version)[:2]
        self.version = version
        self.regions = regions
        self.shows_regions = True  # those who are no administrators see none
        self.balance = balance
        self.clock = clock
        self.storage = Storage((int(major), int(minor)), regions, counts_refused=counts_refused)
        self.keys = {ADMIN_KEY: True, USER_KEY: False}
        self.users = {True: User("h2admin", admin=True), False: User("h2user", admin=False)}
        self.nodes = FakeMachines(clock)
        self.nodes.series = lambda: [one.name for one in self.resources.values()]
        self.nonces: set[str] = set()
        self.architectures = ["amd64/generic"]
        self.resources: dict[int, Resource] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.synchronizes = True
        self.today = "20261123"
        self._next_id = 46
        self._puts = 0

    def puts(self) -> int:
        """How many PUTs arrived."""
        return sum(1 for method, _path in self.requests if method == "PUT")

    def fault(self, method: str, path: str) -> str | None:
        """The fault that hits this request, if any."""
        hits = [fault.kind for fault in self.faults if fault.hits(method, path)]
        return hits[0] if hits else None

    def content(self, name: str) -> bytes:
        """What region 0 stores as the newest file of an image: what would be deployed."""
        resource = next(entry for entry in self.resources.values() if entry.name == name)
        files = next(files for _version, files in reversed(resource.sets) if files)
        return bytes(self.storage.disk.get((0, files[0].stored.sha256), b""))

    # --- what the interface offers; each returns (status, content type, text)

    def listing(self, kind: str) -> str:
        """GET boot-resources/"""
        if kind not in ("all", "uploaded", "synced"):
            raise ApiError(400, f"'{kind}' is not a valid boot resource type. Available types: ['synced', 'uploaded']")
        return json.dumps(
            [
                self._resource(entry, with_sets=False)
                for entry in self.resources.values()
                if kind in ("all", entry.rtype.lower())
            ]
        )

    def get(self, identifier: int) -> str:
        """GET boot-resources/{id}/"""
        if identifier not in self.resources:
            raise ApiError(404, "No BootResource matches the given query.", "text/plain")
        resource = self.resources[identifier]
        document = json.dumps(self._resource(resource, with_sets=True))
        if self.synchronizes:
            for _version, files in resource.sets:
                for file in files:
                    self.storage.synchronize_one(file.stored)
        return document

    def create(self, fields: dict[str, str]) -> str:
        """POST boot-resources/"""
        self._validate(fields)
        sha256, size = fields["sha256"], int(fields["size"])
        name = fields["name"].removeprefix("custom/")
        resource = next(
            (r for r in self.resources.values() if (r.name, r.architecture) == (name, fields["architecture"])), None
        )
        if any(f.stored.sha256 == sha256 and f.stored.size != size for f in self._files()):
            raise ApiError(400, "File already exists with sha256 that is of different size.")
        if resource is None:
            resource = Resource(self._new_id(), name, fields["architecture"], "")
            self.resources[resource.id] = resource
        resource.title = fields.get("title", "")
        file = File(self._new_id(), _FILES[fields.get("filetype", "tgz")], Stored(sha256, size))
        old = [entry for _version, files in resource.sets for entry in files]
        if not fields.get("keep_old"):
            resource.sets = [(version, []) for version, _files in resource.sets]
        today = [version for version, _files in resource.sets if version.startswith(self.today)]
        resource.sets.append((f"{self.today}.{len(today)}" if today else self.today, [file]))
        self._remove_unshared(old)
        return json.dumps(self._resource(resource, with_sets=True))

    def put(self, resource_id: int, file_id: int, chunk: bytes) -> str:
        """PUT boot-resources/{id}/upload/{file}/"""
        files = {f.id: f for f in self._files()}
        if resource_id not in self.resources or file_id not in files:
            raise ApiError(404, "No BootResource matches the given query.", "text/plain")
        if not chunk:
            raise ApiError(400, "Missing data.")
        region = self._puts % self.regions if self.balance else 0
        self._puts += 1
        try:
            self.storage.append(files[file_id].stored, region, chunk)
        except StorageError as error:
            raise ApiError(400, str(error)) from None
        return "OK"

    def holds_all(self, file_id: int) -> bool:
        """Whether some region has counted every byte of an upload."""
        return any(
            self.storage.count(file.stored, region) == file.stored.size
            for file in self._files()
            if file.id == file_id
            for region in range(self.regions)
        )

    def delete(self, identifier: int) -> None:
        """DELETE boot-resources/{id}/"""
        if identifier not in self.resources:
            raise ApiError(500, "BootResource matching query does not exist.")
        resource = self.resources.pop(identifier)
        self._remove_unshared([file for _version, files in resource.sets for file in files])

    def lose(self, file_id: int) -> None:
        """Remove an upload's bytes from disk, and go on counting them: what 3.8 does when its disk is full."""
        for file in self._files():
            if file.id == file_id:
                self.storage.forget(file.stored.sha256)

    # --- pieces

    def _files(self) -> list[File]:
        return [f for entry in self.resources.values() for _version, files in entry.sets for f in files]

    def _remove_unshared(self, files: list[File]) -> None:
        used = {f.stored.sha256 for f in self._files()}
        for file in files:
            if file.stored.sha256 not in used:
                self.storage.forget(file.stored.sha256)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _resource(self, resource: Resource, *, with_sets: bool) -> dict[str, Any]:
        document: dict[str, Any] = {
            "id": resource.id,
            "type": resource.rtype,
            "name": resource.name,
            "architecture": resource.architecture,
            "resource_uri": f"{_BASE}/boot-resources/{resource.id}/",
            "last_deployed": None,
            "subarches": resource.architecture.partition("/")[2],
            "title": resource.title,
        }
        if with_sets:
            document["sets"] = {
                version: self._set(resource, version, files) for version, files in reversed(resource.sets)
            }
        return document

    def _set(self, resource: Resource, version: str, files: list[File]) -> dict[str, Any]:
        progress = self.storage.progress(files[0].stored) if files else 0.0
        document: dict[str, Any] = {
            "version": version,
            "label": "uploaded",
            "size": sum(f.stored.size for f in files),
            "complete": progress == 100.0,
        }
        if progress != 100.0:
            document["progress"] = progress
        document["files"] = {f.filename: self._file(resource, f) for f in files}
        return document

    def _file(self, resource: Resource, file: File) -> dict[str, Any]:
        progress = self.storage.progress(file.stored)
        document: dict[str, Any] = {
            "filename": file.filename,
            "filetype": file.filename,
            "sha256": file.stored.sha256,
            "size": file.stored.size,
            "complete": progress == 100.0,
        }
        if not self.storage.in_database:
            document["filename_on_disk"] = file.stored.sha256[:7]
        if progress != 100.0:
            count = self.storage.count(file.stored, 0)
            reciprocal = file.stored.size / count if count else 0  # sic, up to 3.4
            document["progress"] = reciprocal if self.storage.in_database else progress
            document["upload_uri"] = f"{_BASE}/boot-resources/{resource.id}/upload/{file.id}/"
        return document

    def _validate(self, fields: dict[str, str]) -> None:
        def refuse(document: dict[str, list[str]]) -> ApiError:
            return ApiError(400, json.dumps(document), "application/json; charset=utf-8")

        name = fields.get("name", "")
        missing = {key: ["This field is required."] for key in ("name", "sha256", "size") if not fields.get(key)}
        if missing:
            raise refuse(missing)
        if name.count("/") > 1:
            raise ApiError(500, "too many values to unpack (expected 2)")
        system = name.partition("/")[0]
        if "/" in name and system not in _SYSTEMS:
            raise refuse({"name": [f"Unsupport operating system {system}, supported operating systems: {_SYSTEMS}"]})
        if name in _SYSTEMS or re.search(r"^centos\d\d?$", name):
            raise refuse({"name": [f"{name} is a reserved name"]})
        if fields.get("architecture") not in self.architectures:
            choices = ", ".join(f"'{entry}'" for entry in self.architectures)
            text = f"'{fields.get('architecture')}' is not a valid architecture.  It should be one of: {choices}."
            raise refuse({"architecture": [text]})
        if fields.get("filetype", "tgz") not in _FILES:
            text = f"Select a valid choice. {fields['filetype']} is not one of the available choices."
            raise refuse({"filetype": [text]})
        length = len(fields["sha256"])
        if length < 64:
            raise refuse({"sha256": [f"Ensure this value has at least 64 characters (it has {length})."]})

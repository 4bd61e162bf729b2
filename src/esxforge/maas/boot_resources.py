"""MAAS's images ("boot resources") as data, and the requests that read and change them.

Source: canonical/maas ``src/maasserver/api/boot_resources.py`` and ``src/maasserver/forms/__init__.py``
(BootResourceForm), read at 2.5, 3.4, 3.5, 3.6, 3.7.3 and on the way to 3.8.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from esxforge.errors import MaasError
from esxforge.maas.checked import CheckedAnswer, checked
from esxforge.maas.client import Client
from esxforge.maas.failures import RefusedError, TransientError
from esxforge_target.runtime.documents import LARGEST_SIZE

FILETYPE = "ddgz"
STORED_FILETYPE = "root-dd.gz"
_Text = Annotated[str, Field(max_length=4096)]
_Version = Annotated[str, Field(max_length=64)]
_Size = Annotated[int, Field(ge=0, le=LARGEST_SIZE)]
_UPLOAD_URI = re.compile(r"/api/2\.0/(boot-resources/\d+/upload/\d+/)$")


class ResourceFile(CheckedAnswer):
    """One file of a set. ``size`` in bytes is its final size. ``upload_uri`` is there until it is complete.

    Its ``progress`` is left out on purpose: up to MAAS 3.4 it is the reciprocal of what it should be.
    """

    filename: _Text
    filetype: _Text
    sha256: _Text
    size: _Size
    complete: bool
    upload_uri: _Text | None = None

    @property
    def upload_path(self) -> str:
        """Path for chunks, below ``/api/2.0/``. Only the path is taken from the answer, never a host."""
        match = _UPLOAD_URI.search(self.upload_uri or "")
        if match is None:
            raise MaasError("MAAS gives no place to upload this image to.", "esxforge images list shows what it has.")
        return match[1]


class ResourceSet(CheckedAnswer):
    """One version of an image. ``progress`` is in percent, over all regions; None once it is complete."""

    version: _Version
    size: _Size
    complete: bool
    progress: float | None = None
    files: dict[_Text, ResourceFile]


class BootResource(CheckedAnswer):
    """An image. ``sets`` is empty in lists, where MAAS omits it; of one image it must be there."""

    id: _Size
    type: _Text
    name: _Text
    architecture: _Text
    title: _Text | None = None
    last_deployed: _Text | None = None
    sets: dict[_Version, ResourceSet] = Field(default_factory=dict)

    @property
    def newest(self) -> ResourceSet | None:
        """Newest set that still has files: MAAS keeps older ones listed, emptied."""
        filled = [entry for entry in self.sets.values() if entry.files]
        return max(filled, key=lambda entry: version_order(entry.version), default=None)

    def holds(self, sha256: str) -> bool:
        """Return whether any set has a file, complete or not, of these bytes."""
        return any(file.sha256 == sha256 for entry in self.sets.values() for file in entry.files.values())


def version_order(version: str) -> tuple[str, int]:
    """Return the sort key of sets: the date, then the number after it. ``20261123.10`` comes after ``20261123.9``."""
    date, _, index = version.partition(".")
    return date, int(index) if index.isdecimal() else 0


class BootResources:
    """The images of one MAAS. Reading is repeated on transient failures; requests that change things are sent once."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, kind: str = "uploaded") -> list[BootResource]:
        """Return images without their sets; ``kind`` is ``uploaded``, ``synced`` or ``all``."""
        query = None if kind == "all" else {"type": kind}
        answer = self._client.patiently(lambda: self._client.json("GET", "boot-resources/", query=query))
        return checked(TypeAdapter(list[BootResource]), answer, "boot-resources")

    def get(self, identifier: int) -> BootResource | None:
        """Return one image with its sets, or None if MAAS has none of this number."""
        try:
            answer = self._client.patiently(lambda: self._client.json("GET", f"boot-resources/{identifier}/"))
        except RefusedError as error:
            if error.status == 404:
                return None
            raise
        return _with_sets(answer)

    def create(self, *, name: str, title: str, architecture: str, sha256: str, size: int) -> BootResource:
        """Announce an image, sent once; images in MAAS under this name and architecture lose their files."""
        fields = {
            "name": name,
            "title": title,
            "architecture": architecture,
            "filetype": FILETYPE,
            "sha256": sha256,
            "size": str(size),
        }
        return _with_sets(self._client.json("POST", "boot-resources/", fields=fields))

    def put(self, upload_path: str, chunk: bytes) -> None:
        """Append a chunk, sent once. MAAS appends to what it has: there is no offset in the request."""
        self._client.request("PUT", upload_path, content=chunk)

    def delete(self, identifier: int) -> bool:
        """Delete an image; return False if MAAS has none of this number. After a lost answer, look again."""
        count = 0
        while True:
            try:
                self._client.request("DELETE", f"boot-resources/{identifier}/")
            except TransientError as error:  # noqa: PERF203 - to try again is what this loop is for
                count += 1
                self._client.pause(count, error)
                if self.get(identifier) is None:
                    return True
            except RefusedError as error:
                # MAAS answers 500 for an image that is not there (seen with 3.6.5).
                if error.status == 404 or "does not exist" in error.answer:
                    return False
                raise
            else:
                return True


def _with_sets(answer: Any) -> BootResource:
    """Return one image. Without its sets its contents are unknown, not empty."""
    resource = checked(TypeAdapter(BootResource), answer, "boot-resource")
    if "sets" not in resource.model_fields_set:
        raise MaasError(
            f"MAAS's answer “boot-resource” has no sets, so it is not known what it holds of {resource.name}.",
            "Is a proxy in between that changes answers? esxforge images list shows what MAAS holds.",
        )
    return resource

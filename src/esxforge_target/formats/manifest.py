"""The manifest inside an image: the locations of its contents on the disk, for checks by whoever finds the disk.

One file of fixed length: a first line, a JSON document, blanks to the end. The first line is
``ESXFORGE-MANIFEST 1 <bytes of JSON, 10 digits> <SHA-256 of the JSON, hexadecimal>``. The length depends on names and
numbers only, not on hashes, so that its place is known before the content has passed.
"""

import hashlib
import json
import re
from typing import Any, Dict, List, Optional

from esxforge_target.runtime.documents import (
    ANYTHING,
    LARGEST_SIZE,
    SIZE,
    TEXT,
    TEXTS,
    TRUTH,
    Record,
    Shape,
    parse_document,
)
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

MANIFEST_PATH = "curtin/manifest.bin"
NO_HASH = "0" * 64
_FIRST_LINE = "ESXFORGE-MANIFEST 1 {:010d} {}\n"
_FIRST_LINE_PATTERN = re.compile(rb"ESXFORGE-MANIFEST (\d+) (\d{10}) ([0-9a-f]{64})\n")
_FIRST_LINE_BYTES = len(_FIRST_LINE.format(0, NO_HASH))
_GRAIN_BYTES = 4096
LARGEST_MANIFEST_BYTES = 16 << 20
GOLDEN = "golden"
SECURE_BOOT = "secure_boot"
_SHA256 = Shape(str, form=(re.compile(r"\A[0-9a-f]{64}\Z"), "a SHA-256 in hexadecimal"))
_WORD = Shape(str, high=64)
_NAME = Shape(str, low=1, high=255)
_PLACE = {"path": Shape(str, low=1, high=1024), "offset": SIZE, "length": SIZE, "sha256": _SHA256}
_GOLDEN = {
    "firmware": Shape(str, many=True, choices=("UEFI", "BIOS")),
    "renewed_volumes": Shape(int, many=True, low=1, high=128),
    "structures": Shape(Record(_PLACE), many=True),
    "build": TEXT,
    "life": _WORD,
    "boot_bank": Shape(int, low=1, high=128),
    "shared_by_all_hosts": TEXTS,
    "bios": Shape(
        Record(
            {
                "starts": TRUTH,
                "reason": TEXT,
                "boot_code": _WORD,
                "partition": Shape(int, high=128),
            },
            rest=ANYTHING,
        ),
        absent=True,
    ),
}
_HEXADECIMAL = (re.compile(r"\A([0-9a-f]{2})+\Z"), "hexadecimal digits")
_SECURE_BOOT = {
    "problem": Shape(str, absent=True),
    "path": Shape(str, absent=True, low=1, high=1024),
    "hashes": Shape(Record({}, rest=Shape(str, form=_HEXADECIMAL, high=128)), absent=True),
    "signatures": Shape(
        Record({"issuer": TEXT, "certificates": Shape(str, many=True, low=2, high=1 << 17, form=_HEXADECIMAL)}),
        many=True,
        absent=True,
    ),
    "modules": Shape(str, many=True, absent=True, low=1, high=1024),
}
_DETAILS = {
    "tool": Shape(Record({"name": _WORD, "version": _WORD}, rest=ANYTHING)),
    "iso": Shape(Record({"name": TEXT, "size": SIZE, "sha256": _SHA256}, rest=ANYTHING), absent=True),
    "release": Shape(
        Record(
            {
                "version": Shape(str, low=1, high=64),
                "build": _WORD,
                "update": _WORD,
                "profile": TEXT,
                "vendor": TEXT,
                "source": TEXT,
            },
            rest=ANYTHING,
        )
    ),
    "vibs": Shape(Record({"name": TEXT, "version": TEXT, "vendor": TEXT}, rest=ANYTHING), many=True),
    SECURE_BOOT: Shape(Record(_SECURE_BOOT, rest=ANYTHING), absent=True),
    "add_ons": Shape(
        Record(
            {
                "name": TEXT,
                "version": TEXT,
                "vendor": TEXT,
                "modules": Shape(Record({"path": TEXT, "sha256": _SHA256}, rest=ANYTHING), many=True),
            },
            rest=ANYTHING,
        ),
        many=True,
        absent=True,
    ),
    "recipe": ANYTHING,
    "maas": Shape(Record({"name": _NAME, "title": _NAME}, rest=ANYTHING)),
    GOLDEN: Shape(Record(_GOLDEN, rest=ANYTHING), absent=True),
}
_MANIFEST = Shape(
    Record(
        {
            "kind": _WORD,
            "esxi_version": _WORD,
            "disk": Shape(
                Record(
                    {
                        "guid": _WORD,
                        "raw_size": Shape(int, low=1, high=LARGEST_SIZE),
                        "sector_size": Shape(int, choices=(512, 4096)),
                        "boot_volume": Shape(Record({"offset": SIZE, "length": SIZE})),
                    }
                )
            ),
            "files": Shape(Record(dict(_PLACE, at_deploy=Shape(bool, absent=True))), many=True),
            "details": Shape(Record(_DETAILS, rest=ANYTHING)),
        }
    )
)


class FileRecord(Value):
    """A file of the image: ``offset`` in bytes from the start of the disk, ``length`` in bytes.

    ``at_deploy`` marks a file that the hook rewrites on the host: it agrees with ``sha256`` only until then.
    """

    __slots__ = ("path", "offset", "length", "sha256", "at_deploy")

    def __init__(self, path: str, offset: int, length: int, sha256: str, at_deploy: bool = False) -> None:
        self.path = path
        self.offset = offset
        self.length = length
        self.sha256 = sha256
        self.at_deploy = at_deploy


class Manifest(Value):
    """``raw_size`` is the disk's in bytes, ``partition_offset`` and ``partition_length`` that of the boot volume.

    ``details`` is the rest of the document, for people: tool, ISO, release, VIBs, recipe, names for MAAS.
    """

    __slots__ = (
        "kind", "release", "sector_size", "raw_size", "disk_guid", "partition_offset", "partition_length", "files",
        "details",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        kind: str,
        release: str,
        sector_size: int,
        raw_size: int,
        disk_guid: str,
        partition_offset: int,
        partition_length: int,
        files: "List[FileRecord]",
        details: "Optional[Dict[str, Any]]" = None,
    ) -> None:
        self.kind = kind
        self.release = release
        self.sector_size = sector_size
        self.raw_size = raw_size
        self.disk_guid = disk_guid
        self.partition_offset = partition_offset
        self.partition_length = partition_length
        self.files = files
        self.details = details or {}

    def file(self, path: str) -> "Optional[FileRecord]":
        """Return the record of ``path``, in whatever case; None if there is none."""
        return next((record for record in self.files if record.path.upper() == path.upper()), None)

    def document(self) -> "Dict[str, Any]":
        """The manifest as a JSON document."""
        return {
            "kind": self.kind,
            "esxi_version": self.release,
            "disk": {
                "guid": self.disk_guid,
                "raw_size": self.raw_size,
                "sector_size": self.sector_size,
                "boot_volume": {"offset": self.partition_offset, "length": self.partition_length},
            },
            "files": [_record_document(record) for record in self.files],
            "details": self.details,
        }

    def to_bytes(self, length: int) -> bytes:
        """The file, ``length`` bytes long (see ``length_needed``)."""
        text = json.dumps(self.document(), sort_keys=True, separators=(",", ":")).encode("ascii")
        first = _FIRST_LINE.format(len(text), hashlib.sha256(text).hexdigest()).encode("ascii")
        if len(first) + len(text) > length:
            raise FormatError("The manifest needs {} bytes, {} are there.".format(len(first) + len(text), length))
        return (first + text).ljust(length - 1) + b"\n"

    def length_needed(self) -> int:
        """Bytes for ``to_bytes``, whatever the hashes turn out to be."""
        blank = self.replace(files=[record.replace(sha256=NO_HASH) for record in self.files])
        text = json.dumps(blank.document(), sort_keys=True, separators=(",", ":"))
        return -(-(_FIRST_LINE_BYTES + len(text) + 1) // _GRAIN_BYTES) * _GRAIN_BYTES

    @staticmethod
    def parse(data: bytes) -> "Manifest":
        """Read the file. Raises FormatError when it is not a manifest, not whole, or of a later form."""
        found = _FIRST_LINE_PATTERN.match(data)
        if not found:
            raise FormatError("There is no esxforge manifest where one should be.")
        if found.group(1) != b"1":
            raise FormatError(
                "The manifest has form {}, this version reads form 1.".format(found.group(1).decode("ascii")),
                "Use the esxforge that made the image, or a later one.",
            )
        text = data[found.end() : found.end() + int(found.group(2))]
        if hashlib.sha256(text).hexdigest() != found.group(3).decode("ascii"):
            raise FormatError("The manifest is damaged: its own SHA-256 does not fit.")
        return _manifest(parse_document(text, _MANIFEST, "The manifest", "manifest"))


def _record_document(record: FileRecord) -> "Dict[str, Any]":
    document = {
        "path": record.path,
        "offset": record.offset,
        "length": record.length,
        "sha256": record.sha256,
    }  # type: Dict[str, Any]
    if record.at_deploy:
        document["at_deploy"] = True
    return document


def _manifest(document: "Dict[str, Any]") -> Manifest:
    disk = document["disk"]
    volume = disk["boot_volume"]
    manifest = Manifest(
        kind=document["kind"],
        release=document["esxi_version"],
        sector_size=disk["sector_size"],
        raw_size=disk["raw_size"],
        disk_guid=disk["guid"],
        partition_offset=volume["offset"],
        partition_length=volume["length"],
        files=[FileRecord(**entry) for entry in document["files"]],
        details=document["details"],
    )
    if manifest.kind == GOLDEN and GOLDEN not in manifest.details:
        raise FormatError("The manifest says nothing of the captured disk.")
    structures = manifest.details.get(GOLDEN, {}).get("structures", [])
    for record in manifest.files + [FileRecord(**entry) for entry in structures]:
        if record.offset + record.length > manifest.raw_size:
            raise FormatError("The manifest places {!r} outside the disk.".format(record.path))
    return manifest

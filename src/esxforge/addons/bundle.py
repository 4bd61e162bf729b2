"""An offline bundle (depot): a ZIP archive with VIBs and the metadata that locate them.

Facts (public builders): ``index.xml`` (``<vendorList>``) names each vendor's ``indexfile``, below its ``relativePath``;
that one (``<metaList>``) names, for each product and version, a ``url``: a ZIP archive with ``vibs/*.xml``, the
descriptors with ``relative-path``, ``packed-size`` and SHA-256 of the VIB. ``vmware.xml``, bulletins and profiles say
the same for other programs.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from esxforge.addons.archive import Archive
from esxforge.addons.descriptor import Descriptor, descriptor_of, parse
from esxforge.addons.errors import AGAIN, AddOnError
from esxforge.addons.source import Source
from esxforge.addons.vib import Vib, read_vib
from esxforge.media.xml import MAX_XML_BYTES, text_of
from esxforge_target.runtime.visible import one_line

INDEX = "index.xml"
LARGEST_VIB = 1 << 30
_LARGEST_METADATA = 64 << 20
_MOST_VENDORS, _MOST_METADATA = 100, 300
_MOST_VIBS = 5000
_MOST_XML = 256 << 20


@dataclass(frozen=True, slots=True)
class BundledVib:
    """Metadata of a VIB: ``path`` in the bundle, ``size`` in bytes (None: not given), ``sha256`` or ""."""

    descriptor: Descriptor
    path: str
    size: int | None
    sha256: str


class Bundle:
    """A bundle whose metadata have been read; each VIB is read on request."""

    def __init__(self, source: Source) -> None:
        """Raises :class:`AddOnError` for a file that is not a bundle, is damaged, or lists no VIB."""
        self._archive = Archive(source)
        self._name = source.name
        self._described = self._xml_bytes = 0
        if INDEX not in self._archive.files:
            raise AddOnError(
                f"{source.name} is a ZIP archive, but not an offline bundle: it has no {INDEX}.",
                "Vendors often pack the bundle into another ZIP archive: unpack that, and name the one inside.",
            )
        found: dict[str, BundledVib] = {}
        for path in self._metadata():
            for one in self._listed(path):
                known = found.setdefault(one.path, one)
                if known != one:
                    raise AddOnError(f"{source.name} is damaged: it says two things of {one.path}.", AGAIN)
        if not found:
            raise AddOnError(f"{source.name} is damaged: its metadata list no VIB.", AGAIN)
        self.vibs = tuple(sorted(found.values(), key=lambda one: (one.descriptor.name, one.descriptor.vib_id)))

    def read(self, listed: BundledVib) -> Vib:
        """Read the VIB. Raises :class:`AddOnError` if it is damaged or does not match the metadata."""
        source = self._archive.source(listed.path, LARGEST_VIB)
        vib = read_vib(source)
        problems = []
        if vib.descriptor.vib_id != listed.descriptor.vib_id:
            problems.append(f"it is {vib.descriptor.vib_id}, and the metadata say {listed.descriptor.vib_id}")
        if listed.size not in (None, source.length):
            problems.append(f"it has {source.length} bytes, and the metadata say {listed.size}")
        if listed.sha256 not in ("", vib.sha256):
            problems.append("it has another SHA-256 than the metadata say")
        if problems:
            raise AddOnError(f"{source.name} is damaged: {'; '.join(problems)}.", AGAIN)
        return vib

    def _xml(self, path: str, root: str) -> Element:
        return parse(self._archive.read(path, MAX_XML_BYTES), f"{self._name}: {path}", root)

    def _metadata(self) -> list[str]:
        """Paths of the archives with metadata, each once."""
        vendors = self._xml(INDEX, "vendorList").findall("vendor")
        if len(vendors) > _MOST_VENDORS:
            raise AddOnError(f"{self._name}: {INDEX} names {len(vendors)} vendors, more than a bundle ever has.", AGAIN)
        places = [(text_of(one.find("relativePath")), text_of(one.find("indexfile"))) for one in vendors]
        found: set[str] = set()
        for path in sorted({self._inside(directory, index) for directory, index in places if index}):
            for one in self._xml(path, "metaList").findall("metadata"):
                url = text_of(one.find("url"))
                if url:
                    found.add(self._inside(posixpath.dirname(path), url))
            if len(found) > _MOST_METADATA:
                raise AddOnError(f"{self._name} has more than {_MOST_METADATA} archives of metadata.", AGAIN)
        if not found:
            raise AddOnError(f"{self._name} is damaged: {INDEX} does not lead to metadata.", AGAIN)
        return sorted(found)

    def _listed(self, path: str) -> list[BundledVib]:
        archive = Archive(self._archive.source(path, _LARGEST_METADATA))
        descriptors = [name for name in archive.files if re.fullmatch(r"vibs/[^/]+\.xml", name)]
        self._described += len(descriptors)
        self._xml_bytes += sum(archive.files[name].file_size for name in descriptors)
        if self._described > _MOST_VIBS or self._xml_bytes > _MOST_XML:
            raise AddOnError(
                f"{self._name} describes {self._described} VIBs in {self._xml_bytes} bytes, more than a bundle ever "
                "has.",
                AGAIN,
            )
        directory = posixpath.dirname(path)
        return [
            self._one(archive.read(name, MAX_XML_BYTES), f"{self._name}: {path}: {name}", directory)
            for name in descriptors
        ]

    def _one(self, data: bytes, where: str, directory: str) -> BundledVib:
        root = parse(data, where, "vib")
        place, size = text_of(root.find("relative-path")), text_of(root.find("packed-size"))
        if not place:
            raise AddOnError(f"{where} does not say where the VIB is: it has no relative-path.", AGAIN)
        if size and not re.fullmatch("[0-9]{1,12}", size):
            raise AddOnError(f"{where}: packed-size is {size[:40]!r}.", AGAIN)
        sums = [
            text_of(one).lower()
            for one in root.findall("checksum")
            if one.get("checksum-type", "").lower() == "sha-256" and not one.get("verify-process")
        ]
        # Relative to the metadata, as in a depot of several vendors; otherwise to the root.
        found = self._inside(directory, place)
        if found not in self._archive.files:
            found = self._inside("", place)
        return BundledVib(descriptor_of(root, where), found, int(size) if size else None, sums[0] if sums else "")

    def _inside(self, directory: str, name: str) -> str:
        """Return a path in this archive. Raises :class:`AddOnError` if it leads outside it, or to another computer."""
        path = posixpath.normpath(posixpath.join(directory, name))
        if "://" in name or path.startswith(("/", "..")):
            raise AddOnError(f"{self._name} refers to {one_line(name)[:200]!r}, which is not in it.", AGAIN)
        return path

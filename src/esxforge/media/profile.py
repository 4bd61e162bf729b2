"""The image profile of an ISO, ``UPGRADE/PROFILE.XML``: its name, who made it, and the VIBs it holds.

Facts: an ``<imageprofile>`` has ``<name>``, ``<creator>`` and a ``<viblist>`` of ``<vib>``; each VIB has a
``<vib-id>``, ``VENDOR_KIND_NAME_VERSION`` (kind: bootbank or locker), and its payloads, the module files. They are
found at any depth, since releases differ in what surrounds them.
"""

from __future__ import annotations

from dataclasses import dataclass

from esxforge.media.xml import parse_xml, text_of


@dataclass(frozen=True, slots=True)
class Vib:
    """One VIB (vSphere installation bundle). ``kind`` is "bootbank", "locker" or ""; ``files`` are its module files."""

    name: str
    version: str
    vendor: str
    kind: str
    vib_id: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageProfile:
    """``acceptance_level`` as the profile says it, for example "partner"."""

    name: str
    vendor: str
    acceptance_level: str
    vibs: tuple[Vib, ...]

    def vib(self, name: str) -> Vib | None:
        """The VIB of that name."""
        return next((vib for vib in self.vibs if vib.name == name), None)


def parse_profile(data: bytes, where: str) -> ImageProfile:
    """Read an image profile; ``where`` names the file in errors. Raises :class:`MediaError` if it is not XML."""
    root = parse_xml(data, where)
    vibs = []
    for element in root.iter("vib"):
        vib_id = text_of(element.find("vib-id"))
        if vib_id:
            files = tuple(filter(None, (text_of(payload) for payload in element.iter("payload"))))
            vibs.append(_vib(vib_id, files))
    return ImageProfile(
        name=text_of(root.find("name")),
        vendor=text_of(root.find("creator")),
        acceptance_level=text_of(root.find("acceptancelevel")),
        vibs=tuple(sorted(vibs, key=lambda vib: (vib.name, vib.vib_id))),
    )


def _vib(vib_id: str, files: tuple[str, ...]) -> Vib:
    """A name may hold underscores; vendor, kind and version do not."""
    before, _, version = vib_id.rpartition("_")
    parts = before.split("_", 2)
    if len(parts) != 3:
        return Vib(vib_id, "", "", "", vib_id, files)
    vendor, kind, name = parts
    return Vib(name, version, vendor, kind, vib_id, files)

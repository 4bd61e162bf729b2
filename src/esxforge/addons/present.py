"""The VIBs that the ISO installs, with what they provide and exclude as far as the ISO says.

The image profile only names the VIBs. What they provide is in their descriptors, which ESXi keeps in ``imgdb.tgz``
(``var/db/esximg/vibs/*.xml``; VMware's upgrade check reads them there). If that cannot be read, it is unknown.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from esxforge.addons.descriptor import Descriptor, parse_descriptor
from esxforge.addons.errors import AddOnError
from esxforge.addons.source import Source
from esxforge.errors import FormatError
from esxforge.media.installer import InstallerMedia
from esxforge_target.esxi.release import Release
from esxforge_target.formats.tar_module import FILE, read_tar

BASE = "esx-base"
"""The VIB that only ESXi itself has."""
DATABASE = "IMGDB.TGZ"
_LARGEST_DATABASE = 8 << 20
_LARGEST_UNZIPPED = 128 << 20
_ENTRY = re.compile(r"(\./)?var/db/esximg/vibs/[^/]+\.xml")
# Bytes of a boot bank: 6.x; from 7.0 on the largest (boot disks of 32 GB and more) and the smallest.
BANKS_OF_6 = (249 << 20, 249 << 20)
BANKS_FROM_7 = (4095 << 20, 499 << 20)
# Modules that only the installer needs, or that go elsewhere.
_NOT_IN_BANK = frozenset(("TOOLS.T00", "IMGPAYLD.TGZ", "RESVIBS.TGZ", "ESXIODPT.TGZ"))


@dataclass(frozen=True, slots=True)
class PresentVib:
    """A VIB of the ISO. ``version`` may be ""."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Present:
    """``release`` is the version ("8.0.3"); ``descriptors`` is None if it is unknown what the VIBs provide.

    ``modules``: names of kernel and modules in upper case; ``in_bank``: bytes that they take in a boot bank; ``banks``:
    largest and smallest size of a bank in bytes, depending on the host's disk.
    """

    release: str
    vibs: tuple[PresentVib, ...]
    descriptors: tuple[Descriptor, ...] | None
    modules: frozenset[str]
    in_bank: int
    banks: tuple[int, int]

    def version_of(self, name: str) -> str | None:
        """Return the version of the VIB of that name; None if the ISO has none."""
        return next((vib.version for vib in self.vibs if vib.name == name), None)


def present_of(media: InstallerMedia) -> Present:
    """Return the VIBs and modules of an ISO."""
    loaded = [path.rpartition("/")[2] for path in media.loaded]
    sizes = {path: found.size for path in media.loaded if (found := media.find(path)) is not None}
    return Present(
        release=media.release.version,
        vibs=tuple(PresentVib(vib.name, vib.version) for vib in media.vibs),
        descriptors=_descriptors(media),
        modules=frozenset(name.upper() for name in loaded),
        in_bank=sum(size for path, size in sizes.items() if path.rpartition("/")[2].upper() not in _NOT_IN_BANK),
        banks=BANKS_OF_6 if Release.parse(media.release.version).major < 7 else BANKS_FROM_7,
    )


def _descriptors(media: InstallerMedia) -> tuple[Descriptor, ...] | None:
    """Return the descriptors in the database; None if it lacks one for any VIB of the profile."""
    file = media.find(DATABASE)
    if file is None or file.size > _LARGEST_DATABASE:
        return None
    source = Source(DATABASE, file.content.path, file.content.offset, file.content.length)
    inflate = zlib.decompressobj(wbits=31)
    try:
        tar = inflate.decompress(source.read(), _LARGEST_UNZIPPED)
        if not inflate.eof:
            return None
        entries = [one for one in read_tar(tar) if one.kind == FILE and _ENTRY.fullmatch(one.name)]
        found = tuple(parse_descriptor(one.data, f"{DATABASE}: {one.name}") for one in entries)
    except (AddOnError, FormatError, zlib.error):
        return None
    names = {one.name for one in found}
    return found if found and all(vib.name in names for vib in media.vibs) else None

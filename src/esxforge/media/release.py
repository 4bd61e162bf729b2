"""The ESXi release that an ISO installs: version, build, update name, and their source file.

The sources, best first: ``UPGRADE/METADATA.XML`` (``<esxVersion>``, ``<build>``), the ``esx-base`` VIB of
``UPGRADE/PROFILE.XML``, ``build=`` of boot.cfg (empty up to 6.7), and finally the names of the boot files:
``TBOOT.B00`` is 6.5 or older, ``B.B00`` 6.7 or newer.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from esxforge.media.profile import ImageProfile
from esxforge.media.xml import parse_xml, text_of

METADATA = "UPGRADE/METADATA.XML"
PROFILE = "UPGRADE/PROFILE.XML"

# Names of releases whose profile and volume name do not contain them. Source: VMware KB 2143832 (build numbers).
_UPDATES = {
    "5969303": "6.5U1",
    "8294253": "6.5U2",
    "13932383": "6.5U3",
    "10302608": "6.7U1",
    "13006603": "6.7U2",
    "14320388": "6.7U3",
    "15160138": "6.7U3b",
    "16324942": "7.0b",
    "19482537": "7.0U3d",
    "20328353": "7.0U3g",
    "20842819": "8.0a",
    "21203435": "8.0b",
    "21493926": "8.0c",
    "24569005": "8.0e",
    "21495797": "8.0U1",
    "21813344": "8.0U1a",
    "22088125": "8.0U1c",
    "22380479": "8.0U2",
    "23305546": "8.0U2b",
    "23825572": "8.0U2c",
    "24585300": "8.0U2d",
    "24022510": "8.0U3",
    "24280767": "8.0U3b",
    "24414501": "8.0U3c",
    "24585383": "8.0U3d",
    "24674464": "8.0U3e",
}
_VERSION = re.compile(r"([0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2})(?:\.[0-9]+)?")
# build= of boot.cfg and versions of VIBs: 8.0.3-0.35.24280767, 9.1.1.0-25714478
_VERSION_AND_BUILD = re.compile(_VERSION.pattern + r"-(?:[0-9.]*\.)?([0-9]{5,9})")
# ESXi-8.0U3e-24674464-standard, ESXi-7.0b-…, ESXi-7U3d; in volume names all is upper case
_UPDATE_SHORT = re.compile(r"(?<![0-9.])([0-9])(?:\.([0-9]))?(U[0-9]{1,2}[a-z]?|[a-z])(?![0-9a-z])", re.IGNORECASE)
# HPE-ESXi-7.0.3-Update3-iso-…, VMware-ESXi-6.5.0-Update2-…
_UPDATE_LONG = re.compile(
    r"(?<![0-9.])([0-9])\.([0-9])(?:\.[0-9]+)?[-_. ]?Update[-_ ]?0?([0-9]{1,2})([a-z]?)(?![0-9a-z])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class MediaRelease:
    """The release that an ISO installs.

    ``version`` "8.0.3" ("6.5" or "6.7" if only file names were available: then "or older", "or newer"), ``build``
    "24674464" or "", ``update`` "8.0U3e" or "" (a first release, or unknown), ``profile`` the image profile's name or
    "", ``vendor`` of the profile or "", ``title`` of boot.cfg, ``source`` the file with version and build.
    """

    version: str
    build: str
    update: str
    profile: str
    vendor: str
    title: str
    source: str

    @property
    def name(self) -> str:
        """Short name for people: "8.0U3e (build 24674464)"."""
        name = self.update or self.version
        return f"{name} (build {self.build})" if self.build else name


def release_of(
    *,
    metadata: bytes | None,
    profile: ImageProfile | None,
    builds: Collection[tuple[str, str]],
    title: str,
    names: Collection[str],
    volume_id: str,
) -> MediaRelease:
    """Find the release. ``builds`` are (path of a boot.cfg, its ``build=``); ``names`` all paths, upper case.

    Raises :class:`MediaError` if ``metadata`` is not XML.
    """
    version, build, source = _version(metadata, profile, builds, names)
    told = [profile.name if profile else "", volume_id]
    return MediaRelease(
        version=version,
        build=build,
        update=_update(version, build, told),
        profile=profile.name if profile else "",
        vendor=profile.vendor if profile else "",
        title=title,
        source=source,
    )


def version_and_build(text: str) -> tuple[str, str] | None:
    """Return ("8.0.3", "24280767") for ``8.0.3-0.35.24280767``, None for anything else."""
    match = _VERSION_AND_BUILD.fullmatch(text.strip())
    return (match[1], match[2]) if match else None


def _version(
    metadata: bytes | None,
    profile: ImageProfile | None,
    builds: Collection[tuple[str, str]],
    names: Collection[str],
) -> tuple[str, str, str]:
    if metadata is not None:
        found = _metadata_version(metadata)
        if found is not None:
            return (*found, METADATA)
    base = profile.vib("esx-base") if profile else None
    if base is not None:
        found = version_and_build(base.version)
        if found is not None:
            return (*found, PROFILE)
    for path, build in builds:
        found = version_and_build(build)
        if found is not None:
            return (*found, path)
    if "TBOOT.B00" in names:
        return ("6.5", "", "file names (TBOOT.B00: 6.5 or older)")
    return ("6.7", "", "file names (B.B00: 6.7 or newer)")


def _metadata_version(metadata: bytes) -> tuple[str, str] | None:
    root = parse_xml(metadata, METADATA)
    match = _VERSION.fullmatch(text_of(next(root.iter("esxVersion"), None)))
    if match is None:
        return None
    build = next((text for text in map(text_of, root.iter("build")) if re.fullmatch("[0-9]{5,9}", text)), "")
    return (match[1], build)


def _update(version: str, build: str, told: Collection[str]) -> str:
    """Return the update's name: from the profile's or the volume's name, else by the build, else from the version."""
    major, minor, *third = version.split(".")
    for text in told:
        for pattern in (_UPDATE_SHORT, _UPDATE_LONG):
            for match in pattern.finditer(text):
                if match[1] != major or match[2] not in (minor, None):
                    continue
                if match[2] is None and len(match[3]) == 1:  # "7d" could be anything
                    continue
                if pattern is _UPDATE_LONG:
                    return f"{major}.{minor}U{match[3]}{match[4].lower()}"
                suffix = match[3].lower()
                return f"{major}.{minor}{'U' + suffix[1:] if suffix[0] == 'u' and len(suffix) > 1 else suffix}"
    if build in _UPDATES:
        return _UPDATES[build]
    # 7.0 and 8.0 count updates in the third place of the version; 6.x and 9.x do not.
    if (major, minor) in (("7", "0"), ("8", "0")) and third and third[0] != "0":
        return f"{major}.{minor}U{third[0]}"
    return ""

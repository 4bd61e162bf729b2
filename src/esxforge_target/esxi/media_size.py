"""Size of ESXi's own part of the boot disk, so that the datastore that MAAS asks for fits behind it.

VMware's sizes for ``systemMediaSize`` (KB 81166): min 33 GB, small 69 GB, default 138 GB, max all of the disk; the
installer takes it from 7.0 Update 1c on, and 9.1's pages have default and max only. Before,
``autoPartitionOSDataSize`` (7.0, in MiB) limits the OSDATA partition alone; the EFI system partition and the two boot
banks come on top. ESXi 6.x keeps about 7.5 GiB in any case.
"""

from typing import List, Optional, Tuple

from esxforge_target.esxi.release import Release
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.values import Value

GIBIBYTE = 1 << 30
KEPT = {"min": 33 * GIBIBYTE, "small": 69 * GIBIBYTE, "default": 138 * GIBIBYTE}
_KEPT_BY_6 = 15 * GIBIBYTE // 2
_BANKS = 8 * GIBIBYTE + 100 * (1 << 20)
# MAAS asks for what its own estimate of ESXi's sizes leaves; such a difference may come from that estimate.
MAY_BE_MISSING = 2 * GIBIBYTE
SMALLEST_DISK = {6: GIBIBYTE}
_SMALLEST_DISK_FROM_7 = 8 * 10**9
_ADVISED_FROM_7 = 32 * 10**9


class MediaSize(Value):
    """``name`` is the size chosen, ``options`` are the kernel options that request it, ``reason`` is for people."""

    __slots__ = ("name", "options", "reason")

    def __init__(self, name: str, options: "List[str]", reason: str) -> None:
        self.name = name
        self.options = list(options)
        self.reason = reason


def smallest_disk(release: Release) -> int:
    """Return the bytes that a boot disk must have (VMware's pages on requirements)."""
    return SMALLEST_DISK.get(release.major, _SMALLEST_DISK_FROM_7)


def advised_disk(release: Release) -> int:
    """Return the bytes below which VMware advises against a boot disk."""
    return 0 if release.major < 7 else _ADVISED_FROM_7


def choose(asked: str, release: Release, disk: int, datastore: "Optional[int]") -> MediaSize:
    """Return the size for a boot disk of ``disk`` bytes that shall carry ``datastore`` bytes of VMFS (None: no wish).

    ``asked`` is the recipe's word; with "auto" the largest that leaves the datastore, else "min". Raises ForgeError
    with the figures where more than 2 GiB of the datastore would be missing.
    """
    if release.major < 7:
        _check("ESXi {}".format(release), _KEPT_BY_6, disk, datastore)
        return MediaSize("fixed", [], "ESXi {} keeps a fixed part of the boot disk".format(release))
    known = sizes_of(release)
    if asked != "auto" and asked not in known:
        raise ForgeError(
            "ESXi {} has no systemMediaSize={}.".format(release, asked),
            "Build the image with system_media_size = {}.".format(" or ".join('"{}"'.format(name) for name in known)),
        )
    if asked == "auto" and "min" not in known:
        name, reason = "default", "ESXi {} has no smaller size".format(release)
    elif asked == "auto":
        name, reason = _largest(disk, datastore)
    else:
        name, reason = asked, "the recipe says so"
    _check("systemMediaSize={}".format(name), KEPT.get(name, disk), disk, datastore)
    return MediaSize(name, _options(name, release), reason)


def sizes_of(release: Release) -> "Tuple[str, ...]":
    """Return the values of systemMediaSize, the smallest first."""
    return ("default", "max") if release.numbers >= (9, 1) else ("min", "small", "default", "max")


def _largest(disk: int, datastore: "Optional[int]") -> "Tuple[str, str]":
    if datastore is None:
        return "default", "MAAS asks for no size of a datastore on the boot disk"
    for name in ("default", "small"):
        if disk - KEPT[name] >= datastore:
            return name, "it is the largest that leaves the datastore its {} bytes".format(datastore)
    return "min", "the datastore asked for leaves no room for more"


def _check(what: str, kept: int, disk: int, datastore: "Optional[int]") -> None:
    left = max(0, disk - kept)
    if datastore is not None and datastore - left > MAY_BE_MISSING:
        raise ForgeError(
            "The boot disk has {} bytes, of which ESXi keeps about {} ({}): {} are left, but MAAS asks for a datastore "
            "of {}.".format(disk, min(kept, disk), what, left, datastore),
            "Make the datastore smaller in MAAS, choose a larger boot disk, or build with a smaller system_media_size.",
        )


def _options(name: str, release: Release) -> "List[str]":
    if name == "default":
        return []
    words = []
    if release.knows_media_size or not _build_decides_not(release):
        words.append("systemMediaSize=" + name)
    if not release.knows_media_size and name in KEPT:
        words.append("autoPartitionOSDataSize={}".format((KEPT[name] - _BANKS) >> 20))
    return words


def _build_decides_not(release: Release) -> bool:
    """Return whether it is certain that systemMediaSize is not known; of 7.0.1 without a build it is not certain."""
    return release.numbers[:3] != (7, 0, 1) or release.build != 0

"""A file that somebody named: a VIB or a bundle, and of that the VIBs that were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from esxforge.addons import ar, archive
from esxforge.addons.bundle import Bundle, BundledVib
from esxforge.addons.errors import AddOnError
from esxforge.addons.present import BASE
from esxforge.addons.source import of_file
from esxforge.addons.vib import Vib, read_vib
from esxforge.local.reading import LARGEST_DISK, open_regular

_NAME_ONE = "Name a .vib file, or an offline bundle (.zip)."


def is_add_on(path: Path) -> bool:
    """Return whether a file begins as a VIB or a ZIP archive. Raises :class:`InputError` if it cannot be read."""
    return _start(path).startswith((ar.MAGIC, archive.MAGIC))


def read_add_on(path: Path, chosen: Sequence[str] = ()) -> list[Vib]:
    """The VIBs of a file, each read to its last byte.

    ``chosen`` are names of VIBs of a bundle, or NAME:VERSION; none: all of them. Raises :class:`AddOnError`, and
    :class:`InputError` where the file cannot be read.
    """
    start = _start(path)
    if start.startswith(ar.MAGIC):
        if chosen:
            raise AddOnError(f"{path} is one VIB, and none can be chosen of it.", "Leave the names of VIBs out.")
        return [read_vib(of_file(path))]
    if not start.startswith(archive.MAGIC):
        raise AddOnError(f"{path} is neither a VIB nor an offline bundle.", _NAME_ONE)
    bundle = Bundle(of_file(path))
    return [bundle.read(one) for one in _choose(bundle, path, chosen)]


def open_bundle(path: Path) -> Bundle | None:
    """The bundle at ``path``, or None: it is a VIB. Raises as :func:`read_add_on`."""
    return Bundle(of_file(path)) if _start(path).startswith(archive.MAGIC) else None


def _start(path: Path) -> bytes:
    with open_regular(path, largest=LARGEST_DISK) as stream:
        return stream.read(8)


def _choose(bundle: Bundle, path: Path, chosen: Sequence[str]) -> list[BundledVib]:
    if not chosen:
        if any(one.descriptor.name == BASE for one in bundle.vibs):
            raise AddOnError(
                f"{path} is a depot of ESXi itself ({BASE} is in it), not of drivers for it.",
                "Choose VIBs of it by name, or build from an ISO of that release.",
            )
        return list(bundle.vibs)
    found, unknown = [], []
    for word in dict.fromkeys(chosen):
        name, _, version = word.partition(":")
        fitting = [one for one in bundle.vibs if one.descriptor.name == name]
        fitting = [one for one in fitting if version in ("", one.descriptor.version)]
        unknown += [] if fitting else [word]
        found += fitting
    if unknown:
        names = sorted({one.descriptor.name for one in bundle.vibs})
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        raise AddOnError(f"{path} has no VIB {', '.join(unknown)}.", f"It has {shown}.")
    return found

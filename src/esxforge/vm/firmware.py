"""Finding UEFI firmware for QEMU, and giving each machine a copy of the variables of its own.

Distributions describe their firmware in JSON files (QEMU: docs/interop/firmware.json, which also gives the directories
and how one file hides another); where there are none, the places that well-known distributions use are tried.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from esxforge.errors import FormatError, InputError, OutputError, ProcessError
from esxforge.local.directories import home
from esxforge.local.reading import read_file
from esxforge.vm.hardware import Chipset, Ovmf
from esxforge_target.runtime.documents import ANYTHING, ONE_LINE, TEXT, TEXTS, Record, Shape, parse_document

# ESXi's extra modules are not signed, and a golden build uses one: firmware that enforces Secure Boot is of no use
# there. Where it is asked for, keys are in it already.
_SECURE_FEATURES = {"secure-boot", "enrolled-keys", "requires-smm"}
_INSTALL = "Install it: “ovmf” on Debian and Ubuntu, “edk2-ovmf” on Fedora and Arch, “qemu-ovmf-x86_64” on openSUSE."
_LARGEST_DESCRIPTOR = 1 << 20
# Linux's PATH_MAX, with the byte that ends a path.
_PATH = Shape(str, high=4095, form=ONE_LINE)
_FILE = Shape(Record({"filename": _PATH, "format": Shape(str, choices=("raw", "qcow2"))}, rest=ANYTHING))
_TARGET = Shape(Record({"architecture": TEXT, "machines": TEXTS}, rest=ANYTHING), many=True)
_FLASH = Shape(
    Record(
        {
            "interface-types": TEXTS,
            "features": TEXTS,
            "targets": _TARGET,
            "mapping": Shape(
                Record(
                    {
                        "device": Shape(str, choices=("flash",)),
                        "mode": Shape(str, absent=True, choices=("split",)),
                        "executable": _FILE,
                        "nvram-template": _FILE,
                    },
                    rest=ANYTHING,
                )
            ),
        },
        rest=ANYTHING,
    )
)


@dataclass(frozen=True, slots=True)
class FirmwarePlaces:
    """Where firmware is looked for: directories of descriptors, weakest first, and (code, variables) of known
    packages, without Secure Boot and with it."""

    descriptor_directories: tuple[Path, ...]
    known_pairs: tuple[tuple[Path, Path], ...]
    secure_pairs: tuple[tuple[Path, Path], ...] = ()


def default_places() -> FirmwarePlaces:
    """The places that QEMU's specification names, and those of well-known distributions."""
    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or home() / ".config")
    pairs = (
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),  # Debian, Ubuntu
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),  # the same until 22.04
        ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),  # Fedora
        ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),  # Arch
        ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),  # Arch until 2024
        ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),  # openSUSE
        ("/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"),  # QEMU's own build
    )
    secure_pairs = (
        ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),  # Debian, Ubuntu
        ("/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"),  # Fedora
    )
    return FirmwarePlaces(
        (Path("/usr/share/qemu/firmware"), Path("/etc/qemu/firmware"), configuration / "qemu/firmware"),
        tuple((Path(code), Path(variables)) for code, variables in pairs),
        tuple((Path(code), Path(variables)) for code, variables in secure_pairs),
    )


def find_ovmf(chipset: Chipset = Chipset.Q35, places: FirmwarePlaces | None = None) -> Ovmf:
    """The first UEFI firmware without Secure Boot for ``chipset``; ``variables`` is a template, not to be written.

    Raises :class:`ProcessError` when there is none.
    """
    places = places or default_places()
    found = _described(places, chipset, secure=False) or _known(places.known_pairs)
    if found is None:
        raise ProcessError("No UEFI firmware for virtual machines (OVMF) was found.", _INSTALL)
    return found


def find_secure_ovmf(chipset: Chipset = Chipset.Q35, places: FirmwarePlaces | None = None) -> Ovmf:
    """The first UEFI firmware for ``chipset`` with Secure Boot on, and Microsoft's keys or others enrolled.

    ``variables`` is a template. Raises :class:`ProcessError` when there is none.
    """
    places = places or default_places()
    found = _described(places, chipset, secure=True)
    if found is None and chipset is Chipset.Q35:
        found = _known(places.secure_pairs)
    if found is None:
        raise ProcessError(
            f"No UEFI firmware with Secure Boot on was found for the chipset {chipset.value}.",
            f"It needs q35, so ESXi 7.0 or later. {_INSTALL}",
        )
    return replace(found, secure=True)


def _described(places: FirmwarePlaces, chipset: Chipset, *, secure: bool) -> Ovmf | None:
    for descriptor in _descriptors(places.descriptor_directories):
        found = _from_descriptor(descriptor, chipset, secure=secure)
        if found and _is_file(found.code) and _is_file(found.variables):
            return found
    return None


def _known(pairs: Sequence[tuple[Path, Path]]) -> Ovmf | None:
    return next((Ovmf(code, variables) for code, variables in pairs if code.is_file() and variables.is_file()), None)


def private_copy(template: Ovmf, directory: Path) -> Ovmf:
    """``template`` with its variables copied into ``directory``, where the machine may write them.

    Raises :class:`OutputError`.
    """
    own = directory / f"firmware-variables.{template.variables_format}"
    try:
        shutil.copyfile(template.variables, own)
    except OSError as error:  # it names the template alone, though the copy is what has no room
        raise OutputError(
            f"Could not copy {template.variables} to {own}: {error.strerror or error}.",
            "Choose another place for temporary files with TMPDIR.",
            str(own),
        ) from error
    return replace(template, variables=own)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a part of the name that is too long
        return False


def _descriptors(directories: Sequence[Path]) -> list[Any]:
    # A file hides those of the same name in weaker directories; an empty one hides without a replacement.
    by_name: dict[str, Path] = {}
    for directory in directories:
        if directory.is_dir():
            by_name.update({path.name: path for path in sorted(directory.glob("*.json"))})
    return [_read_json(path) for _, path in sorted(by_name.items())]


def _read_json(path: Path) -> Any:
    """The descriptor of flash firmware; None for another kind, and for one that cannot be used."""
    try:
        data = read_file(path, largest=_LARGEST_DESCRIPTOR)
        return parse_document(data, _FLASH, str(path), "descriptor")
    except (InputError, FormatError):
        return None  # the distribution's matter; the next one may do


def _from_descriptor(descriptor: Any, chipset: Chipset, *, secure: bool) -> Ovmf | None:
    if (
        descriptor is None
        or "uefi" not in descriptor["interface-types"]
        or _SECURE_FEATURES & set(descriptor["features"]) != (_SECURE_FEATURES if secure else set())
        or not any(_serves(target, chipset) for target in descriptor["targets"])
    ):
        return None
    code, variables = descriptor["mapping"]["executable"], descriptor["mapping"]["nvram-template"]
    return Ovmf(Path(code["filename"]), Path(variables["filename"]), code["format"], variables["format"])


def _serves(target: Any, chipset: Chipset) -> bool:
    machine = {Chipset.Q35: "pc-q35-7.0", Chipset.PC: "pc-i440fx-7.0"}[chipset]
    return target["architecture"] == "x86_64" and any(fnmatch.fnmatch(machine, glob) for glob in target["machines"])

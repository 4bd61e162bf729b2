"""Make an ISO with the layout, names and boot files of VMware's installer ISO, and filler for content.

It serves demonstrations and tests where VMware's own ISO cannot be had. The same arguments give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from esxforge.errors import InputError, RecipeError
from esxforge.local.output import output_file
from esxforge.local.reading import LARGEST_ISO, open_regular
from esxforge.standin_iso import texts
from esxforge.standin_iso.content import SMALLEST_MODULE, ModuleContent, random_bytes
from esxforge.standin_iso.efi_program import STARTED_FROM_EFIBOOT, build_efi_program
from esxforge.standin_iso.efiboot import efiboot_image
from esxforge.standin_iso.mastering import write_iso
from esxforge.standin_iso.profiles import LARGE_MODULES, OTHER_FILES, RELEASES, ReleaseProfile

Content: TypeAlias = bytes | Path
MIB = 1 << 20
_SECTOR = 2048
# Descriptors, directories in up to two trees, path tables: less than this in every variant.
_STRUCTURES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Variant:
    """In what a stand-in differs from VMware's plain ISO.

    ``kernelopt`` None means the release's own. ``omit`` are paths (any case) that boot.cfg and profile name but the ISO
    lacks. ``files`` are added, or replace what is at their path. ``profile_name``, ``vendor``, ``title`` and
    ``volume_id`` "" mean VMware's.
    """

    joliet: bool = False
    rock_ridge: bool = False
    lower_case: bool = False
    leading_slashes: bool = True
    kernelopt: str | None = None
    title: str = ""
    vendor: str = ""
    profile_name: str = ""
    volume_id: str = ""
    extra_modules: tuple[str, ...] = ()
    omit: frozenset[str] = frozenset()
    files: Mapping[str, Content] = field(default_factory=dict)


def make_standin_iso(
    out: Path,
    *,
    release: str,
    size_mb: int | None = None,
    efi_program: Path | None = None,
    extra_files: Mapping[str, Content] | None = None,
    variant: Variant | None = None,
    overwrite: bool = False,
) -> None:
    """Write a stand-in ISO of ``release`` ("6.5", "6.7", "7.0", "8.0" or "9.0") to ``out``, whole or not at all.

    ``size_mb`` is the ISO's size in MiB (at most 256 KiB less, never more), None for a small one. ``efi_program``
    takes the place of the tree's ``EFI/BOOT/BOOTX64.EFI``; ``extra_files`` are added, or replace files.

    Raises :class:`RecipeError` for a release or size that cannot be and for a file that cannot be read,
    :class:`OutputError` when ``out`` cannot be written.
    """
    if release not in RELEASES:
        raise RecipeError([f"There is no stand-in for release {release!r}."], f"Known: {', '.join(RELEASES)}.")
    variant = variant or Variant()
    profile = RELEASES[release]
    modules = profile.modules + variant.extra_modules
    files: dict[str, Content] = _fixed_files(profile, variant, modules)
    if efi_program is not None:
        files["EFI/BOOT/BOOTX64.EFI"] = efi_program
    for path, content in {**variant.files, **(extra_files or {})}.items():
        files[path.strip("/").upper()] = content
    omitted = {path.upper() for path in variant.omit}
    with ExitStack() as stack:
        opened: dict[str, tuple[Any, int]] = {
            path: _open(path, content, stack) for path, content in files.items() if path not in omitted
        }
        fixed = sum(_rounded(length) for _stream, length in opened.values())
        for module, size in _module_sizes((profile.kernel, *modules), fixed, size_mb).items():
            if module.upper() not in omitted and module.upper() not in files:
                opened[module.upper()] = (ModuleContent(f"{release} {module}", size), size)
        with output_file(out, overwrite=overwrite, option="OUT") as stream:
            write_iso(
                stream,
                opened,
                volume_id=(variant.volume_id or profile.profile.upper())[:32],
                joliet=variant.joliet,
                rock_ridge=variant.rock_ridge,
                lower_case=variant.lower_case,
            )


def _fixed_files(profile: ReleaseProfile, variant: Variant, modules: tuple[str, ...]) -> dict[str, Content]:
    """All files but the modules, by their path in upper case."""
    cfg = texts.boot_cfg(
        profile,
        title=variant.title or "Loading ESXi installer",
        kernelopt=profile.kernelopt if variant.kernelopt is None else variant.kernelopt,
        modules=modules,
        leading_slashes=variant.leading_slashes,
    )
    files: dict[str, Content] = {
        "BOOT.CFG": cfg,
        "EFI/BOOT/BOOT.CFG": cfg,
        "EFI/BOOT/BOOTX64.EFI": build_efi_program(),
        "EFI/BOOT/CRYPTO64.EFI": build_efi_program("esxforge stand-in: not meant to be started"),
        "EFI/BOOT/SAFEBOOT.EFI": build_efi_program("esxforge stand-in: not meant to be started either"),
        "EFIBOOT.IMG": efiboot_image(build_efi_program(STARTED_FROM_EFIBOOT)),
        "ISOLINUX.BIN": _isolinux_bin(),
        "ISOLINUX.CFG": texts.isolinux_cfg(profile),
        "UPGRADE/METADATA.XML": texts.metadata_xml(profile),
        "UPGRADE/PROFILE.XML": texts.profile_xml(
            profile,
            name=variant.profile_name or profile.profile,
            vendor=variant.vendor or "VMware, Inc.",
            modules=modules,
        ),
    }
    for path, kib in OTHER_FILES:
        files[path] = next(random_bytes(path))[: min(kib, 4) * 1024]
    return files


def _isolinux_bin() -> bytes:
    """Stands for ISOLINUX: jumps over the boot info table (bytes 8 to 63) and halts."""
    return (b"\xeb\x3e".ljust(64, b"\0") + b"\xfa\xf4\xeb\xfd").ljust(24 * 1024, b"\0")  # cli; hlt; again


def _module_sizes(modules: tuple[str, ...], fixed: int, size_mb: int | None) -> dict[str, int]:
    """Bytes for each module, so that the ISO gets the size desired; without one, a KiB for each share.

    ``fixed`` are the bytes of all other files.
    """
    shares = {
        module: LARGE_MODULES.get(module, 1 + hashlib.sha256(module.encode()).digest()[0] % 3) for module in modules
    }
    if size_mb is None:
        return {module: share * 1024 for module, share in shares.items()}
    room = size_mb * MIB - fixed - _STRUCTURES
    total = sum(shares.values())
    # Each file takes whole sectors; what that does not use up goes to the largest module.
    room -= len(modules) * _SECTOR
    smallest = min(shares.values())
    if room * smallest // total < SMALLEST_MODULE:
        needed = -(-(fixed + _STRUCTURES + len(modules) * _SECTOR + SMALLEST_MODULE * total) // MIB)
        raise RecipeError(
            [f"A stand-in ISO of {size_mb} MiB cannot hold its files."], f"Ask for {needed} MiB at least."
        )
    sizes = {module: room * share // total for module, share in shares.items()}
    largest = max(sizes, key=lambda module: sizes[module])
    sizes[largest] += size_mb * MIB - fixed - _STRUCTURES - sum(map(_rounded, sizes.values()))
    if max(sizes.values()) >= 4 << 30:
        raise RecipeError([f"A stand-in ISO of {size_mb} MiB would hold files above 4 GiB."], "Ask for less.")
    return sizes


def _rounded(size: int) -> int:
    return -(-size // _SECTOR) * _SECTOR


def _open(path: str, content: Content, stack: ExitStack) -> tuple[BinaryIO, int]:
    if isinstance(content, bytes):
        return io.BytesIO(content), len(content)
    try:
        stream = stack.enter_context(open_regular(content, largest=LARGEST_ISO))
    except InputError as error:
        raise RecipeError([f"{path}: {error.message}"], error.hint, error.place) from error
    return stream, stream.seek(0, io.SEEK_END)

"""The two boot.cfg files of an installer ISO, and whether all files that they name are there.

VMware's boot loader reads ``/BOOT.CFG`` on BIOS and ``/EFI/BOOT/BOOT.CFG`` on UEFI. Both must load the same things,
since an image is checked once and started on either.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from esxforge.errors import FormatError
from esxforge_target.formats.boot_cfg import BootCfg

ROOT_BOOT_CFG = "BOOT.CFG"
EFI_BOOT_CFG = "EFI/BOOT/BOOT.CFG"
EFI_PROGRAM = "EFI/BOOT/BOOTX64.EFI"


@dataclass(frozen=True, slots=True)
class BootCfgFile:
    """A boot.cfg of the ISO: its path (upper case), its bytes, and what they say."""

    path: str
    data: bytes
    cfg: BootCfg

    @property
    def directory(self) -> str:
        """Directory of the file, as absolute path on the boot volume."""
        return "/" + self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class BootFiles:
    """Files that the boot.cfg files of an ISO load.

    ``loaded`` are kernel and modules of the UEFI boot.cfg in load order, as paths of the ISO (upper case).
    ``needs_root_prefix`` are the paths of those boot.cfg files whose names are found only at the root of the ISO, while
    the boot loader would look elsewhere: they need ``prefix=/``.
    """

    boot_cfgs: tuple[BootCfgFile, ...]
    loaded: tuple[str, ...]
    needs_root_prefix: tuple[str, ...]


def check_boot_files(found: dict[str, bytes], names: Collection[str]) -> tuple[BootFiles, list[str]]:
    """Read the boot.cfg files ``found`` (path: bytes) of an ISO with the files ``names``.

    Returns what they load, and one sentence for each problem: missing, unreadable, contradictory, or naming files that
    the ISO lacks.
    """
    problems = []
    boot_cfgs: list[BootCfgFile] = []
    for path in (ROOT_BOOT_CFG, EFI_BOOT_CFG):
        if path not in found:
            problems.append(f"{path} is missing")
            continue
        try:
            boot_cfgs.append(BootCfgFile(path, found[path], BootCfg.parse(found[path])))
        except FormatError as error:
            problems.append(f"{path}: {error.message}")
    loaded: dict[str, tuple[str, ...]] = {}
    prefix_needed: list[str] = []
    for boot_cfg in boot_cfgs:
        try:
            files, needs_prefix, missing = _resolve(boot_cfg, names)
        except FormatError as error:
            problems.append(f"{boot_cfg.path}: {error.message}")
            continue
        loaded[boot_cfg.path] = files
        if needs_prefix:
            prefix_needed.append(boot_cfg.path)
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            problems.append(f"{boot_cfg.path} names files that the ISO lacks: {', '.join(missing[:5])}{more}")
    problems.extend(_contradictions(loaded))
    return BootFiles(tuple(boot_cfgs), loaded.get(EFI_BOOT_CFG, ()), tuple(prefix_needed)), problems


def _resolve(boot_cfg: BootCfgFile, names: Collection[str]) -> tuple[tuple[str, ...], bool, list[str]]:
    """Return (paths loaded, whether ``prefix=/`` is needed, paths missing), all upper case, without leading slash."""
    as_loaded = [_in_iso(path) for path in boot_cfg.cfg.files(boot_cfg.directory)]
    missing = [path for path in as_loaded if path not in names]
    if not missing:
        return tuple(as_loaded), False, []
    at_root = [_in_iso(path) for path in boot_cfg.cfg.with_value("prefix", "/").files(boot_cfg.directory)]
    if all(path in names for path in at_root):
        return tuple(at_root), True, []
    return tuple(as_loaded), False, missing


def _in_iso(path: str) -> str:
    return path.lstrip("/").upper()


def _contradictions(loaded: dict[str, tuple[str, ...]]) -> list[str]:
    if len(loaded) != 2:
        return []
    root, efi = loaded[ROOT_BOOT_CFG], loaded[EFI_BOOT_CFG]
    if root[0] != efi[0]:
        return [f"{ROOT_BOOT_CFG} and {EFI_BOOT_CFG} name different kernels: {root[0]} and {efi[0]}"]
    only_root = [path for path in root if path not in efi]
    only_efi = [path for path in efi if path not in root]
    said = [
        f"only {path} loads {', '.join(only[:5])}{f' and {len(only) - 5} more' if len(only) > 5 else ''}"
        for path, only in ((ROOT_BOOT_CFG, only_root), (EFI_BOOT_CFG, only_efi))
        if only
    ]
    if said:
        return [f"{ROOT_BOOT_CFG} and {EFI_BOOT_CFG} contradict each other: {'; '.join(said)}"]
    return []

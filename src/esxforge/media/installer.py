"""Open VMware's ESXi installer ISO, of any release from 6.5 on and of any vendor, and check it.

Only the ISO's directories and a few small files are read; content is given as extents (byte ranges of the ISO), so that
it can be streamed into an image without a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from esxforge.errors import MediaError
from esxforge.formats.segments import FileRange, ImageFile
from esxforge.local.reading import LARGEST_ISO, open_regular
from esxforge.media.boot_files import (
    EFI_BOOT_CFG,
    EFI_PROGRAM,
    ROOT_BOOT_CFG,
    BootCfgFile,
    BootFiles,
    check_boot_files,
)
from esxforge.media.identify import describe, looks_like_installer
from esxforge.media.isotree import ElToritoEntry, TooMuchToRead, read_tree
from esxforge.media.loader import LARGEST_LOADER, SignedLoader, signed_loader
from esxforge.media.profile import ImageProfile, Vib, parse_profile
from esxforge.media.release import METADATA, PROFILE, MediaRelease, release_of, version_and_build
from esxforge.media.volume import IsoVolume, read_volume
from esxforge.media.xml import MAX_XML_BYTES

__all__ = ["BootCfgFile", "ElToritoEntry", "InstallerMedia", "MediaRelease", "Vib", "open_installer"]

_MAX_BOOT_CFG_BYTES = 1 << 20
_USE_VMWARES = "Use the installer ISO as VMware or the server's vendor ships it."


@dataclass(frozen=True, slots=True)
class InstallerMedia:
    """An installer ISO, checked: everything an image needs is there.

    ``size`` is the file's size in bytes. ``tree`` says which names were used ("Rock Ridge", "Joliet", "ISO 9660").
    ``files`` are sorted by path; paths are upper case. ``boot_cfgs`` are those for BIOS (``BOOT.CFG``) and for UEFI
    (``EFI/BOOT/BOOT.CFG``). ``loaded`` are the paths of kernel and modules in load order. ``needs_root_prefix`` names
    the boot.cfg files that need ``prefix=/``, since the files they name are found only at the root.
    ``loader`` is what UEFI starts.
    ``acceptance_level`` is the image profile's. ``notices`` are sentences for the person: doubts that did not stop us.
    """

    path: Path
    size: int
    volume_id: str
    tree: str
    release: MediaRelease
    files: tuple[ImageFile[FileRange], ...]
    boot_cfgs: tuple[BootCfgFile, ...]
    loaded: tuple[str, ...]
    needs_root_prefix: tuple[str, ...]
    vibs: tuple[Vib, ...]
    acceptance_level: str
    boot_entries: tuple[ElToritoEntry, ...]
    notices: tuple[str, ...]
    loader: SignedLoader

    def find(self, path: str) -> ImageFile[FileRange] | None:
        """The file at ``path``, in whatever case and with or without a leading slash; None if there is none."""
        desired = path.strip("/").upper()
        return next((file for file in self.files if file.path == desired), None)

    def boot_cfg(self, path: str) -> BootCfgFile:
        """The boot.cfg at ``path`` ("BOOT.CFG" or "EFI/BOOT/BOOT.CFG"). Raises KeyError for anything else."""
        for boot_cfg in self.boot_cfgs:
            if boot_cfg.path == path.upper():
                return boot_cfg
        raise KeyError(path)

    @property
    def content_size(self) -> int:
        """The sum of all files' sizes in bytes."""
        return sum(file.size for file in self.files)


def open_installer(path: Path) -> InstallerMedia:
    """Open and check the installer ISO at ``path``.

    Raises :class:`InputError` for a file that cannot be read; :class:`MediaError`, with all problems of one stage at
    once, for a file that is not an ISO or not ESXi's, truncated or damaged; for names, sizes or extents that cannot be;
    for boot files missing or contradictory.
    """
    with open_regular(path, largest=LARGEST_ISO) as stream:
        try:
            return _open(stream, path)
        except OSError as error:
            raise MediaError(f"Cannot read {path}: {error.strerror or error}.", "Check the disk it is on.") from error


def _open(stream: BinaryIO, path: Path) -> InstallerMedia:
    volume = read_volume(stream, path)
    try:
        tree = read_tree(stream, path, volume)
    except TooMuchToRead as error:
        raise _not_esxi(path, volume, (), "it has far more files and directories than ESXi's installer") from error
    by_path = {file.path: file for file in tree.files}
    if not looks_like_installer(by_path):
        raise _not_esxi(path, volume, by_path, "")
    boot_files, problems = _check(stream, by_path)
    if problems:
        raise MediaError(f"{path} cannot be used:\n" + "\n".join(problems), _USE_VMWARES)
    profile = None
    profile_bytes = _small_file(stream, by_path, PROFILE, MAX_XML_BYTES)
    if profile_bytes is not None:
        profile = parse_profile(profile_bytes, f"{path}: {PROFILE}")
    release = release_of(
        metadata=_small_file(stream, by_path, METADATA, MAX_XML_BYTES),
        profile=profile,
        builds=[(boot_cfg.path, boot_cfg.cfg.build) for boot_cfg in boot_files.boot_cfgs],
        title=boot_files.boot_cfgs[-1].cfg.get("title") or "",
        names=by_path,
        volume_id=volume.volume_id,
    )
    return InstallerMedia(
        path=path,
        size=volume.file_size,
        volume_id=volume.volume_id,
        tree=tree.kind,
        release=release,
        files=tree.files,
        boot_cfgs=boot_files.boot_cfgs,
        loaded=boot_files.loaded,
        needs_root_prefix=boot_files.needs_root_prefix,
        vibs=profile.vibs if profile else (),
        acceptance_level=profile.acceptance_level if profile else "",
        boot_entries=tree.boot_entries,
        notices=tuple(_notices(boot_files, profile, release)),
        loader=_loader(stream, by_path),
    )


def _loader(stream: BinaryIO, by_path: dict[str, ImageFile[FileRange]]) -> SignedLoader:
    too_large = by_path[EFI_PROGRAM].size > LARGEST_LOADER
    return signed_loader(EFI_PROGRAM, None if too_large else _small_file(stream, by_path, EFI_PROGRAM, LARGEST_LOADER))


def _check(stream: BinaryIO, by_path: dict[str, ImageFile[FileRange]]) -> tuple[BootFiles, list[str]]:
    found: dict[str, bytes] = {}
    for name in (ROOT_BOOT_CFG, EFI_BOOT_CFG):
        data = _small_file(stream, by_path, name, _MAX_BOOT_CFG_BYTES)
        if data is not None:
            found[name] = data
    boot_files, problems = check_boot_files(found, by_path)
    if EFI_PROGRAM not in by_path:
        problems.append(f"{EFI_PROGRAM} is missing: the ISO starts on legacy BIOS only, but the images start by UEFI")
    return boot_files, problems


def _small_file(stream: BinaryIO, by_path: dict[str, ImageFile[FileRange]], name: str, limit: int) -> bytes | None:
    file = by_path.get(name)
    if file is None:
        return None
    if file.size > limit:
        raise MediaError(f"{name} has {file.size} bytes, more than such a file ever has", _USE_VMWARES)
    stream.seek(file.content.offset)
    return stream.read(file.size)


def _not_esxi(
    path: Path, volume: IsoVolume, names: dict[str, ImageFile[FileRange]] | tuple[()], why: str
) -> MediaError:
    what = describe(volume.volume_id, names)
    return MediaError(
        f"{path} is an ISO, but not ESXi's installer: {why + '; ' if why else ''}{what}.",
        "Name VMware's installer ISO, for example VMware-VMvisor-Installer-8.0U3e-24674464.x86_64.iso.",
    )


def _notices(boot_files: BootFiles, profile: ImageProfile | None, release: MediaRelease) -> list[str]:
    notices = [
        f"{path} names its files without a leading slash, but they lie at the root: it needs prefix=/."
        for path in boot_files.needs_root_prefix
    ]
    for boot_cfg in boot_files.boot_cfgs:
        told = version_and_build(boot_cfg.cfg.build)
        if told is not None and release.build and told != (release.version, release.build):
            notices.append(
                f"{boot_cfg.path} says {told[0]} build {told[1]}, but {release.source} says"
                f" {release.version} build {release.build}."
            )
    if release.source.startswith("file names"):
        notices.append("The ISO does not tell its exact release: version and build are unknown.")
    if profile is None:
        notices.append(f"The ISO has no {PROFILE}: its VIBs are unknown.")
    return notices

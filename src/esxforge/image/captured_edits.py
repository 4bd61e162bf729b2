"""Edits laid over an installed disk to make it deployable: the hook, the slot for a host's module, identifiers.

All of them edit FAT volumes; the disk itself stays as it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from esxforge.errors import FormatError, ImageError
from esxforge.events import Decision, Listener, Notice
from esxforge.image.boot_volume import HOST_MODULE_BYTES
from esxforge.image.installed_disk import InstalledDisk, InstalledVolume, Life, window
from esxforge.image.overlay import Overlay
from esxforge.image.target_code import HOOK_SCRIPT, target_zip
from esxforge_target.contract.image_settings import SETTINGS_PATH, ImageSettings
from esxforge_target.esxi.banks import BOOT_CFG, MODULE, module_name
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.manifest import MANIFEST_PATH
from esxforge_target.formats.stored_gzip import stored_gzip
from esxforge_target.formats.tar_module import build, directory, file

HOOK_PATH = "curtin/curtin-hooks"
TARGET_ZIP_PATH = "curtin/target.zip"
# Besides the agent's code, a host's module holds the desired host from MAAS, and padding.
_LEAST_BESIDE_CODE_BYTES = 768 << 10
# ESXi rewrites state.tgz in the bank, beside the old one.
_KEPT_FREE_IN_BANK_BYTES = 16 << 20
# curtin writes its configuration and its log beside the hook.
_KEPT_FREE_BESIDE_HOOK_BYTES = 256 << 10
_README = b"This disk was not prepared for a host: it starts ESXi as it was installed, and nothing of MAAS's.\n"
_BOOT_UUID = "bootuuid="


@dataclass(frozen=True, slots=True)
class Places:
    """Locations of the edits: partitions that hold the hook and the slot, and volumes (by partition) to be renewed."""

    hook: int
    slot: int
    renewed: tuple[int, ...]


def lay_over(
    overlay: Overlay,
    found: InstalledDisk,
    settings: ImageSettings,
    manifest_bytes: int,
    new_uuid: Callable[[], uuid.UUID],
    *,
    listener: Listener,
) -> Places:
    """Make all changes but the manifest's content, whose place is filled with zeros.

    Raises :class:`ImageError` if there is no room.
    """
    _check_untouched(overlay, found)
    renewed = volumes_to_renew(found, settings_saved=found.life is not Life.FRESH)
    _put_slot(overlay, found, listener)
    hook = _put_hook(overlay, found, settings, manifest_bytes, listener)
    for number in renewed:
        FatEditor(window(overlay, found.volume(number))).set_vmware_uuid(new_uuid().bytes)
    return Places(hook, found.boot_bank, renewed)


def volumes_to_renew(found: InstalledDisk, *, settings_saved: bool) -> tuple[int, ...]:
    """Return the partitions whose FAT volume gets another UUID: all with VMware's marker.

    If ESXi saved its configuration already, that may name the scratch volume (6.x) by its UUID: then only banks.
    """
    banks = {bank.partition for bank in found.banks}
    return tuple(
        volume.number for volume in found.volumes if volume.uuid and (volume.number in banks or not settings_saved)
    )


def _check_untouched(overlay: Overlay, found: InstalledDisk) -> None:
    """Check that no volume has what is added now: curtin would run another hook, and a module is an earlier host's."""
    banks = {bank.partition for bank in found.banks}
    for volume in found.volumes:
        files = FatVolume(window(overlay, volume))
        if volume.number in banks and files.find(MODULE) is not None:
            raise ImageError(
                f"The boot bank on partition {volume.number} holds {MODULE} already: this disk was deployed, or "
                "captured, before.",
                "Capture a disk as VMware's installer leaves it.",
            )
        if files.find("curtin") is not None:
            raise ImageError(
                f"Partition {volume.number} holds a directory curtin already: it would be run instead of this image's "
                "hook.",
                "Capture a disk as VMware's installer leaves it.",
            )


def _put_slot(overlay: Overlay, found: InstalledDisk, listener: Listener) -> None:
    """Put the empty module into the bank that boots, loaded last."""
    volume = found.volume(found.boot_bank)
    editor = FatEditor(window(overlay, volume))
    try:
        least = len(target_zip()) + _LEAST_BESIDE_CODE_BYTES
        room = editor.free_bytes() - _KEPT_FREE_IN_BANK_BYTES
        # A multiple of 1 MiB, less a little: not a multiple of what the loader for legacy BIOS reads at once.
        length = min(HOST_MODULE_BYTES, (room // (1 << 20) << 20) - 1193)
        if length < least:
            raise ImageError(
                f"The boot bank on partition {volume.number} has {editor.free_bytes()} bytes free, "
                f"{least + _KEPT_FREE_IN_BANK_BYTES} are needed.",
                "Use an ESXi without additional drivers and tools, or a larger disk: from 7.0 on the banks grow with "
                "it.",
            )
        blank = build([directory("esxforge"), file("esxforge/README", _README)])
        editor.write_file(MODULE, stored_gzip(blank, length))
        _check_in_one_piece(editor, MODULE, volume)
        before = editor.read_file(BOOT_CFG)
        cfg = _without_boot_uuid(BootCfg.parse(before), found, listener)
        editor.write_file(BOOT_CFG, cfg.with_module(module_name(cfg)).to_bytes())
    except FormatError as error:
        raise ImageError(f"The boot bank on partition {volume.number}: {error.message}", error.hint) from error
    listener(
        Decision(f"partition {volume.number}: {MODULE}, {length} bytes, is loaded last; empty until a host's hook")
    )


def _without_boot_uuid(cfg: BootCfg, found: InstalledDisk, listener: Listener) -> BootCfg:
    """Remove the bank's UUID: the boot loader itself gives it to the kernel; an old one written down would be wrong."""
    kept = [word for word in cfg.kernelopt if not word.lower().startswith(_BOOT_UUID)]
    if len(kept) != len(cfg.kernelopt):
        listener(Notice(f"boot.cfg of partition {found.boot_bank}: bootUUID= was removed, as the UUID is renewed."))
        cfg = cfg.with_kernelopt(kept)
    text = cfg.to_bytes().decode("latin-1").lower().replace("-", "")
    for volume in found.volumes:
        if volume.uuid and volume.uuid.hex() in text:
            raise ImageError(
                f"boot.cfg of partition {found.boot_bank} names partition {volume.number} by its UUID, which is new "
                "on every host.",
                "Remove that from its kernel options, or reinstall ESXi.",
            )
    return cfg


def _put_hook(
    overlay: Overlay, found: InstalledDisk, settings: ImageSettings, manifest_bytes: int, listener: Listener
) -> int:
    """Write the directory ``curtin`` with all it needs to the EFI system partition, else to the bank; return the
    partition's number.

    curtin mounts every partition in turn and takes the last one that has the directory, so any FAT volume will do. The
    EFI system partition is first choice: ESXi never mounts it.
    """
    files = [
        (HOOK_PATH, HOOK_SCRIPT),
        (TARGET_ZIP_PATH, target_zip()),
        (SETTINGS_PATH, settings.to_json().encode()),
        (MANIFEST_PATH, bytes(manifest_bytes)),
    ]
    refusals = []
    for number in (1, found.boot_bank):
        volume = found.volume(number)
        editor = FatEditor(window(overlay, volume))
        size = editor.geometry.cluster_size
        needed = sum(-(-len(data) // size) * size for _, data in files) + 4 * size + _KEPT_FREE_BESIDE_HOOK_BYTES
        if editor.free_bytes() < needed:
            refusals.append(f"partition {number} has {editor.free_bytes()} bytes free, {needed} are needed")
            continue
        try:
            for directory_name in ("curtin", "root"):  # curtin itself writes to the second
                editor.make_directory(directory_name)
            for path, data in files:
                editor.write_file(path, data)
                _check_in_one_piece(editor, path, volume)
        except FormatError as error:
            raise ImageError(f"Partition {number}: {error.message}", error.hint) from error
        listener(Decision(f"partition {number}: the hook, {needed} bytes with room for curtin's own files"))
        return number
    raise ImageError(
        f"There is no room for the hook: {'; '.join(refusals)}.", "Use an ESXi without additional drivers."
    )


def _check_in_one_piece(editor: FatEditor, path: str, volume: InstalledVolume) -> None:
    if len(editor.extents(path)) != 1:
        raise ImageError(
            f"The free space of partition {volume.number} is in too many pieces for {path}.", "Reinstall ESXi."
        )

"""The boot medium of a golden build: an installer image that installs by itself, then powers off."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from esxforge.events import Listener, Notice
from esxforge.image.host_settings import LEFT_OUT_OF_GOLDEN
from esxforge.image.target_code import target_zip
from esxforge.media.release import MediaRelease
from esxforge.vm.disks import create_blank
from esxforge_target.contract.golden_record import GoldenRecord
from esxforge_target.contract.image_settings import IN_KICKSTART, ImageSettings
from esxforge_target.contract.kickstart_sections import FREE, GUARDED, STRICT, carried, section_of
from esxforge_target.contract.library import library
from esxforge_target.contract.names import (
    BOOT_CFG,
    GOLDEN_PRE,
    GOLDEN_RECORD,
    HOST_MODULE,
    INCLUDES,
    INSTALL_INCLUDE,
    KICKSTART,
    KICKSTART_URL,
    ROOT_PASSWORD_PREFIX,
    UEFI_BOOT_CFG,
)
from esxforge_target.esxi import media_size
from esxforge_target.esxi.release import Release
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.gpt import Table
from esxforge_target.formats.gpt_disk import read_table, write_table
from esxforge_target.formats.kickstart import Kickstart
from esxforge_target.formats.kickstart_merge import Additions, kept_install_options, merge
from esxforge_target.formats.stored_gzip import stored_gzip
from esxforge_target.formats.tar_module import build as build_tar
from esxforge_target.formats.tar_module import directory, file
from esxforge_target.runtime.blocks import FileBlocks, Window
from esxforge_target.runtime.passwords import draw_password, hash_password

_SECTOR = 512
# In a virtual machine: processors that the release no longer lists, and a log that can be read from outside.
_KERNEL_OPTIONS = ("allowLegacyCPU=true", "cpuUniformityHardCheckPanic=FALSE", "com1_Port=0x3f8", "tty2Port=com1")
# What %firstboot sections need may still be on its way to the disk when %post starts, and the installer must not
# reboot: so there is no reboot command, and the power goes by itself, once the user's %post sections have ended.
_POWER_OFF = """\
%post --interpreter=busybox
(
    sleep 30
    sync
    poweroff
    sleep 30
    halt
    sleep 30
    poweroff -f
) </dev/null >/dev/null 2>&1 &
"""
_NETWORK = "network --bootproto=dhcp --addvmportgroup=0"


@dataclass(frozen=True, slots=True)
class TargetDisk:
    """The blank disk: its file, its size in bytes, and its stamp (GPT disk GUID)."""

    path: Path
    size: int
    disk_guid: uuid.UUID


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders for the installer: ``media_size`` as in the recipe's install.system_media_size, except auto."""

    kickstart: bytes
    install_options: list[str]
    target: TargetDisk
    media_size: str


def make_target(path: Path, size: int) -> TargetDisk:
    """Make an empty sparse disk that carries nothing but a stamp."""
    create_blank(path, size)
    stamp = uuid.uuid4()
    with FileBlocks(str(path), writable=True) as blocks:
        write_table(blocks, Table.empty(stamp, _SECTOR, size // _SECTOR))
    return TargetDisk(path, size, stamp)


def build_kickstart(settings: ImageSettings, listener: Listener) -> tuple[bytes, list[str]]:
    """Return the user's kickstart merged with ours, and their install options. Raises FormatError if impossible."""
    user = Kickstart.parse(settings.kickstart.encode("utf-8", "surrogateescape"))
    guard = FREE if settings.allow_power_off else GUARDED
    last = [section_of("%pre", INCLUDES, (guard, STRICT))] if user.named("%include") else []
    rootpw = None
    if settings.root_password_mode != IN_KICKSTART:
        # Of a random one nobody keeps anything: each host gets its own from the agent.
        hashed = settings.root_password_hash or hash_password(draw_password())
        rootpw = ROOT_PASSWORD_PREFIX + hashed
    data, notices = merge(
        user,
        Additions(
            include=INSTALL_INCLUDE,
            accept_eula=settings.accept_eula,
            rootpw=rootpw,
            network=_NETWORK,
            first=[section_of("%pre", GOLDEN_PRE)],
            last=[*last, _POWER_OFF],
            left_out=[LEFT_OUT_OF_GOLDEN],
            carry=lambda section: carried(section, guard, STRICT),
        ),
    )
    for notice in notices:
        listener(Notice(notice))
    return data, kept_install_options(user)


def make_unattended(medium: Path, orders: Orders, release: MediaRelease, own_options: tuple[str, ...]) -> None:
    """Turn an installer image (raw) into one that follows ``orders``, by editing it in place.

    ``own_options``: the person's kernel options, which are in the image already.
    """
    target = orders.target
    record = GoldenRecord(str(target.disk_guid), orders.install_options)
    entries = [
        directory("esxforge"),
        file(KICKSTART.lstrip("/"), orders.kickstart, 0o600),
        file(GOLDEN_RECORD.lstrip("/"), record.to_json().encode()),
        *library(target_zip()),
    ]
    size = media_size.choose(orders.media_size, Release.parse(release.version, release.build), target.size, None)
    words = [f"ks={KICKSTART_URL}", *size.options]
    words += [word for word in _KERNEL_OPTIONS if word.split("=")[0] not in _names(own_options)]
    with FileBlocks(str(medium), writable=True) as blocks:
        editor = FatEditor(Window(blocks, *read_table(blocks).table.byte_range(1)))
        slot = editor.entry(HOST_MODULE)
        editor.overwrite(HOST_MODULE, stored_gzip(build_tar(entries), slot.size))
        for path in (BOOT_CFG, UEFI_BOOT_CFG):
            cfg = BootCfg.parse(editor.read_file(path))
            editor.overwrite(path, cfg.fill_reserved_kernelopt([*cfg.kernelopt, *words]))


def _names(options: tuple[str, ...]) -> set[str]:
    return {option.split("=")[0] for option in options}

"""Contents of an installer image's boot volume: the ISO's tree, both boot.cfg edited, and our own files."""

from __future__ import annotations

from pathlib import Path

from esxforge.errors import MediaError, RecipeError
from esxforge.events import Decision, Listener, Notice
from esxforge.formats.segments import Bytes, ImageFile, Segment
from esxforge.image.add_ons import AddOns
from esxforge.image.target_code import HOOK_SCRIPT, target_zip
from esxforge.local.reading import read_file
from esxforge.media.boot_files import BootCfgFile
from esxforge.media.installer import InstallerMedia
from esxforge.recipe.model import Recipe
from esxforge_target.contract.image_settings import SETTINGS_PATH, ImageSettings
from esxforge_target.contract.names import HOST_MODULE
from esxforge_target.formats.boot_cfg import installer_kernelopt
from esxforge_target.formats.stored_gzip import stored_gzip, stored_length
from esxforge_target.formats.tar_module import build, directory, file

FILES_MODULE = "ESXFILES.TGZ"
HOST_MODULE_BYTES = 4_193_111
"""Room for what the hook puts there for one host: its kickstart, what MAAS wants of it, and the agent. Not 4 MiB:
VMware's loader for legacy BIOS never ends at a file whose length is a multiple of what it reads at once."""
# Likewise for other lengths: what it reads at once is a multiple of this; any length that is so much larger can be met.
_READ_BYTES, _ROOM_BYTES = 512, 2565
# ks=file:///esxforge/ks.cfg, systemMediaSize= and autoPartitionOSDataSize=, with room to spare.
_KERNELOPT_ROOM = 256
LARGEST_EXTRA_BYTES = 64 << 20
"""The most that the person's own files may have together: they live in the host's memory."""
_NOT_PERSONALISED = b"This image was not personalised for a host: the installer asks, and installs nothing by itself.\n"


def boot_volume_files(
    media: InstallerMedia, recipe: Recipe, settings: ImageSettings, add_ons: AddOns, listener: Listener
) -> list[ImageFile[Segment]]:
    """Return every file of the volume but the manifest, which comes last.

    The hook's files come first: if an image is cut short in transfer, the hook is there to report it. The ISO's files
    keep the order they have on the ISO, so it is read once from start to end.
    """
    hook, ours = _hook_files(settings), _own_files(recipe)
    taken = [item.path for item in (*hook, *ours) if media.find(item.path) is not None]
    if taken:
        raise MediaError(
            f"{media.path} already has {', '.join(taken)}: it seems to be made by esxforge, or a tool like it.",
            "Use the installer ISO as VMware or the server's vendor ships it.",
        )
    edited = {boot_cfg.path: _edited(boot_cfg, media, recipe, add_ons, listener) for boot_cfg in media.boot_cfgs}
    tree = [
        ImageFile(entry.path, entry.content)
        for entry in sorted(media.files, key=lambda entry: entry.content.offset)
        if entry.path not in edited
    ]
    boot_cfgs = [ImageFile(path, Bytes(data), at_deploy=True) for path, data in sorted(edited.items())]
    return [*hook, *tree, *add_ons.files(), *boot_cfgs, *ours]


def _edited(boot_cfg: BootCfgFile, media: InstallerMedia, recipe: Recipe, add_ons: AddOns, listener: Listener) -> bytes:
    cfg, notices = installer_kernelopt(boot_cfg.cfg)
    for notice in notices:
        listener(Notice(f"{boot_cfg.path}: {notice}"))
    if boot_cfg.path in media.needs_root_prefix:
        cfg = cfg.with_value("prefix", "/")
        listener(Notice(f"{boot_cfg.path}: prefix=/ was set, since the modules it names are at the root of the ISO."))
    if recipe.install.kernel_options:
        cfg = cfg.with_kernelopt([*cfg.kernelopt, *recipe.install.kernel_options])
        listener(Decision(f"{boot_cfg.path}: kernel options added: {' '.join(recipe.install.kernel_options)}"))
    for module in add_ons.modules:
        cfg = cfg.with_module(f"/{module.name}")
    cfg = cfg.with_module(f"/{HOST_MODULE.lower()}")
    if recipe.files:
        cfg = cfg.with_module(f"/{FILES_MODULE.lower()}")
    listener(
        Decision(f"{boot_cfg.path}: loads /{HOST_MODULE.lower()}; no ks=, so nothing installs before the hook ran.")
    )
    return cfg.with_reserved_kernelopt(_KERNELOPT_ROOM).to_bytes()


def _hook_files(settings: ImageSettings) -> list[ImageFile[Segment]]:
    return [
        ImageFile("curtin/curtin-hooks", Bytes(HOOK_SCRIPT)),
        ImageFile("curtin/target.zip", Bytes(target_zip())),
        ImageFile(SETTINGS_PATH, Bytes(settings.to_json().encode())),
    ]


def _own_files(recipe: Recipe) -> list[ImageFile[Segment]]:
    blank = build([directory("esxforge"), file("esxforge/README", _NOT_PERSONALISED)])
    ours: list[ImageFile[Segment]] = [
        ImageFile(HOST_MODULE, Bytes(stored_gzip(blank, HOST_MODULE_BYTES)), at_deploy=True)
    ]
    if recipe.files:
        ours.append(ImageFile(FILES_MODULE, Bytes(_files_module(recipe))))
    return ours


def _files_module(recipe: Recipe) -> bytes:
    """Return the user's own files as a module: the installer, and the new host, find them under /esxforge/files/."""
    directories = {"esxforge", "esxforge/files"}
    contents = []
    total = 0
    for extra in sorted(recipe.files, key=lambda extra: extra.path):
        name = f"esxforge/files/{extra.path}"
        directories.update(parent.as_posix() for parent in Path(name).parents if parent != Path())
        total += extra.source.stat().st_size
        if total > LARGEST_EXTRA_BYTES:
            raise RecipeError(
                [f"files: together more than {LARGEST_EXTRA_BYTES >> 20} MiB; they live in the host's memory."],
                "Serve large files over HTTP and fetch them in a %post or %firstboot section.",
            )
        contents.append(file(name, read_file(extra.source, largest=LARGEST_EXTRA_BYTES)))
    tar = build([*(directory(name) for name in sorted(directories)), *contents])
    length = stored_length(tar)
    return stored_gzip(tar, length if length % _READ_BYTES else length + _ROOM_BYTES)

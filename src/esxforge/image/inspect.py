"""Describe an ISO, an image, a VIB or a bundle as one document."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from esxforge.addons.describe import describe_add_on
from esxforge.addons.files import is_add_on
from esxforge.errors import ImageError, MediaError
from esxforge.events import Listener
from esxforge.image.verify import VerifiedImage, verify_image
from esxforge.local.reading import LARGEST_DISK, open_regular
from esxforge.media.installer import InstallerMedia, open_installer

_ISO_MARK_OFFSET = 32769
_ISO_MARK = b"CD001"
# In a golden image the number of a partition precedes each path.
_OURS = re.compile(r"(\d+/)?(curtin/|esxforge\.|esxfiles\.)", re.IGNORECASE)


def describe(path: Path, listener: Listener) -> dict[str, Any]:
    """Describe the file at ``path``; an image is verified on the way, and a VIB checked against its hashes."""
    if is_add_on(path):
        return describe_add_on(path)
    return _iso(open_installer(path)) if _is_iso(path) else _image(verify_image(path, listener))


def _is_iso(path: Path) -> bool:
    try:
        with open_regular(path, largest=LARGEST_DISK) as stream:
            start = stream.read(2)
            stream.seek(_ISO_MARK_OFFSET)
            if stream.read(len(_ISO_MARK)) == _ISO_MARK:
                return True
            stream.seek(0)
            gpt = b"EFI PART" in stream.read(8192)
    except OSError as error:
        raise MediaError(f"Cannot read {path}: {error.strerror}.", "Check the disk it is on.", str(path)) from error
    if start == b"\x1f\x8b" or gpt:
        return False
    raise ImageError(
        f"{path} is neither an ISO nor an image: no ISO 9660 volume, no gzip, no GPT; nor a VIB or a bundle.",
        "Name an ESXi installer ISO, an image that esxforge built, a .vib file or an offline bundle.",
    )


def _iso(media: InstallerMedia) -> dict[str, Any]:
    release = media.release
    return {
        "type": "iso",
        "path": str(media.path),
        "size": media.size,
        "volume_id": media.volume_id,
        "names_from": media.tree,
        "release": {name: getattr(release, name) for name in release.__slots__},
        "firmware": sorted({entry.platform.upper() for entry in media.boot_entries} | {"UEFI"}),
        "boot_files": [boot_cfg.path for boot_cfg in media.boot_cfgs],
        "modules": len(media.loaded) - 1,
        "files": len(media.files),
        "vibs": [{"name": vib.name, "version": vib.version, "vendor": vib.vendor} for vib in media.vibs],
        "notices": list(media.notices),
    }


def _firmware(golden: dict[str, Any]) -> list[str]:
    """Return the firmware kinds. "BIOS" without "bios" is of an esxforge that took any boot code for bootable."""
    return [name for name in golden.get("firmware", ["UEFI"]) if name != "BIOS" or "bios" in golden]


def _image(image: VerifiedImage) -> dict[str, Any]:
    manifest = image.manifest
    details = dict(manifest.details)
    golden = {name: value for name, value in details.pop("golden", {}).items() if name != "structures"}
    modules = {module["path"] for added in details.get("add_ons", []) for module in added["modules"]}
    found = {
        "type": "image",
        "path": str(image.path),
        "size": image.size,
        "sha256": image.sha256,
        "kind": manifest.kind,
        "format": "ddgz" if image.compressed else "raw",
        "raw_size": manifest.raw_size,
        "sector_size": manifest.sector_size,
        "disk_guid": manifest.disk_guid,
        "firmware": _firmware(golden),
        "partitions": [
            {
                "number": number,
                "name": partition.name,
                "type": str(partition.type_guid),
                "first_lba": partition.first_lba,
                "last_lba": partition.last_lba,
            }
            for number, partition in image.table.partitions
        ],
        "files": len(manifest.files),
        "changed_at_deploy": [record.path for record in manifest.files if record.at_deploy],
        "added": [record.path for record in manifest.files if _OURS.match(record.path) or record.path in modules],
        **({"golden": golden} if golden else {}),
    }
    # Extra fields of another version are shown, and never replace what was found out here.
    return found | {name: value for name, value in details.items() if name not in found}

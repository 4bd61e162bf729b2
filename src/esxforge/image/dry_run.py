"""The result of a build before the build, as one document: ``esxforge build --dry-run``. Nothing is written.

::

    {"image": {"path": "vmware-esxi-8.0.3-24674464.dd.gz", "kind": "installer", "format": "ddgz", "size": 654311424,
               "raw_size": 690487296, "sector_size": 512, "maas_name": "esxi/8.0.3", "maas_title": "…"},
     "release": {"version": "8.0.3", "build": "24674464", "profile": "ESXi-8.0U3e-24674464-standard", …},
     "vibs": [{"name": "esx-base", …}], "added": [{"path": "curtin/curtin-hooks", "size": 1234}],
     "changed": ["BOOT.CFG"],
     "files": [{"path": "/esxforge/files/driver.vib", "source": "driver.vib", "size": 20480}],
     "kickstart": {"source": "KS.CFG", "changes": ["kickstart line 3: install is replaced: …"], "added": ["reboot"]}}

Sizes are in bytes. ``size`` is that of the file; it is null for a golden image, of which nobody knows how much the
installer will write.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esxforge.events import Listener
from esxforge.formats.segments import ImageFile, Segment, Zeros
from esxforge.image.add_ons import AddOns
from esxforge.image.build import BuildOptions, PlannedImage, plan_installer_image
from esxforge.image.details import details_of
from esxforge.image.host_settings import LARGEST_TEXT_BYTES, LEFT_OUT_OF_GOLDEN
from esxforge.image.image_files import check_image_names
from esxforge.image.maas_title import title_of
from esxforge.image.stream import gzip_size
from esxforge.local.reading import check_file, read_file
from esxforge.media.installer import InstallerMedia
from esxforge.recipe.model import Recipe
from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.contract.names import INSTALL_INCLUDE, ROOT_PASSWORD_INCLUDE
from esxforge_target.formats.kickstart import Kickstart
from esxforge_target.formats.kickstart_merge import Additions, merge

if TYPE_CHECKING:
    from esxforge.checks.computer import Computer
    from esxforge.image.golden import GoldenOptions

_FILES_ON_HOST = "/esxforge/files/"
_NAMES = {f"%include {INSTALL_INCLUDE}": "install", f"%include {ROOT_PASSWORD_INCLUDE}": "rootpw"}


def rehearse_installer_image(iso: Path, recipe: Recipe, options: BuildOptions, listener: Listener) -> dict[str, Any]:
    """The document of an installer image. Raises what building it would raise."""
    planned = plan_installer_image(iso, recipe, options.output, listener)
    image, raw_size = planned.image, planned.disk.manifest.raw_size
    if image.raw:
        size = raw_size
        stored = sum(segment.length for segment in image.segments if not isinstance(segment, Zeros))  # zeros are holes
    else:
        size = stored = gzip_size(image.segments, source=image.source, watched=image.watched, listener=listener)
    check_image_names(planned.output, size=stored, overwrite=options.overwrite, inputs=planned.inputs)
    return {
        **_document(planned.media, recipe, planned.settings, planned.add_ons),
        "image": _image(planned.output, planned.media, recipe, size, raw_size),
        **_contents(planned),
    }


def rehearse_golden_image(
    iso: Path, recipe: Recipe, options: GoldenOptions, listener: Listener, computer: Computer | None = None
) -> dict[str, Any]:
    """The document of a golden image; its virtual machine is not started. Raises what building it would raise."""
    from esxforge.image.golden import plan_golden_image  # noqa: PLC0415 - QEMU's modules are slow to import

    job = plan_golden_image(iso, recipe, options, listener, computer)
    check_image_names(job.output, size=0, overwrite=options.overwrite, inputs=job.inputs)
    return {
        **_document(job.media, recipe, job.settings, AddOns()),
        "image": _image(job.output, job.media, recipe, None, job.disk_bytes),
        "added": [],
        "changed": [],
    }


def _image(output: Path, media: InstallerMedia, recipe: Recipe, size: int | None, raw_size: int) -> dict[str, Any]:
    details = details_of(media, recipe, AddOns())
    return {
        "path": str(output),
        "kind": recipe.image.kind,
        "format": recipe.image.format,
        "size": size,
        "raw_size": raw_size,
        "sector_size": recipe.image.sector_size,
        "maas_name": details["maas"]["name"],
        "maas_title": title_of(details["maas"]["title"], details, recipe.image.kind),
    }


def _document(media: InstallerMedia, recipe: Recipe, settings: ImageSettings, add_ons: AddOns) -> dict[str, Any]:
    details = details_of(media, recipe, add_ons)
    return {
        "release": details["release"],
        "vibs": details["vibs"],
        "add_ons": add_ons.details(),
        "files": [
            {
                "path": _FILES_ON_HOST + extra.path,
                "source": str(extra.source),
                "size": check_file(extra.source).st_size,
            }
            for extra in recipe.files
        ],
        "kickstart": _kickstart(recipe, settings),
    }


def _contents(planned: PlannedImage) -> dict[str, Any]:
    """The files of the boot volume that are not the ISO's, and those of the ISO that are edited."""
    of_the_iso = {entry.path for entry in planned.media.files}
    added: Sequence[ImageFile[Segment]] = [item for item in planned.files if item.path not in of_the_iso]
    return {
        "added": [{"path": item.path, "size": item.size} for item in added],
        "changed": [item.path for item in planned.files if item.path in of_the_iso and item.at_deploy],
    }


def _kickstart(recipe: Recipe, settings: ImageSettings) -> dict[str, Any]:
    """The changes to the user's kickstart, line by line, and the commands added to it: as on each host, where the
    values come from MAAS, or as for the one installation of a golden image."""
    source, golden = recipe.install.kickstart, recipe.image.kind == "golden"
    data = b"" if source is None else read_file(source, largest=LARGEST_TEXT_BYTES, pipes=True)
    user = Kickstart.parse(data)
    additions = Additions(
        include=INSTALL_INCLUDE,
        accept_eula=settings.accept_eula,
        rootpw=f"%include {ROOT_PASSWORD_INCLUDE}",
        network="network --bootproto=dhcp",
        commands=() if golden else ("reboot",),
        left_out=[LEFT_OUT_OF_GOLDEN] if golden else (),
    )
    merged, changes = merge(user, additions)
    kept = len(user.commands) - len(changes)
    added = [_NAMES.get(command.text.strip(), command.name) for command in Kickstart.parse(merged).commands[kept:]]
    if not recipe.root_password.given:  # the user's own stays, moved to where no log shows it
        changes = [change for change in changes if ": rootpw is replaced" not in change]
        added.remove("rootpw")
    return {"source": None if source is None else str(source), "changes": changes, "added": added}

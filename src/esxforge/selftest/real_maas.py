"""The part with a real MAAS: upload an image of this ISO and query it; deploying it is left to the user."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from esxforge.errors import ForgeError
from esxforge.events import Listener
from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.image.verify import verify_image
from esxforge.maas.connection import Connection
from esxforge.maas.upload import UploadImage, upload_image
from esxforge.recipe.load import load_recipe
from esxforge.selftest.evidence import MaasUpload


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Result of the upload, and what is left to do, for the report."""

    upload: MaasUpload
    next_steps: str = ""


def upload_for_selftest(iso: Path, directory: Path, connection: Connection, listener: Listener) -> Uploaded:
    """Build a deployable image, upload it under a name of its own, and say what to do with it. Never raises."""
    recipe = load_recipe(
        None,
        # Root gets a random password on each host and is reached by the SSH key of the MAAS user who deploys.
        {"install": {"accept_eula": True}, "root_password": {"random": True}},
    )
    try:
        built = build_installer_image(iso, recipe, BuildOptions(directory / "selftest.dd.gz"), listener)
        image = verify_image(built.image, listener)
        desired = UploadImage(
            path=image.path,
            size=image.size,
            sha256=image.sha256,
            name=f"esxi/selftest-{image.release.version}",
            title=f"esxforge selftest, {image.release.title}",
            architecture="amd64/generic",
        )
        result = upload_image(desired, connection, listener)
    except ForgeError as error:
        return Uploaded(MaasUpload(problem=error.message))
    return Uploaded(
        MaasUpload(result.maas_version, result.name, result.action),
        f"MAAS {result.maas_version} holds {result.name} “{result.title}” now. To see a deployment: add an SSH key to "
        "your MAAS user, choose a UEFI machine to spare with Secure Boot off (its disks will be wiped), deploy it with "
        "this image, and follow its event log (level=DEBUG); what you see answers the claim maas-deploy. Afterwards: "
        f"esxforge images delete {result.name}",
    )

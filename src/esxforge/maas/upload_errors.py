"""Errors of an upload, in words: what happened, and how to resume."""

from __future__ import annotations

from esxforge.errors import MaasError
from esxforge.maas.boot_resources import BootResource
from esxforge.maas.failures import RefusedError
from esxforge.maas.upload_image import UploadImage
from esxforge.maas.upload_state import UploadState

_SAME_COMMAND = "Run the same command again."


def explained(error: RefusedError, image: UploadImage) -> MaasError:
    """A rejected create or chunk, with a hint that fits the operation."""
    text = error.answer
    if error.status == 404:
        return gone(image)
    if '"architecture"' in text:
        return MaasError(
            f"MAAS does not take the architecture {image.architecture}: {text}",
            "MAAS needs an Ubuntu image of this architecture first (Images, in MAAS); or give --architecture.",
        )
    if "of different size" in text:
        return MaasError(
            f"MAAS has an image with this sha256, but of another size: {text}",
            "Find it with esxforge images list and show, and delete it: esxforge images delete NUMBER",
        )
    if "Missing data" in text:
        return MaasError(
            "A chunk did not arrive: MAAS got an empty request.",
            "A proxy on the way drops what is sent: check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
        )
    if '"name"' in text:
        return MaasError(f"MAAS does not take the name {image.name}: {text}", "Give another with --name.")
    return error


def not_an_administrator(name: str) -> MaasError:
    """Only administrators may create boot resources in MAAS."""
    return MaasError(
        f"The MAAS user {name or 'of this API key'} is not an administrator, and only administrators upload images.",
        "Use the API key of an administrator, or make this user one (Users, in MAAS).",
    )


def gone(image: UploadImage) -> MaasError:
    """The image was deleted or replaced by someone else."""
    return MaasError(
        f"{image.name} was deleted or replaced on MAAS during the upload.",
        f"Make sure that no one else changes it. {_SAME_COMMAND}",
    )


def damaged() -> MaasError:
    """The received bytes differ from the sent ones, and have been removed."""
    return MaasError(
        "MAAS says that what arrived does not have the image's sha256, though the file here is right. "
        "The damaged copy was removed from MAAS.",
        f"{_SAME_COMMAND} If it fails again: does somebody else upload this image at the same time, "
        "or does this MAAS have several regions behind one address?",
    )


def damaged_beside_others(resource: BootResource) -> MaasError:
    """The received bytes differ from the sent ones, and removing them would remove more than that."""
    return MaasError(
        f"What MAAS holds of {resource.name} is damaged, but older versions are kept beside it.",
        f"This deletes all of them: esxforge images delete {resource.id}. Then run the same command again.",
    )


def not_removed(resource: BootResource, cause: MaasError) -> MaasError:
    """The received bytes differ from the sent ones, and could not be removed."""
    return MaasError(
        f"What MAAS holds of {resource.name} is damaged, and could not be removed: {cause.message}",
        "Until it is, MAAS may deploy it. As soon as MAAS answers: "
        f"esxforge images delete {resource.id}. Then run the same command again.",
    )


def held_elsewhere(resource: BootResource, shown_name: str, maas_version: str) -> MaasError:
    """The same bytes are there under another name, in a MAAS that would destroy them."""
    return MaasError(
        f"MAAS holds these very bytes already, as {shown_name} (number {resource.id}); "
        f"MAAS {maas_version} would destroy them if they were uploaded under a second name.",
        f"Deploy that image, or delete it first: esxforge images delete {resource.id}",
    )


def not_synchronized(state: UploadState, regions: int) -> MaasError:
    """All is sent, but some region does not get its copy."""
    return MaasError(
        f"MAAS has received all bytes, but is not complete ({state.progress:.0f} %), and nothing moves any more.",
        f"It has {regions} region(s): see that all of them are running. If requests reached several of them by turns, "
        f"delete the image (esxforge images delete {state.resource.id}) and give the address of one.",
    )


def not_listed() -> MaasError:
    """The image was created, but is absent from the answer."""
    return MaasError("MAAS took the image, but does not list it.", _SAME_COMMAND)


def forgets(image: UploadImage) -> MaasError:
    """MAAS says OK to every chunk, and then has fewer."""
    return MaasError(
        f"MAAS took every chunk of {image.name}, but then said, several times, that it has fewer.",
        f"Look into MAAS's log (regiond), and give the address of one region, not of a load balancer. {_SAME_COMMAND}",
    )

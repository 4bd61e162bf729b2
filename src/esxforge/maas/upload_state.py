"""Amount of an image that MAAS has, in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from esxforge.errors import MaasError
from esxforge.maas.boot_resources import STORED_FILETYPE, BootResource, ResourceFile


@dataclass(frozen=True)
class UploadState:
    """The file with these bytes in the newest set of an image.

    ``received`` counts the bytes that the region has which takes the upload; ``progress`` is MAAS's own figure, in
    percent over all regions. ``complete`` means that every region has all of it.
    """

    resource: BootResource
    version: str
    file: ResourceFile
    complete: bool
    progress: float
    received: int

    @property
    def sha256(self) -> str:
        """Hash that MAAS will compare with."""
        return self.file.sha256


def upload_state(resource: BootResource, sha256: str, regions: int | None) -> UploadState | None:
    """Return the state of these bytes in the newest set with files; None if it holds others, which are replaced.

    ``regions`` is the number by which MAAS divides its progress; None if that is unknown.
    Raises MaasError if MAAS's progress is not a whole number of bytes: then no offset can be trusted.
    """
    newest = resource.newest
    if newest is None:
        return None
    file = next((f for f in newest.files.values() if (f.sha256, f.filetype) == (sha256, STORED_FILETYPE)), None)
    if file is None:
        return None
    if file.complete:
        return UploadState(resource, newest.version, file, True, 100.0, file.size)
    # The set's progress, not the file's: see ResourceFile.
    if newest.progress is None:
        raise MaasError(
            f"MAAS does not say how much it has of {resource.name}, which is not complete.",
            f"Start over: esxforge images delete {resource.id}, then run the same command again.",
        )
    progress = newest.progress
    if regions is None:
        if progress:
            raise MaasError(
                f"MAAS has received part or all of {resource.name}, and how much of it is unknown: it divides the "
                "progress by the number of its region controllers, which it shows to administrators only.",
                "If esxforge images list says in a few minutes that the image is complete, it is. Otherwise run the "
                f"same command with an administrator's key, or start over: esxforge images delete {resource.id}",
            )
        regions = 1
    exact = progress * file.size * regions / 100
    received = round(exact)
    if len(newest.files) != 1 or abs(exact - received) > 0.01 or not 0 <= received <= file.size * regions:
        raise MaasError(
            f"MAAS says that it has {progress!r} % of {resource.name}: not a whole number of bytes, "
            "so there is no known place to continue from.",
            f"Start over: esxforge images delete {resource.id}, then run the same command again.",
        )
    return UploadState(resource, newest.version, file, False, progress, min(received, file.size))

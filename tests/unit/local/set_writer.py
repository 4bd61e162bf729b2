"""Writes a set of three files as a build does, in a process of its own that tests can kill: quick to start.

``python -m unit.local.set_writer DIRECTORY TEXT force|free unnamed|named-partial|no-hard-links``
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from esxforge.errors import OutputError
from esxforge.local.output import reserve

KINDS = ("unnamed", "named-partial", "no-hard-links")
"""What the file system can: all; no files without names (NFS, FUSE); neither these nor hard links (vfat, exFAT)."""


def contents(directory: Path) -> dict[str, bytes]:
    """All files with what they hold."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def write_set(directory: Path, text: str, *, overwrite: bool = False, sbom: bool = True) -> None:
    """An image, its manifest and its SBOM, each naming the build that it belongs to."""
    image, manifest, bill = directory / "image", directory / "image.manifest", directory / "image.sbom"
    with reserve(image, (manifest, bill), overwrite=overwrite) as reservation:
        modes = {image: 0o600, manifest: None, **({bill: None} if sbom else {})}
        with reservation.write(modes) as streams:
            for path, stream in streams.items():
                stream.write(f"{path.suffix} of {text}".encode())


def complete(text: str) -> dict[str, bytes]:
    """What :func:`write_set` leaves."""
    return {
        "image": f" of {text}".encode(),
        "image.manifest": f".manifest of {text}".encode(),
        "image.sbom": f".sbom of {text}".encode(),
    }


def limit(kind: str, patch: Callable[[Any, str, Any], None]) -> None:
    """Let the file system be of this kind from now on; ``patch`` is ``setattr``, or pytest's."""
    if kind == "unnamed":
        return
    real = os.open

    def without_unnamed(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return real(path, flags, mode, dir_fd=dir_fd)

    def no_link(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    patch(os, "open", without_unnamed)
    if kind == "no-hard-links":
        patch(os, "link", no_link)


def main() -> int:
    """Exit status 1, with the error's code on stdout, where the files cannot be written."""
    directory, text, how, kind = sys.argv[1:]
    limit(kind, setattr)
    try:
        write_set(Path(directory), text, overwrite=how == "force")
    except OutputError as error:
        print(error.code)
        return 1
    print("written")
    return 0


if __name__ == "__main__":
    sys.exit(main())

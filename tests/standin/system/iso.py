"""A stand-in ISO that boots: its EFI program starts a small system that plays ESXi's installer and installed system.

``PYTHONPATH=tests python -m standin.system.iso OUT [--release 8.0] [--python 3.6]`` writes one.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path

from esxforge.errors import ForgeError
from esxforge.local.workspace import work_directory
from esxforge.standin_iso.iso import Content, Variant, make_standin_iso
from esxforge.standin_iso.profiles import RELEASES
from standin.system.make import make


def make_bootable_iso(
    out: Path,
    *,
    release: str,
    python: str | None = None,
    program: Path | None = None,
    size_mb: int | None = None,
    extra_files: Mapping[str, Content] | None = None,
    variant: Variant | None = None,
    overwrite: bool = False,
    without: Collection[str] = (),
) -> None:
    """Write a bootable stand-in ISO of ``release`` to ``out``, whole or not at all.

    ``python``: the version that ESXi's Python has there ("3.6"), of those that PATH or pyenv have; None: this system's.
    ``program``: what :func:`make_bootable_program` made, to save its time. ``without``: drivers of Linux that this ESXi
    does not have. The rest as for ``make_standin_iso``.

    Raises :class:`ProcessError` where a part of the system is missing, and what ``make_standin_iso`` raises.
    """
    # The loader unpacks what is called .tgz, so these must be archives; the other modules stay filler.
    archives: dict[str, Content] = {
        module.upper(): _empty_archive() for module in RELEASES[release].modules if module.endswith(".tgz")
    }
    with work_directory() as directory:
        if program is None:
            program = directory / "BOOTX64.EFI"
            make_bootable_program(program, release=release, python=python, without=without)
        make_standin_iso(
            out,
            release=release,
            size_mb=size_mb,
            efi_program=program,
            extra_files={**archives, **(extra_files or {})},
            variant=variant,
            overwrite=overwrite,
        )


def make_bootable_program(out: Path, *, release: str, python: str | None = None, without: Collection[str] = ()) -> None:
    """Write the EFI program alone. Raises as :func:`make_bootable_iso` does."""
    make(out, release, python, without)


def _empty_archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT):
        pass
    return gzip.compress(out.getvalue(), mtime=0)


def main() -> int:
    """The command line. Exit status 1 with a sentence where it cannot be made."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--release", choices=sorted(RELEASES), default="8.0")
    parser.add_argument("--python", metavar="VERSION", help="ESXi's Python there, such as 3.6")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    try:
        make_bootable_iso(given.out, release=given.release, python=given.python)
    except ForgeError as error:
        print("\n".join(filter(None, (error.message, error.hint))), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A stand-in ISO that boots: its EFI program starts a small system that plays ESXi's installer and installed system.

That system's files stand in tests/standin of a checkout, since they are made from the tests' fake ESXi; what is made of
them here is an EFI program for :func:`esxforge.standin_iso.iso.make_standin_iso`.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from esxforge.errors import RecipeError
from esxforge.local import processes
from esxforge.standin_iso.iso import Content, Variant, make_standin_iso
from esxforge.standin_iso.profiles import RELEASES

_TESTS = Path(__file__).parents[3] / "tests"
_LIMIT = 600.0


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
) -> None:
    """Write a bootable stand-in ISO of ``release`` to ``out``, whole or not at all.

    ``python``: the version that ESXi's Python has there ("3.6"), of those that PATH or pyenv have; None: this system's.
    ``program``: what :func:`make_bootable_program` made, to save its time; the rest as for ``make_standin_iso``.

    Raises :class:`RecipeError` outside a checkout of esxforge, :class:`ProcessError` where a part of the system is
    missing, and what ``make_standin_iso`` raises.
    """
    if release not in RELEASES:
        raise RecipeError([f"There is no stand-in for release {release!r}."], f"Known: {', '.join(RELEASES)}.")
    # The loader unpacks what is called .tgz, so these must be archives; the other modules stay filler.
    archives: dict[str, Content] = {
        module.upper(): _empty_archive() for module in RELEASES[release].modules if module.endswith(".tgz")
    }
    with tempfile.TemporaryDirectory(prefix="esxforge-standin-") as directory:
        if program is None:
            program = Path(directory) / "BOOTX64.EFI"
            make_bootable_program(program, release=release, python=python)
        make_standin_iso(
            out,
            release=release,
            size_mb=size_mb,
            efi_program=program,
            extra_files={**archives, **(extra_files or {})},
            variant=variant,
            overwrite=overwrite,
        )


def make_bootable_program(out: Path, *, release: str, python: str | None = None) -> None:
    """Write the EFI program alone. Raises as :func:`make_bootable_iso` does."""
    if not (_TESTS / "standin/system/make.py").is_file():
        raise RecipeError(
            ["A bootable stand-in can only be made from a checkout of esxforge: its system stands in tests/standin."],
            "Clone esxforge, say “make .stamps/dev .stamps/debian” there, and use .venv/bin/esxforge.",
        )
    processes.run(
        [
            *(sys.executable, "-m", "standin.system.make", "--release", release),
            *(("--python", python) if python else ()),
            str(out),
        ],
        timeout=_LIMIT,
        extra_environment={"PYTHONPATH": str(_TESTS)} | _where_pythons_are(),
    )


def _where_pythons_are() -> dict[str, str]:
    """pyenv's directory, where the person has named one: it need not be in the home."""
    root = os.environ.get("PYENV_ROOT")
    return {"PYENV_ROOT": root} if root else {}


def _empty_archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT):
        pass
    return gzip.compress(out.getvalue(), mtime=0)

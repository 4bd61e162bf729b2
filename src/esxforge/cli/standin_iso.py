"""``esxforge standin-iso``: an ISO with the layout of VMware's installer, for demonstrations and tests."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from esxforge.cli.maas_options import JsonOption
from esxforge.cli.render import print_json


class StandinRelease(str, Enum):
    """The releases of which there is a stand-in."""

    ESXI_6_5 = "6.5"
    ESXI_6_7 = "6.7"
    ESXI_7_0 = "7.0"
    ESXI_8_0 = "8.0"
    ESXI_9_0 = "9.0"


def standin_iso(  # noqa: PLR0917  # typer makes options of them
    out: Annotated[Path, typer.Argument(help="ISO to write.", show_default=False)],
    size: Annotated[
        int | None,
        typer.Option(
            "--size", min=1, metavar="MB", help="Size in MiB. [default: as small as possible]", show_default=False
        ),
    ] = None,
    release: Annotated[StandinRelease, typer.Option(help="ESXi release to imitate.")] = StandinRelease.ESXI_8_0,
    efi_program: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Use this file as EFI/BOOT/BOOTX64.EFI.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a stand-in for VMware's installer ISO: its layout, names and boot files, with filler for content.

    Use it to try everything without VMware's ISO. It installs nothing.
    """
    from esxforge.standin_iso.iso import make_standin_iso

    make_standin_iso(out, release=release.value, size_mb=size, efi_program=efi_program, overwrite=force)
    sys.stderr.write(f"{out}: stand-in for ESXi {release.value}, {out.stat().st_size / 2**20:.1f} MiB\n")
    if as_json:
        print_json({"path": str(out), "release": release.value, "size": out.stat().st_size})

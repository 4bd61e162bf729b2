"""``esxforge capture``: a disk on which somebody installed ESXi becomes an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esxforge.cli.maas_options import JsonOption
from esxforge.cli.render import listener, print_json


def capture(
    disk: Annotated[Path, typer.Argument(help="The raw disk of a machine that is off.", show_default=False)],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Else vmware-esxi-<version>-<build>-golden.dd.gz.", show_default=False),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A recipe, esxforge.toml.", show_default=False)] = None,
    root_password_file: Annotated[
        Path | None, typer.Option(help="File whose first line is root's password.", show_default=False)
    ] = None,
    root_password_hash: Annotated[
        str | None, typer.Option(help="Its crypt hash, $6$….", show_default=False, metavar="HASH")
    ] = None,
    root_password_random: Annotated[
        bool, typer.Option("--root-password-random", help="A random one on each host; root is left to SSH keys.")
    ] = False,
    allow_booted: Annotated[
        bool, typer.Option("--allow-booted", help="Also a system that was started: hosts share its host keys.")
    ] = False,
    image_format: Annotated[
        str | None, typer.Option("--format", help="ddgz (default) or raw, a sparse disk.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tell every decision.")] = False,
) -> None:
    """Make a deployable image from a disk on which ESXi is installed. The disk is only read.

    Without a root password here or in the recipe, root keeps the one that was given at the installation.
    """
    from esxforge.host.interrupts import termination_as_interrupt
    from esxforge.image.capture import CaptureOptions, capture_disk
    from esxforge.image.host_settings import captured_settings
    from esxforge.recipe.load import load_recipe

    recipe = load_recipe(
        config,
        {
            "image": {"kind": "golden", "format": image_format},
            "root_password": {
                "file": root_password_file,
                "hash": root_password_hash,
                "random": root_password_random or None,
            },
        },
    )
    with listener(verbose=verbose) as listen, termination_as_interrupt():
        result = capture_disk(
            disk,
            recipe,
            lambda release: captured_settings(recipe, release, listen),
            CaptureOptions(output, force, allow_booted),
            listen,
        )
    typer.echo(f"{result.image}: {result.size / 2**20:.0f} MiB, sha256 {result.sha256}", err=as_json)
    if as_json:
        print_json(result.document)

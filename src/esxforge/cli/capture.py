"""``esxforge capture``: a disk on which somebody installed ESXi becomes an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esxforge.cli import recipe_options
from esxforge.cli.maas_options import JsonOption
from esxforge.cli.render import listener, print_json


def capture(
    disk: Annotated[
        Path, typer.Argument(help="The raw disk of a machine that is off.", show_default=False, readable=False)
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Else vmware-esxi-<version>-<build>-golden.dd.gz.", show_default=False),
    ] = None,
    config: recipe_options.ConfigOption = None,
    root_password_file: recipe_options.PasswordFileOption = None,
    root_password_hash: recipe_options.PasswordHashOption = None,
    root_password_random: recipe_options.PasswordRandomOption = False,
    allow_booted: Annotated[
        bool, typer.Option("--allow-booted", help="Also a system that was started: hosts share its host keys.")
    ] = False,
    image_format: recipe_options.FormatOption = None,
    force: recipe_options.ForceOption = False,
    mode: recipe_options.ModeOption = "0600",
    as_json: JsonOption = False,
    verbose: recipe_options.VerboseOption = False,
) -> None:
    """Make a deployable image from a disk on which ESXi is installed. The disk is only read.

    Without a root password here or in the recipe, root keeps the one that was given at the installation.
    """
    from esxforge.image.capture import CaptureOptions, capture_disk
    from esxforge.image.host_settings import captured_settings
    from esxforge.local.interrupts import termination_as_interrupt
    from esxforge.recipe.load import load_recipe

    permissions = recipe_options.image_mode(mode)
    recipe = load_recipe(
        config,
        {
            "image": {"kind": "golden", "format": image_format},
            "root_password": recipe_options.password_flags(
                root_password_file, root_password_hash, root_password_random
            ),
        },
    )
    with listener(verbose=verbose) as listen, termination_as_interrupt():
        result = capture_disk(
            disk,
            recipe,
            lambda release: captured_settings(recipe, release, listen),
            CaptureOptions(output, force, allow_booted, permissions),
            listen,
        )
    typer.echo(f"{result.image}: {result.size / 2**20:.0f} MiB, sha256 {result.sha256}", err=as_json)
    if as_json:
        print_json(result.document)

"""``esxforge capture``: makes an image of a disk with ESXi installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esxforge.cli import output_options as outputs
from esxforge.cli.maas_options import JsonOption
from esxforge.cli.recipe_options import CaptureFlags
from esxforge.cli.render import listener, print_json


def capture(
    disk: Annotated[
        Path, typer.Argument(help="Raw disk of a machine that is powered off.", show_default=False, readable=False)
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Output file. [default: ./vmware-esxi-<version>-<build>-golden.dd.gz]",
            show_default=False,
        ),
    ] = None,
    flags: CaptureFlags,
    allow_booted: Annotated[
        bool,
        typer.Option("--allow-booted", help="Also capture a system that was booted: all hosts share its host keys."),
    ] = False,
    force: outputs.ForceOption = False,
    mode: outputs.ModeOption = "0600",
    as_json: JsonOption = False,
    verbose: outputs.VerboseOption = False,
) -> None:
    """Make a deployable image from a disk with ESXi installed. The disk is only read.

    Without a root password here or in the recipe, root keeps the password that was set at installation.
    """
    from esxforge.image.capture import CaptureOptions, capture_disk
    from esxforge.image.host_settings import captured_settings
    from esxforge.local.interrupts import termination_as_interrupt
    from esxforge.recipe.load import load_recipe

    options = CaptureOptions(output, force, allow_booted, outputs.image_mode(mode))
    recipe = load_recipe(flags.config, flags.with_value("image", "kind", "golden"))
    with listener(verbose=verbose) as listen, termination_as_interrupt():
        result = capture_disk(disk, recipe, lambda release: captured_settings(recipe, release, listen), options, listen)
    typer.echo(f"{result.image}: {result.size / 2**20:.0f} MiB, sha256 {result.sha256}", err=as_json)
    if as_json:
        print_json(result.document)

"""``esxforge build``: from the ISO to the image, and into MAAS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esxforge.cli import output_options as outputs
from esxforge.cli.maas_options import JsonOption, MaasOptions
from esxforge.cli.machine_options import Accel, Firmware, VncOptions, accelerator
from esxforge.cli.option_groups import OptionGroup
from esxforge.cli.recipe_options import BuildFlags
from esxforge.cli.render import listener, print_json

if TYPE_CHECKING:
    from esxforge.events import Listener
    from esxforge.image.image_files import BuildResult
    from esxforge.maas.upload import Uploader
    from esxforge.recipe.model import Recipe


_GOLDEN = "Golden images"


@dataclass(frozen=True)
class OutputOptions(OptionGroup):
    """The files that a build writes."""

    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Output file. [default: ./vmware-esxi-<version>-<build>.dd.gz]", show_default=False
        ),
    ] = None
    force: outputs.ForceOption = False
    mode: outputs.ModeOption = "0600"
    sbom: Annotated[bool, typer.Option("--sbom", help="Also write a CycloneDX bill of materials (SBOM).")] = False


@dataclass(frozen=True)
class RunOptions(OptionGroup):
    """How the installer runs for a golden image; its virtual machine is part of the recipe."""

    accel: Annotated[
        Accel,
        typer.Option(
            "--accel", help="Accelerator: auto uses KVM; tcg works without KVM, slowly.", rich_help_panel=_GOLDEN
        ),
    ] = "auto"
    firmware: Annotated[
        Firmware,
        typer.Option(
            "--firmware", help="Firmware that starts the installer; bios is refused.", rich_help_panel=_GOLDEN
        ),
    ] = "uefi"
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the installer's screen on a local web page.", rich_help_panel=_GOLDEN)
    ] = False
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the work directory after a successful build.", rich_help_panel=_GOLDEN)
    ] = False


def build(
    iso: Annotated[Path, typer.Argument(help="VMware's installer ISO.", show_default=False, readable=False)],
    *,
    flags: BuildFlags,
    output: OutputOptions,
    run: RunOptions,
    vnc: VncOptions,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check everything and show the resolved recipe and the image's contents; write nothing."
        ),
    ] = False,
    upload: Annotated[bool, typer.Option("--upload", help="Upload the image to MAAS, like “esxforge upload”.")] = False,
    maas: MaasOptions,
    as_json: JsonOption = False,
    verbose: outputs.VerboseOption = False,
) -> None:
    """Build a deployable image from an ESXi installer ISO. Needs no root and no network.

    An installer image is built in one pass, without KVM. For a golden image the installer runs in a virtual machine.
    """
    from esxforge.local.interrupts import termination_as_interrupt
    from esxforge.recipe.load import resolve_recipe

    resolved = resolve_recipe(flags.config, flags.given)
    recipe, mode = resolved.recipe, outputs.image_mode(output.mode)
    if recipe.image.kind == "golden":
        kind = _golden(output, mode, flags.config, run, vnc)
    elif run != RunOptions() or vnc != VncOptions() or "golden" in flags.given:
        raise typer.BadParameter("options for golden images go with --kind golden", param_hint="--kind")
    else:
        kind = _installer(output, mode)
    if upload and recipe.image.format == "raw":
        raise typer.BadParameter("MAAS takes ddgz images only: leave --format raw out", param_hint="--upload")
    with (
        listener(verbose=verbose) as listen,
        termination_as_interrupt(),
        _destination(maas if upload else None, listen) as uploader,
    ):
        if dry_run:
            from esxforge.cli.dry_run import show

            show(lambda heard: kind.rehearse(iso, recipe, heard), resolved, flags.config, listen, as_json=as_json)
            return
        result = kind.build(iso, recipe, listen)
        typer.echo(f"{result.image}: {result.size / 2**20:.0f} MiB, sha256 {result.sha256}", err=as_json)
        if uploader is None:
            if as_json:
                print_json(result.document)
            return
        from esxforge.cli.upload import built_image, send

        send(built_image(result), uploader, maas.words, as_json=as_json)


@contextmanager
def _destination(maas: MaasOptions | None, listen: Listener) -> Iterator[Uploader | None]:
    """MAAS, if the image goes there. A wrong key, or a user who may not upload, ends it before the build."""
    if maas is None:
        yield None
        return
    from esxforge.maas.upload import uploader

    with uploader(maas.connect(listen), listen) as destination:
        destination.check_permission()
        yield destination


@dataclass(frozen=True)
class _Kind:
    """How images of one kind are built, and what a dry run shows."""

    build: Callable[[Path, Recipe, Listener], BuildResult]
    rehearse: Callable[[Path, Recipe, Listener], dict[str, Any]]


# Each kind imports what it needs and no more: the virtual machine's modules take longer than a small image.
def _installer(output: OutputOptions, mode: int) -> _Kind:
    from esxforge.image.build import BuildOptions, build_installer_image
    from esxforge.image.dry_run import rehearse_installer_image

    options = BuildOptions(output.output, output.force, output.sbom, mode)
    return _Kind(
        lambda iso, recipe, listen: build_installer_image(iso, recipe, options, listen),
        lambda iso, recipe, listen: rehearse_installer_image(iso, recipe, options, listen),
    )


def _golden(output: OutputOptions, mode: int, config: Path | None, run: RunOptions, vnc: VncOptions) -> _Kind:
    from esxforge.image.dry_run import rehearse_golden_image
    from esxforge.image.golden import GoldenOptions, build_golden_image

    options = GoldenOptions(
        output.output,
        output.force,
        output.sbom,
        accelerator(run.accel),
        uefi=run.firmware == "uefi",
        vnc=vnc.display(),
        watch=run.watch,
        keep=run.keep,
        config=config,
        mode=mode,
    )
    return _Kind(
        lambda iso, recipe, listen: build_golden_image(iso, recipe, options, listen),
        lambda iso, recipe, listen: rehearse_golden_image(iso, recipe, options, listen),
    )

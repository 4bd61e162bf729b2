"""``esxforge build``: from the ISO to the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from esxforge.cli import golden_options as golden
from esxforge.cli import maas_options as options
from esxforge.cli import machine_options, recipe_options
from esxforge.cli.render import listener, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from esxforge.events import Listener
    from esxforge.image.image_files import BuildResult
    from esxforge.recipe.model import Recipe
    from esxforge.vm.hardware import Vnc

    Builder = Callable[[Path, Recipe, Listener], BuildResult]


def build(
    iso: Annotated[Path, typer.Argument(help="VMware's installer ISO.", show_default=False, readable=False)],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Else vmware-esxi-<version>-<build>.dd.gz here.", show_default=False),
    ] = None,
    config: recipe_options.ConfigOption = None,
    kind: Annotated[
        Literal["installer", "golden"] | None,
        typer.Option(help="installer (default) or golden.", show_default=False),
    ] = None,
    kickstart: Annotated[Path | None, typer.Option(help="Your own KS.CFG.", show_default=False, readable=False)] = None,
    accept_eula: Annotated[
        bool, typer.Option("--accept-eula", help="You have read VMware's EULA and accept it.")
    ] = False,
    add: Annotated[
        list[Path] | None,
        typer.Option(
            "--add", metavar="FILE", help="Add a driver: a VIB or an offline bundle. Repeatable.", show_default=False
        ),
    ] = None,
    acceptance_level: Annotated[
        Literal["certified", "accepted", "partner", "community"] | None,
        typer.Option(help="The lowest of what --add adds; partner is the default.", show_default=False),
    ] = None,
    allow_power_off: Annotated[
        bool,
        typer.Option(
            "--allow-power-off", help="Scripts of the kickstart may switch the machine off; somebody must switch it on."
        ),
    ] = False,
    root_password_file: recipe_options.PasswordFileOption = None,
    root_password_hash: recipe_options.PasswordHashOption = None,
    root_password_random: recipe_options.PasswordRandomOption = False,
    image_format: recipe_options.FormatOption = None,
    sector_size: Annotated[
        Literal["512", "4096"] | None,
        typer.Option(help="512 (default), or 4096 for 4Kn disks.", show_default=False),
    ] = None,
    sbom: Annotated[bool, typer.Option("--sbom", help="Also write a CycloneDX bill of materials.")] = False,
    force: recipe_options.ForceOption = False,
    mode: recipe_options.ModeOption = "0600",
    accel: golden.AccelOption = "auto",
    disk_size: golden.DiskSizeOption = None,
    memory: golden.MemoryOption = None,
    timeout: golden.TimeoutOption = None,
    vnc: machine_options.VncOption = None,
    vnc_password_file: machine_options.VncPasswordOption = None,
    vnc_without_password: machine_options.VncOpenOption = False,
    watch: golden.WatchOption = False,
    keep: golden.KeepOption = False,
    upload: Annotated[
        bool, typer.Option("--upload", help="Then upload it to MAAS, as “esxforge upload” does.")
    ] = False,
    profile: options.ProfileOption = None,
    maas_url: options.UrlOption = None,
    api_key_file: options.KeyFileOption = None,
    ca_file: options.CaFileOption = None,
    insecure: options.InsecureOption = False,
    as_json: options.JsonOption = False,
    verbose: recipe_options.VerboseOption = False,
) -> None:
    """Build a deployable image from an ESXi installer ISO. No root, no network.

    An installer image is made in one pass, without KVM. For a golden image the installer runs in a virtual machine.
    """
    from esxforge.local.interrupts import termination_as_interrupt
    from esxforge.recipe.load import load_recipe

    flags: dict[str, Any] = {
        "image": {"kind": kind, "format": image_format, "sector_size": int(sector_size) if sector_size else None},
        "install": {
            "kickstart": kickstart,
            "accept_eula": accept_eula or None,
            "allow_power_off": allow_power_off or None,
            "acceptance_level": acceptance_level,
        },
        "add": [{"file": path} for path in add] if add else None,
        "root_password": recipe_options.password_flags(root_password_file, root_password_hash, root_password_random),
        "golden": {"disk_size": disk_size, "memory": memory, "timeout": timeout},
    }
    outputs = _Outputs(output, force, sbom, recipe_options.image_mode(mode), config)
    recipe = load_recipe(config, flags)
    if recipe.image.kind == "golden":
        display = machine_options.vnc_display(vnc, vnc_password_file, without_password=vnc_without_password)
        builder = _golden_builder(outputs, accel, display, watch=watch, keep=keep)
    elif accel != "auto" or vnc or watch or keep or disk_size or memory or timeout:
        raise typer.BadParameter("options for golden images go with --kind golden", param_hint="--kind")
    else:
        builder = _installer_builder(outputs)
    if upload and recipe.image.format == "raw":
        raise typer.BadParameter("MAAS takes ddgz images only: leave --format raw out", param_hint="--upload")
    with listener(verbose=verbose) as listen, termination_as_interrupt():
        if upload:  # a missing key is told before the minutes of work, not after
            options.connect(options.MaasOptions(profile, maas_url, api_key_file, ca_file, insecure, 300.0), listen)
        result = builder(iso, recipe, listen)
    typer.echo(f"{result.image}: {result.size / 2**20:.0f} MiB, sha256 {result.sha256}", err=as_json)
    if as_json and not upload:
        print_json(result.document)
    if upload:
        from esxforge.cli.upload import upload as upload_image

        upload_image(
            result.image,
            profile=profile,
            maas_url=maas_url,
            api_key_file=api_key_file,
            ca_file=ca_file,
            insecure=insecure,
            as_json=as_json,
        )


@dataclass(frozen=True, slots=True)
class _Outputs:
    image: Path | None
    overwrite: bool
    sbom: bool
    mode: int
    config: Path | None


# Each kind imports what it needs and no more: the virtual machine's modules take longer than a small image.
def _installer_builder(outputs: _Outputs) -> Builder:
    from esxforge.image.build import BuildOptions, build_installer_image

    options = BuildOptions(outputs.image, outputs.overwrite, outputs.sbom, outputs.mode)
    return lambda iso, recipe, listen: build_installer_image(iso, recipe, options, listen)


def _golden_builder(outputs: _Outputs, accel: str, vnc: Vnc | None, *, watch: bool, keep: bool) -> Builder:
    from esxforge.cli.machine_options import accelerator
    from esxforge.image.golden import GoldenOptions, build_golden_image

    options = GoldenOptions(
        outputs.image,
        outputs.overwrite,
        outputs.sbom,
        accelerator(accel),
        vnc=vnc,
        watch=watch,
        keep=keep,
        config=outputs.config,
        mode=outputs.mode,
    )
    return lambda iso, recipe, listen: build_golden_image(iso, recipe, options, listen)

"""``esxforge doctor``: what this computer, and MAAS, need for a build: found, needed, how to fix it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from esxforge.cli import maas_options as options
from esxforge.cli.render import listener, print_json

if TYPE_CHECKING:
    from esxforge.checks.report import Line


def doctor(
    *,
    kind: Annotated[Literal["installer", "golden"], typer.Option("--kind", help="What is to be built.")] = "installer",
    release: Annotated[str, typer.Option("--release", help="ESXi release; sets the memory.")] = "8.0",
    output: Annotated[Path, typer.Option("--output", help="Directory where the image goes.")] = Path(),
    accel: Annotated[str, typer.Option("--accel", help="auto, kvm or tcg (slow, without KVM).")] = "auto",
    maas_url: options.UrlOption = None,
    profile: options.ProfileOption = None,
    api_key_file: options.KeyFileOption = None,
    ca_file: options.CaFileOption = None,
    insecure: options.InsecureOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Check what a build needs. Exit status 1 if something is missing.

    MAAS is checked only where an option, MAAS_URL, MAAS_API_KEY or the maas CLI's only profile names one.
    """
    from esxforge.checks import report, requirements
    from esxforge.checks.computer import ThisComputer
    from esxforge.cli.machine_options import accelerator
    from esxforge.vm.hardware import Accelerator

    desired = requirements.Kind(kind)
    wish = requirements.DoctorOptions(desired, release, output, without_kvm=accelerator(accel) is Accelerator.TCG)
    lines = requirements.check_computer(ThisComputer(), wish)
    lines += _maas(options.MaasOptions(profile, maas_url, api_key_file, ca_file, insecure, 30.0))
    if as_json:
        print_json(report.document(desired.value, lines))
    else:
        _print(lines)
    if report.missing(lines):
        raise typer.Exit(1)


def _maas(where: options.MaasOptions) -> list[Line]:
    from esxforge.checks import region
    from esxforge.checks.report import CheckStatus, Line
    from esxforge.errors import MaasError

    with listener() as listen:
        try:
            if not options.names_one(where):
                return []
            connection = options.connect(where, listen)
        except MaasError as error:
            return [Line("MAAS", error.message, "an answer", CheckStatus.MISSING, error.hint)]
        return region.check_region(region.ask(connection, listen))


def _print(lines: Sequence[Line]) -> None:
    width = max(len(entry.name) for entry in lines)
    for entry in lines:
        typer.echo(f"{entry.status.value:8} {entry.name:{width}}  {entry.found}")
        if entry.fix:
            typer.echo(f"{'':8} {'':{width}}  needed: {entry.needed}")
            typer.echo(f"{'':8} {'':{width}}  {entry.fix}")

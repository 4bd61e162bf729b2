"""``esxforge doctor``: what this computer, and MAAS, need for a build: found, needed, how to fix it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from esxforge.cli.maas_options import JsonOption, MaasOptions
from esxforge.cli.machine_options import AccelOption, accelerator
from esxforge.cli.render import listener, print_json

if TYPE_CHECKING:
    from esxforge.checks.report import Line

# Whoever asks what is missing does not want to wait for minutes.
_SECONDS = 30.0


def doctor(
    *,
    kind: Annotated[
        Literal["installer", "golden"], typer.Option("--kind", help="Kind of image to be built.")
    ] = "installer",
    release: Annotated[
        str, typer.Option("--release", help="ESXi release to be built, which decides the memory.")
    ] = "8.0",
    output: Annotated[Path, typer.Option("--output", help="Directory for the image.")] = Path(),
    accel: AccelOption = "auto",
    maas: MaasOptions,
    as_json: JsonOption = False,
) -> None:
    """Check this computer, and MAAS, for what a build needs. Exit status 1 if something is missing.

    MAAS is checked only if an option, MAAS_URL, MAAS_API_KEY or the maas CLI's only profile names one.
    """
    from esxforge.checks import report, requirements
    from esxforge.checks.computer import ThisComputer
    from esxforge.vm.hardware import Accelerator

    desired = requirements.Kind(kind)
    wish = requirements.DoctorOptions(desired, release, output, without_kvm=accelerator(accel) is Accelerator.TCG)
    lines = requirements.check_computer(ThisComputer(), wish)
    lines += _maas(maas)
    if as_json:
        print_json(report.document(desired.value, lines))
    else:
        _print(lines)
    if report.missing(lines):
        raise typer.Exit(1)


def _maas(maas: MaasOptions) -> list[Line]:
    from esxforge.checks import region
    from esxforge.checks.report import CheckStatus, Line
    from esxforge.errors import MaasError

    with listener() as listen:
        try:
            if not maas.names_one():
                hint = "Name one with --profile or --maas-url to check its settings."
                return [Line("MAAS", "not checked", "a MAAS to ask", CheckStatus.ADVICE, hint)]
            connection = maas.connect(listen, seconds=_SECONDS)
        except MaasError as error:
            return [Line("MAAS", error.message, "an answer", CheckStatus.MISSING, error.hint)]
        return region.check_region(region.ask(connection, listen))


def _print(lines: Sequence[Line]) -> None:
    width = max(len(entry.name) for entry in lines)
    for entry in lines:
        typer.echo(f"{entry.status.value:8} {entry.name:{width}}  {entry.found}")
        if entry.hint:
            typer.echo(f"{'':8} {'':{width}}  needed: {entry.needed}")
            typer.echo(f"{'':8} {'':{width}}  {entry.hint}")

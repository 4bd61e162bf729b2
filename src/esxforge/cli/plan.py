"""``esxforge plan``: what a host will do, shown without a host."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


def plan(  # noqa: PLR0917  # typer makes an option of each
    curtin_config: Annotated[
        Path,
        typer.Option(
            "--curtin-config", help="MAAS's curtin configuration of the machine, YAML or JSON.", readable=False
        ),
    ],
    inventory: Annotated[
        Path | None,
        typer.Option("--inventory", help="A host's /bootbank/esxforge.inv.", readable=False),
    ] = None,
    release: Annotated[
        str, typer.Option("--release", help="The release that is assumed where there is no inventory.")
    ] = "8.0",
    kind: Annotated[
        Literal["installer", "golden"], typer.Option("--kind", help="The image that is deployed.")
    ] = "installer",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    short: Annotated[bool, typer.Option("--summary", help="Some lines instead of tables and commands.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the plan as one self-contained page.")] = None,
) -> None:
    """Show the very plan that a host will run: its network, its datastores, and every command."""
    from esxforge.cli.console import FilteredConsole
    from esxforge.cli.render import print_json
    from esxforge.errors import FormatError
    from esxforge.formats.release_name import version_of
    from esxforge.preview.html import write_html
    from esxforge.preview.report import document, report_for
    from esxforge.preview.text import show, summary

    if as_json and short:
        raise typer.BadParameter("--json and --summary are two different outputs: choose one")
    try:
        assumed = version_of(release)
    except FormatError as error:
        raise typer.BadParameter(f"{error.message} {error.hint}", param_hint="--release") from None
    report = report_for(curtin_config, inventory, assumed, golden=kind == "golden")
    if html is not None:
        write_html(report, html)
    if as_json:
        print_json(document(report))
    elif report.errors:
        sys.stderr.write("esxforge: ESXi cannot be what MAAS asks of this machine:\n")
        sys.stderr.writelines(f"  - {reason}\n" for reason in report.errors)
        sys.stderr.write("  Change the machine's configuration in MAAS and deploy again.\n")
    elif short:
        sys.stdout.write(summary(report) + "\n")
    else:
        # Without a terminal there is no width to keep to.
        show(report, FilteredConsole(sys.stdout, width=None if sys.stdout.isatty() else 120))
    if report.errors:
        raise typer.Exit(1)

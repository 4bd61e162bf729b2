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
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for errors too.")] = False,
    short: Annotated[bool, typer.Option("--summary", help="Some lines instead of tables and commands.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the plan as one self-contained page.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the page if it exists.")] = False,
) -> None:
    """Show the very plan that a host will run: its network, its datastores, and every command."""
    from rich.console import Console

    from esxforge.cli.render import print_json
    from esxforge.preview.html import write_html
    from esxforge.preview.report import document, report_for
    from esxforge.preview.text import show, summary

    if as_json and short:
        raise typer.BadParameter("--json and --summary are two different outputs: choose one")
    if not release[:1].isdigit() or not release.replace(".", "").isalnum() or int(release.split(".")[0]) < 6:
        raise typer.BadParameter("a release of ESXi from 6.5 on, such as 8.0", param_hint="--release")
    report = report_for(curtin_config, inventory, release, golden=kind == "golden")
    if html is not None:
        write_html(report, html, overwrite=force)
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
        show(report, Console(highlight=False, width=None if sys.stdout.isatty() else 120))
    if report.errors:
        raise typer.Exit(1)

"""``esxforge kickstart``: check a kickstart of one's own before it goes into an image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esxforge.cli.help import App
from esxforge.cli.maas_options import JsonOption

if TYPE_CHECKING:
    from esxforge.formats.kickstart_findings import Finding, Use

app = App(help="Check your own kickstart.")

# A kickstart is a page of text; whatever is larger is another file.
LARGEST_FILE = 4 * 1024 * 1024


@app.callback()
def _kickstart() -> None:
    """Check your own kickstart."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Kickstart (KS.CFG).", show_default=False, readable=False)],
    *,
    release: Annotated[str, typer.Option(help="ESXi release to check for, such as 6.7 or 9.1.")] = "8.0",
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Check it for use without esxforge, as it is.")
    ] = False,
    password_given: Annotated[
        bool, typer.Option("--password-given", help="The recipe sets the root password, which replaces rootpw.")
    ] = False,
    allow_power_off: Annotated[
        bool, typer.Option("--allow-power-off", help="Allow its scripts to power the machine off.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a kickstart and list all errors and warnings. Exit status 1 if there are errors."""
    from esxforge.cli.render import print_json
    from esxforge.formats.counted import counted
    from esxforge.formats.kickstart_findings import ERROR, Use
    from esxforge.formats.kickstart_rules import check_kickstart, parse_release

    if standalone and password_given:
        raise typer.BadParameter("nothing is replaced with --standalone", param_hint="--password-given")
    use = Use(parse_release(release), standalone, None, password_given or None, allow_power_off)
    findings = check_kickstart(_read(file), use)
    errors = sum(finding.severity == ERROR for finding in findings)
    if as_json:
        print_json(_document(file, use, findings))
    else:
        for finding in findings:
            sys.stderr.write(f"{file}: {finding}\n  {finding.hint}\n")
        sys.stderr.write(f"{file}: {counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}\n")
    if errors:
        raise typer.Exit(1)


def _read(file: Path) -> bytes:
    from esxforge.local.reading import read_file

    return read_file(file, largest=LARGEST_FILE, pipes=True)


def _document(file: Path, use: Use, findings: list[Finding]) -> dict[str, object]:
    return {
        "file": str(file),
        "release": use.release_name,
        "findings": [
            {
                "line": finding.line or None,
                "column": finding.column or None,
                "severity": finding.severity,
                "message": finding.message,
                "hint": finding.hint,
            }
            for finding in findings
        ],
    }

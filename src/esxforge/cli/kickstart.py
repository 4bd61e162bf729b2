"""``esxforge kickstart``: check a kickstart of one's own before it goes into an image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esxforge.cli.help import App

if TYPE_CHECKING:
    from esxforge.formats.kickstart_rules import Finding

app = App(help="Kickstarts: check one of your own.")

# A kickstart is a page of text; whatever is larger is another file.
LARGEST_FILE = 4 * 1024 * 1024


@app.callback()
def _kickstart() -> None:
    """Kickstarts: check one of your own."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A kickstart (KS.CFG).", show_default=False, readable=False)],
    release: Annotated[str, typer.Option(help="The ESXi release to check for: 6.5, 6.7, 7.0, 8.0 or 9.0.")] = "8.0",
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Check it for use as it stands, without what esxforge adds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for errors too.")] = False,
) -> None:
    """Check a kickstart; every error and warning is named at once. Exit status 1 if there are errors."""
    from esxforge.cli.render import print_json
    from esxforge.formats.kickstart_rules import ERROR, Use, check_kickstart, parse_release

    use = Use(release=parse_release(release), standalone=standalone)
    findings = check_kickstart(_read(file), use)
    errors = sum(finding.severity == ERROR for finding in findings)
    if as_json:
        print_json(_document(file, use.release, findings))
    else:
        for finding in findings:
            sys.stderr.write(f"{file}: {finding}\n  {finding.remedy}\n")
        sys.stderr.write(f"{file}: {_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')}\n")
    if errors:
        raise typer.Exit(1)


def _read(file: Path) -> bytes:
    from esxforge.local.reading import read_file

    return read_file(file, largest=LARGEST_FILE, pipes=True)


def _document(file: Path, release: tuple[int, int], findings: list[Finding]) -> dict[str, object]:
    return {
        "file": str(file),
        "release": f"{release[0]}.{release[1]}",
        "findings": [
            {
                "line": finding.line or None,
                "severity": finding.severity,
                "message": finding.message,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
    }


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"

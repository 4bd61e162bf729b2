"""``esxforge inspect``: what is this ISO, or this image?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from esxforge.cli.maas_options import JsonOption
from esxforge.cli.render import listener, print_json


def inspect(
    path: Annotated[Path, typer.Argument(help="An installer ISO, or a built image.", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show release, firmware, boot files, VIBs, partitions, sizes, and what esxforge added."""
    from esxforge.image.inspect import describe

    with listener() as listen:
        document = describe(path, listen)
    if as_json:
        print_json(document)
    else:
        _show(document)


def _show(document: dict[str, Any]) -> None:
    """A table a person reads: one line a fact; VIBs last, as there are many."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column()
    facts.add_column(overflow="fold")
    for name, value in document.items():
        if name != "vibs" and value not in ("", [], None):
            facts.add_row(name.replace("_", " "), _text(value))
    console.print(facts)
    vibs = Table("VIB", "version", "vendor", box=None, padding=(0, 2, 0, 0))
    for vib in document["vibs"]:
        vibs.add_row(vib["name"], vib["version"], vib["vendor"])
    console.print(vibs)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(inner)}" for name, inner in value.items() if inner not in ("", [], None, {}))
    if isinstance(value, list):
        return "\n".join(_text(inner) for inner in value)
    return str(value)

"""``esxforge inspect``: what is this ISO, image, VIB or bundle?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from esxforge.cli.maas_options import JsonOption
from esxforge.cli.render import listener, print_json
from esxforge_target.runtime.visible import one_line


def inspect(
    path: Annotated[
        Path,
        typer.Argument(help="Installer ISO, image, VIB or offline bundle.", show_default=False, readable=False),
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show release, firmware, boot files, VIBs, partitions, sizes, and what esxforge added."""
    from esxforge.image.inspect import describe

    with listener() as listen:
        document = describe(path, listen)
    if as_json:
        print_json(document)
    elif document["type"] in ("vib", "bundle"):
        _show_facts({name: value for name, value in document.items() if name != "vibs"})
        for vib in document["vibs"]:
            typer.echo("")
            _show_facts(vib)
    else:
        _show(document)


def _show(document: dict[str, Any]) -> None:
    """One line a fact, never folded, so that grep finds a hash; VIBs last, as there are many."""
    _show_facts({name: value for name, value in document.items() if name != "vibs"})
    vibs = [["VIB", "VERSION", "VENDOR"]]
    vibs += [[one_line(vib[key]) for key in ("name", "version", "vendor")] for vib in document["vibs"]]
    if len(vibs) > 1:
        typer.echo("")
        widths = [max(len(row[column]) for row in vibs) for column in range(2)]
        for name, version, vendor in vibs:
            typer.echo(f"{name:<{widths[0]}}  {version:<{widths[1]}}  {vendor}")


def _show_facts(document: dict[str, Any]) -> None:
    for name, value in document.items():
        if value not in ("", [], None):
            for number, line in enumerate(_lines(name, value)):
                typer.echo(f"{'' if number else _key(name) + ':':<19}{line}")


def _lines(name: str, value: Any) -> list[str]:
    if name in ("size", "raw_size"):
        return [f"{value} bytes ({value / 2**20:.1f} MiB)"]
    if isinstance(value, list):
        return [_text(inner) for inner in value]
    if isinstance(value, dict):
        return [f"{_key(key)} {_text(inner)}" for key, inner in value.items() if not _nothing(inner)]
    return [_text(value)]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        told = (f"{_key(key)} {_text(inner)}" for key, inner in value.items() if not _nothing(inner))
        return ", ".join(told)
    if isinstance(value, list):
        return ", ".join(_text(inner) for inner in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return one_line(str(value))


def _key(name: str) -> str:
    return one_line(name).replace("_", " ")


def _nothing(value: Any) -> bool:
    return value in ("", [], None, {})

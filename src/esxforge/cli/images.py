"""``esxforge images``: what MAAS holds: list, show, delete."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esxforge.cli.help import App
from esxforge.cli.maas_options import JsonOption, MaasOptions, MaasOptionsWithTimeout
from esxforge.cli.render import listener, print_json
from esxforge.errors import MaasError
from esxforge_target.runtime.visible import one_line

if TYPE_CHECKING:
    from esxforge.maas.boot_resources import BootResource, BootResources

app = App(help="List, show and delete the images in MAAS.")

# More digits than MAAS's database has for a number are a name.
_NUMBER = re.compile("[0-9]{1,18}")
ImageArgument = Annotated[str, typer.Argument(help="Number or name, such as 46 or esxi/8.0.3.", show_default=False)]


@contextmanager
def _images(maas: MaasOptions) -> Iterator[BootResources]:
    from esxforge.maas import region
    from esxforge.maas.boot_resources import BootResources
    from esxforge.maas.client import Client

    with listener() as listen:
        connection = maas.connect(listen)
        with Client(connection, listen) as client:
            region.ask(client)
            yield BootResources(client)


@app.command("list")
def list_images(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Include images that MAAS synchronized itself.")] = False,
    maas: MaasOptionsWithTimeout,
    as_json: JsonOption = False,
) -> None:
    """List the images that were uploaded to MAAS, and whether they are complete."""
    with _images(maas) as images:
        found = []
        for entry in images.list("all" if everything else "uploaded"):
            whole = images.get(entry.id)  # lists leave out what is complete
            if whole is not None:
                found.append(whole)
    if as_json:
        print_json([_document(entry) for entry in found])
        return
    if not found:
        typer.echo("MAAS holds no uploaded images.")
        return
    rows = [
        (str(entry.id), entry.name, entry.title or "", entry.architecture, _size(entry), _state(entry))
        for entry in found
    ]
    _table(("NUMBER", "NAME", "TITLE", "ARCHITECTURE", "SIZE", "STATE"), rows)


@app.command("show")
def show_image(
    image: ImageArgument,
    *,
    maas: MaasOptionsWithTimeout,
    as_json: JsonOption = False,
) -> None:
    """Show one image with its versions and files."""
    with _images(maas) as images:
        found = _find(images, image)
    if as_json:
        print_json(_document(found))
        return
    facts = [
        ("Number", str(found.id)),
        ("Name", found.name),
        ("Title", found.title or ""),
        ("Architecture", found.architecture),
        ("State", _state(found)),
        ("Last deployed", _last_deployed(found)),
    ]
    for label, value in facts:
        typer.echo(f"{label + ':':<15}{one_line(value)}")
    rows = [
        (entry.version, file.filename, str(file.size), file.sha256, "complete" if file.complete else "incomplete")
        for entry in found.sets.values()
        for file in entry.files.values()
    ]
    if rows:
        typer.echo("")
        _table(("VERSION", "FILE", "BYTES", "SHA256", "STATE"), rows)


@app.command("delete")
def delete_image(
    image: ImageArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    maas: MaasOptionsWithTimeout,
    as_json: JsonOption = False,
) -> None:
    """Delete an image with all its versions from MAAS. Asks for confirmation."""
    with _images(maas) as images:
        found = _find(images, image)
    if not yes:
        _ask(found)
    with _images(maas) as images:
        if not images.delete(found.id):
            raise _absent(image)
    if as_json:
        print_json({"deleted": _document(found)})
    else:
        typer.echo(f"Deleted: {found.name} (number {found.id}).")


def _ask(image: BootResource) -> None:
    if not sys.stdin.isatty():
        raise MaasError("No terminal to confirm on.", "Pass --yes to delete without confirmation.")
    text = f"Delete {one_line(image.name)} “{one_line(image.title or '')}” (number {image.id}) from MAAS?"
    if not typer.confirm(text, err=True):
        raise MaasError("Nothing was deleted.", "Answer y, or give --yes.")


def _find(images: BootResources, desired: str) -> BootResource:
    if _NUMBER.fullmatch(desired):
        found = images.get(int(desired))
        if found is None:
            raise _absent(desired)
        return found
    matches = [entry for entry in images.list("all") if entry.name == desired]
    if len(matches) > 1:
        numbers = ", ".join(f"{entry.id} ({entry.type}, {entry.architecture})" for entry in matches)
        raise MaasError(f"MAAS holds several images of the name {desired}: {numbers}.", "Give the number.")
    whole = images.get(matches[0].id) if matches else None
    if whole is None:
        raise _absent(desired)
    return whole


def _absent(desired: str) -> MaasError:
    return MaasError(f"MAAS holds no image “{one_line(desired)}”.", "esxforge images list shows what it holds.")


def _state(image: BootResource) -> str:
    newest = image.newest
    if newest is None:
        return "empty"
    if newest.complete:
        return "complete"
    return "incomplete" if newest.progress is None else f"incomplete ({newest.progress:.0f} %)"


def _last_deployed(image: BootResource) -> str:
    if "last_deployed" not in image.model_fields_set:
        return "unknown: this MAAS does not say"
    return image.last_deployed or "never"


def _size(image: BootResource) -> str:
    newest = image.newest
    return f"{newest.size / 2**20:.1f} MiB" if newest else ""


def _document(image: BootResource) -> dict[str, Any]:
    return image.model_dump(mode="json", exclude={"sets": {"__all__": {"files": {"__all__": {"upload_uri"}}}}})


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    shown = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in [heads, *shown]) for column in range(len(heads))]
    for row in [heads, *shown]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

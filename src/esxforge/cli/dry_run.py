"""``esxforge build --dry-run`` as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from esxforge import events
from esxforge.cli.render import print_json
from esxforge.errors import ForgeError
from esxforge_target.runtime.visible import one_line

if TYPE_CHECKING:
    from esxforge.recipe.load import ResolvedRecipe

_MIB = 1 << 20


class _Heard:
    """Keeps notices for the document, and passes everything else on."""

    def __init__(self, listener: events.Listener) -> None:
        self._listener = listener
        self.notices: list[events.Notice] = []

    def on_event(self, event: events.Event) -> None:
        """Hear one event."""
        if isinstance(event, events.Notice):
            self.notices.append(event)
        else:
            self._listener(event)


def show(
    rehearse: Callable[[events.Listener], dict[str, Any]],
    resolved: ResolvedRecipe,
    config: Path | None,
    listener: events.Listener,
    *,
    as_json: bool,
) -> None:
    """Print the document of ``rehearse``, the resolved recipe and every warning. Raises what ``rehearse`` raises, after
    the warnings that came before."""
    from esxforge.recipe.describe import resolved_document

    heard = _Heard(listener)
    try:
        found = rehearse(heard.on_event)
    except ForgeError:
        for notice in heard.notices:
            listener(notice)
        raise
    document = {
        "dry_run": True,
        **found,
        "recipe": resolved_document(resolved),
        "warnings": [notice.text for notice in heard.notices if notice.warning],
        "notes": [notice.text for notice in heard.notices if not notice.warning],
    }
    if as_json:
        print_json(document)
    else:
        for line in _lines(document, config):
            typer.echo(line)


def _lines(document: dict[str, Any], config: Path | None) -> Iterator[str]:
    yield from _section("Image", _image(document["image"]))
    yield from _section("Contents", _contents(document))
    yield from _section("Kickstart", _kickstart(document["kickstart"]))
    yield from _section("Recipe", _recipe(document["recipe"], config))
    for name in ("warnings", "notes"):
        if document[name]:
            yield from _section(name.capitalize(), ((text,) for text in document[name]))
    yield "Dry run: nothing was written."


def _section(title: str, rows: Iterator[tuple[str, ...]] | Any) -> Iterator[str]:
    cells = [tuple(one_line(cell) for cell in row) for row in rows]
    columns = max(map(len, cells), default=0)
    widths = [max(len(row[column]) for row in cells if len(row) > column) for column in range(columns)]
    yield f"{title}:"
    for row in cells:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
    yield ""


def _image(image: dict[str, Any]) -> Iterator[tuple[str, str]]:
    size = "size not known before the installer ran" if image["size"] is None else _mib(image["size"])
    yield "file", f"{image['path']} ({image['kind']}, {image['format']}), {size}"
    yield "on the disk", f"{_mib(image['raw_size'])}, sectors of {image['sector_size']} bytes"
    yield "in MAAS", f"{image['maas_name']} “{image['maas_title']}”"


def _contents(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    release = document["release"]
    yield "release", f"ESXi {release['version']} build {release['build'] or 'not known'} {release['update']}".rstrip()
    yield "profile", " ".join(part for part in (release["profile"], release["vendor"]) if part) or "not known"
    yield "VIBs", str(len(document["vibs"]))
    for vib in document.get("add_ons", []):
        yield "added VIB", f"{vib['name']} {vib['version']} of {vib['vendor']}, sha256 {vib['sha256']}"
    for item in document["added"]:
        yield "added", f"{item['path']} ({item['size']} bytes)"
    for path in document["changed"]:
        yield "changed", path
    for item in document["files"]:
        yield "your file", f"{item['path']}, from {item['source']} ({item['size']} bytes)"


def _kickstart(kickstart: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "source", kickstart["source"] or "esxforge's own"
    for change in kickstart["changes"]:
        yield "changed", change
    yield "added", ", ".join(kickstart["added"])


def _recipe(recipe: dict[str, Any], config: Path | None) -> Iterator[tuple[str, str, str]]:
    for place, entry in recipe.items():
        value = "(secret)" if "secret" in entry else json.dumps(entry["value"], ensure_ascii=False)
        yield place, str(config) if entry["from"] == "file" else entry["from"], "not set" if value == "null" else value


def _mib(size: int) -> str:
    return f"{size / _MIB:.1f} MiB"

"""The report's files: Markdown, the same as JSON beside it, and the pictures that both name."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esxforge.errors import OutputError
from esxforge.local import output_errors
from esxforge.local.output import Reservation, output_file, reserve
from esxforge.local.reading import LARGEST_PICTURE, read_file
from esxforge.selftest.report import markdown

_OPTION = "--report"


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """The reserved names of a report: ``text`` for people, ``data`` for programs, and a directory of pictures."""

    text: Path
    data: Path
    pictures: Path
    reservation: Reservation


@contextmanager
def reserve_report(report: Path, *, overwrite: bool) -> Iterator[ReportFiles]:
    """Reserve the files' names. Raises OutputError now, not after an hour, where they may not be written."""
    stem = report.with_suffix("") if report.suffix in (".md", ".json") else report
    text, data = stem.with_name(stem.name + ".md"), stem.with_name(stem.name + ".json")
    pictures = stem.with_name(stem.name + "-screens")
    with suppress(OSError):  # most often there is none; anything else is said by what follows
        mode = pictures.lstat().st_mode
        if not stat.S_ISDIR(mode):
            raise OutputError(
                f"The pictures go to the directory {pictures}, and a file has that name.",
                f"Move it away, or name another report with {_OPTION}.",
                str(pictures),
                "kind",
            )
    with reserve(text, (data,), overwrite=overwrite, option=_OPTION) as reservation:
        with suppress(OSError):
            if not overwrite and any(pictures.iterdir()):
                raise OutputError(
                    f"The pictures go to the directory {pictures}, which holds others already.",
                    f"Move it away, name another report with {_OPTION}, or overwrite them with --force.",
                    str(pictures),
                    "exists",
                )
        yield ReportFiles(text, data, pictures, reservation)


def write_report(files: ReportFiles, document: Mapping[str, Any], pictures: Path) -> list[Path]:
    """Write all of it; ``pictures`` is the directory in which they are now. The paths, most useful first.

    Pictures come first, so that a report that exists names none that is missing. Raises OutputError.
    """
    names = [name for boot in document["boots"] for name in boot["screens"] if (pictures / name).is_file()]
    if names:
        try:
            files.pictures.mkdir(exist_ok=True)
        except OSError as error:
            raise output_errors.system_error(files.pictures, error, _OPTION) from error
    for name in names:
        picture = read_file(pictures / name, largest=LARGEST_PICTURE)
        overwrite = files.reservation.overwrite
        with output_file(files.pictures / name, overwrite=overwrite, option=_OPTION) as stream:
            stream.write(picture)
    with files.reservation.write({files.text: None, files.data: None}) as streams:
        streams[files.text].write(markdown(document).encode())
        text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
        streams[files.data].write((text + "\n").encode())
    return [files.text, files.data, *([files.pictures] if names else [])]

"""The report's files: Markdown, the same as JSON beside it, and the pictures that both name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from esxforge.local.output import check_free, whole_file
from esxforge.selftest.report import markdown
from esxforge_target.runtime.visible import visible, visible_json


def companions(report: Path) -> tuple[Path, Path]:
    """The JSON file and the directory of pictures for a report at ``report``."""
    stem = report.with_suffix("") if report.suffix in (".md", ".json") else report
    return stem.with_name(stem.name + ".json"), stem.with_name(stem.name + "-screens")


def check_place(report: Path, *, overwrite: bool) -> None:
    """Raise OutputError now, not after an hour, where the files may not be written."""
    document, _ = companions(report)
    for path in {report.with_suffix(".md"), document}:
        check_free(path, overwrite=overwrite)


def write_report(report: Path, document: Mapping[str, Any], pictures: Path, *, overwrite: bool) -> list[Path]:
    """Write all of it; ``pictures`` is the directory in which they are now. The paths, most useful first."""
    beside, screens = companions(report)
    text = report.with_suffix(".md")
    with whole_file(text, overwrite=overwrite) as people, whole_file(beside, overwrite=overwrite) as programs:
        people.write(visible(markdown(document)).encode())
        programs.write(_json(document))
    names = [name for boot in document["boots"] for name in boot["screens"] if (pictures / name).is_file()]
    if names:
        screens.mkdir(exist_ok=True)
        for name in names:
            shutil.copyfile(pictures / name, screens / name)
    return [text, beside, *([screens] if names else [])]


def _json(document: Mapping[str, Any]) -> bytes:
    return (visible_json(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)) + "\n").encode()

"""The plans of MAAS's own configurations, whole: what a reader of ESXi's documentation would sign.

ESXFORGE_RENEW_GOLDEN=1 writes the files in tests/data/plan anew; read their difference before committing it.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from esxforge.preview.report import document, report_for
from esxforge.preview.text import show, summary

DATA = Path(__file__).parents[2] / "data"
SAMPLES = sorted((DATA / "curtin").glob("*.yaml"))


def compare(path: Path, text: str) -> None:
    if os.environ.get("ESXFORGE_RENEW_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        "ESXFORGE_RENEW_GOLDEN=1 pytest tests/unit/preview renews the files"
    )


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_plans_of_maass_configurations(path: Path) -> None:
    report = report_for(path, None, "6.7.0" if "esxi67" in path.stem else "8.0.3")
    compare(DATA / "plan" / f"{path.stem}.json", json.dumps(document(report), indent=1, sort_keys=True) + "\n")
    if not report.errors:
        sink = io.StringIO()
        show(report, Console(file=sink, width=120, highlight=False, color_system=None))
        shown = "\n".join(line.rstrip() for line in sink.getvalue().splitlines()) + "\n"
        compare(DATA / "plan" / f"{path.stem}.txt", shown + "\n" + summary(report) + "\n")

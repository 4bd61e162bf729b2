"""Draws the README's pictures: ``make pictures``. Each shows real output, for light and dark screens.

- plan.svg: what ``esxforge plan --html`` draws of a configuration that MAAS 3.6.5 rendered.
- deployment.svg: what ``esxforge deploy`` printed in a run of ``make demo``, as kept in deployment.txt.
"""

from __future__ import annotations

import re
import sys
import textwrap
from html import escape
from importlib.resources import files
from pathlib import Path

from esxforge.preview.drawing import WIDTH, disk_drawing, network_drawing
from esxforge.preview.report import report_for

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
_SAMPLE = ROOT / "tests/data/curtin/maas3.6.5-esxi8-vmfs7-bond-vlan-alias-ipv6.yaml"
_COLUMNS = 110
_LINE = 17
_CHARACTER = 7.3
_TERMINAL = (
    ":root { --back: #f5f6f8; --ink: #1d2530; --soft: #5b6675 } "
    "@media (prefers-color-scheme: dark) { :root { --back: #12161c; --ink: #e6eaf0; --soft: #9aa6b6 } } "
    "rect { fill: var(--back) } text { fill: var(--ink); font: 12px ui-monospace, monospace; white-space: pre } "
    ".soft { fill: var(--soft) }"
)


def plan() -> str:
    """The drawings of the network and of the disks, one above the other."""
    report = report_for(_SAMPLE, None, "8.0.3")
    style = files("esxforge.preview").joinpath("page.css").read_text(encoding="utf-8")
    variables = "".join(re.findall(r"^(?::root \{|@media screen).*?\}(?: \})?$", style, re.MULTILINE | re.DOTALL))
    rules = "".join(re.findall(r"^svg [^{]*\{[^}]*\}", style, re.MULTILINE))
    parts, top = [], 16.0
    for drawing in (network_drawing(report), disk_drawing(report)):
        height = float(drawing.split('viewBox="0 0 ', 1)[1].split('"')[0].split()[1])
        parts.append(drawing.replace("<svg ", f'<svg x="20" y="{top:.0f}" width="{WIDTH}" height="{height:.0f}" ', 1))
        top += height + 16
    back = f'<rect style="fill: var(--card)" width="{WIDTH + 40}" height="{top:.0f}" rx="12"/>'
    style = f"<style>{variables}{rules} svg {{ font: 13px system-ui, sans-serif }}</style>"
    return _svg(WIDTH + 40, top, "The plan of a host: its network and its disks", style + back + "".join(parts))


def deployment() -> str:
    """The lines as a terminal of 110 columns shows them."""
    rows: list[tuple[str, str]] = []
    for line in (PICTURES / "deployment.txt").read_text(encoding="utf-8").splitlines():
        kind = ' class="soft"' if line.startswith("  ") else ""
        rows += [(kind, row) for row in textwrap.wrap(line, _COLUMNS, subsequent_indent=" " * 10) or [""]]
    texts = [
        f'<text x="16" y="{28 + _LINE * number}"{kind} xml:space="preserve">{escape(row)}</text>'
        for number, (kind, row) in enumerate(rows)
    ]
    width, height = _COLUMNS * _CHARACTER + 32, len(rows) * _LINE + 32
    back = f'<rect width="{width:.0f}" height="{height}" rx="12"/>'
    return _svg(
        width, height, "A deployment that esxforge follows", f"<style>{_TERMINAL}</style>{back}{''.join(texts)}"
    )


def _svg(width: float, height: float, title: str, inner: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img"><title>{escape(title)}</title>{inner}</svg>\n'
    )


def pictures() -> dict[str, str]:
    """Each picture by the name of its file."""
    return {"plan.svg": plan(), "deployment.svg": deployment()}


def main() -> int:
    """Exit status."""
    for name, text in pictures().items():
        (PICTURES / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A report as one page that needs nothing else: drawings, commands, errors, notices; for light and dark screens."""

from __future__ import annotations

import shlex
from html import escape
from importlib.resources import files
from pathlib import Path

from esxforge import __version__
from esxforge.local.output import output_file
from esxforge.preview.drawing import disk_drawing, network_drawing
from esxforge.preview.report import Preview
from esxforge_target.plan.steps import Step
from esxforge_target.runtime.visible import visible

_PHASES = {
    "prepare": ("Prepare", "The way to MAAS is not touched."),
    "management": ("Management", "The way to MAAS may be cut for a moment."),
    "complete": ("Complete", "Everything else of the network."),
    "storage": ("Storage", "Only the disks that MAAS names."),
}


def write_html(report: Preview, path: Path, *, overwrite: bool = False) -> None:
    """Write the page. It appears complete or not at all; raises OutputError where it cannot be written."""
    with output_file(path, overwrite=overwrite, option="--html") as stream:
        stream.write(page(report).encode())


def page(report: Preview) -> str:
    """The page as text."""
    style = files("esxforge.preview").joinpath("page.css").read_text(encoding="utf-8")
    return visible(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>esxforge plan: ESXi {escape(report.release)}</title><style>{style}</style></head><body><main>"
        + "".join(_sections(report))
        + f"</main><footer>esxforge {escape(__version__)}</footer></body></html>\n"
    )


def _sections(report: Preview) -> list[str]:
    host = "a fresh install of" if report.assumed else "a host with"
    sections = [f"<header><h1>Plan</h1><p>for {host} ESXi {escape(report.release)}</p>{_badges(report)}</header>"]
    if report.errors:
        items = "".join(f"<li>{escape(reason)}</li>" for reason in report.errors)
        sections.append(
            f'<section class="card refused" id="errors"><h2>Refused</h2><p>ESXi cannot be what MAAS asks of this '
            f"machine. Nothing is changed.</p><ul>{items}</ul></section>"
        )
    if report.network:
        sections.append(
            f'<section class="card" id="network"><h2>Network</h2><div class="scroll">{network_drawing(report)}</div>'
            f"{_names(report)}</section>"
        )
    if report.disks:
        sections.append(
            f'<section class="card" id="storage"><h2>Storage</h2><div class="scroll">{disk_drawing(report)}</div>'
            "</section>"
        )
    if report.plan.steps:
        sections.append(f'<section class="card" id="commands"><h2>Commands</h2>{_commands(report)}</section>')
    if report.notices:
        items = "".join(f"<li>{escape(notice)}</li>" for notice in report.notices)
        sections.append(f'<section class="card" id="notices"><h2>Good to know</h2><ul>{items}</ul></section>')
    return sections


def _badges(report: Preview) -> str:
    steps = report.plan.steps
    cut = len([step for step in steps if step.phase == "management"])
    texts = [f"{len(report.errors)} errors"] if report.errors else [f"{len(steps)} commands"]
    if steps:
        texts.append(f"{cut} on the way to MAAS")
    if not steps and not report.errors:
        texts.append("the host is as desired")
    return '<p class="badges">' + "".join(f"<span>{escape(text)}</span>" for text in texts) + "</p>"


def _names(report: Preview) -> str:
    rows = [("route", f"{to} by {gateway}") for to, gateway in report.routes]
    rows += [("DNS", ", ".join(report.name_servers))] if report.name_servers else []
    rows += [("search", ", ".join(report.search_domains))] if report.search_domains else []
    return "<dl>" + "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows) + "</dl>"


def _commands(report: Preview) -> str:
    parts = []
    for phase, (title, text) in _PHASES.items():
        steps = [step for step in report.plan.steps if step.phase == phase]
        if not steps:
            continue
        rows = "".join(_row(step) for step in steps)
        parts.append(
            f'<h3 class="{phase}">{title}<small>{text}</small></h3><div class="scroll"><table>{rows}</table></div>'
        )
    return "".join(parts)


def _row(step: Step) -> str:
    undo = "; ".join(shlex.join(command) for command in step.undo)
    return (
        f"<tr><td>{escape(step.changes)}</td><td><code>{escape(shlex.join(step.command))}</code>"
        + (f'<p class="undo">undo: {escape(undo)}</p>' if undo else "")
        + "</td></tr>"
    )

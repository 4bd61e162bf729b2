"""A report as one page that needs nothing else: drawings, commands, errors, notices; for screens and for paper."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from datetime import datetime, timezone
from html import escape
from importlib.resources import files
from pathlib import Path

from esxforge import __version__
from esxforge.formats.counted import counted
from esxforge.local.output import output_file
from esxforge.preview.drawing import DISK_LEGEND, NETWORK_LEGEND, disk_drawing, legend, link, network_drawing
from esxforge.preview.report import Preview
from esxforge_target.plan.steps import Step
from esxforge_target.runtime.visible import visible

_PHASES = {
    "prepare": ("Prepare", "The management network is not touched."),
    "management": ("Management", "The management network may be interrupted briefly."),
    "complete": ("Complete", "Everything else of the network."),
    "storage": ("Storage", "Only the disks that MAAS names."),
}


def write_html(report: Preview, path: Path, *, overwrite: bool = False) -> None:
    """Write the page, with the time of now or, for pages that are compared, of ``SOURCE_DATE_EPOCH``.

    It appears complete or not at all; raises OutputError where it cannot be written.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), timezone.utc) if epoch.isdecimal() else datetime.now(timezone.utc)
    with output_file(path, overwrite=overwrite, option="--html") as stream:
        stream.write(page(report, now).encode())


def page(report: Preview, made: datetime | None = None) -> str:
    """The page as text. ``made`` is the time that it shows, in UTC."""
    style = files("esxforge.preview").joinpath("page.css").read_text(encoding="utf-8")
    title = f"{report.machine}: plan for ESXi {report.release}" if report.machine else f"Plan for ESXi {report.release}"
    return visible(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>"
        + "".join(_sections(report, made))
        + f"</main><footer>esxforge {escape(__version__)}</footer></body></html>\n"
    )


def _header(report: Preview, made: datetime | None) -> str:
    """Only what is known: a configuration alone names neither the machine nor the speed of a link."""
    host = "a fresh install of" if report.assumed else "the host as it is, with"
    rows = [("plan for", f"{host} ESXi {report.release}")]
    if made is not None:
        rows.append(("made", f"{made:%Y-%m-%d %H:%M} UTC"))
    rows += [
        (nic.vmnic, " · ".join(text for text in (nic.name or "not in MAAS", nic.mac, link(nic)) if text))
        for nic in report.nics
    ]
    title = escape(report.machine or "Plan")
    return f"<header><h1>{title}</h1>{_badges(report)}{_definitions(rows)}</header>"


def _scroll(inner: str, label: str) -> str:
    """A part that is wider than a small screen; the keyboard reaches it too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{inner}</div>'


def _drawn(drawing: str, entries: Mapping[str, str], label: str) -> str:
    hint = '<p class="hint" aria-hidden="true">scroll sideways to see all of it →</p>'
    return hint + _scroll(drawing, label) + legend(drawing, entries)


def _sections(report: Preview, made: datetime | None) -> list[str]:
    sections = [_header(report, made)]
    if report.errors:
        items = "".join(f"<li>{escape(reason)}</li>" for reason in report.errors)
        sections.append(
            f'<section class="card refused" id="errors"><h2>Refused</h2><p>ESXi cannot be what MAAS asks of this '
            f"machine. Nothing is changed.</p><ul>{items}</ul></section>"
        )
    if report.network:
        drawn = _drawn(network_drawing(report), NETWORK_LEGEND, "drawing of the network")
        sections.append(f'<section class="card" id="network"><h2>Network</h2>{drawn}{_names(report)}</section>')
    if report.disks:
        drawn = _drawn(disk_drawing(report), DISK_LEGEND, "drawing of the disks")
        sections.append(f'<section class="card" id="storage"><h2>Storage</h2>{drawn}</section>')
    if report.plan.steps:
        sections.append(f'<section class="card" id="commands"><h2>Commands</h2>{_commands(report)}</section>')
    if report.notices:
        items = "".join(f"<li>{escape(notice)}</li>" for notice in report.notices)
        sections.append(f'<section class="card" id="notices"><h2>Good to know</h2><ul>{items}</ul></section>')
    return sections


def _badges(report: Preview) -> str:
    steps = report.plan.steps
    cut = len([step for step in steps if step.phase == "management"])
    texts = [counted(len(report.errors), "error") if report.errors else counted(len(steps), "command")]
    if steps:
        texts.append(f"{cut or 'none'} touch the management network")
    if not steps and not report.errors:
        texts.append("the host is as desired")
    return '<p class="badges">' + "".join(f"<span>{escape(text)}</span>" for text in texts) + "</p>"


def _names(report: Preview) -> str:
    rows = [("route", f"{to} by {gateway}") for to, gateway in report.routes]
    rows += [("DNS", ", ".join(report.name_servers))] if report.name_servers else []
    rows += [("search", ", ".join(report.search_domains))] if report.search_domains else []
    return _definitions(rows) if rows else ""


def _definitions(rows: list[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows) + "</dl>"


def _commands(report: Preview) -> str:
    parts = []
    for phase, (title, text) in _PHASES.items():
        steps = [step for step in report.plan.steps if step.phase == phase]
        if not steps:
            continue
        rows = "".join(_row(step) for step in steps)
        parts.append(
            f'<h3 class="{phase}">{title}<small>{text}</small></h3>'
            + _scroll(f"<table>{rows}</table>", f"commands: {title}")
        )
    return "".join(parts)


def _row(step: Step) -> str:
    undo = "; ".join(shlex.join(command) for command in step.undo)
    return (
        f"<tr><td>{escape(step.changes)}</td><td><code>{escape(shlex.join(step.command))}</code>"
        + (f'<p class="undo">undo: {escape(undo)}</p>' if undo else "")
        + "</td></tr>"
    )

"""A report as text on a terminal: tables, then commands; or a summary of some lines."""

from __future__ import annotations

import shlex

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from esxforge.formats.counted import counted
from esxforge.preview.report import DiskRow, Preview
from esxforge_target.runtime.visible import visible

SIZE_UNKNOWN = "size unknown"
_PHASES = {
    "prepare": "Prepare: the management network is not touched",
    "management": "Management: the management network may be interrupted briefly",
    "complete": "Complete: everything else of the network",
    "storage": "Storage",
}


def show(report: Preview, console: Console) -> None:
    """Print the entire report."""
    console.print(_heading(report), markup=False, soft_wrap=True)
    for part in (_network(report), _names(report), _storage(report), _commands(report), _notices(report)):
        if part is not None:
            console.print()
            console.print(part, soft_wrap=not isinstance(part, Table))


def summary(report: Preview) -> str:
    """Some lines that say what happens, without commands."""
    steps = report.plan.steps
    lines = [_heading(report)]
    for row in report.network:
        address = ", ".join(row.addresses) or "for virtual machines"
        lines.append(f"  {row.vmk or 'port group'} on {row.port_group} ({row.vswitch}: {_nics(row.nics)}): {address}")
    lines += [
        f"  datastore {part.datastore} on {disk.name}, {size(part.size)}"
        for disk in report.disks
        for part in disk.parts
        if part.datastore
    ]
    cut = len([step for step in steps if step.phase == "management"])
    lines.append(
        f"  {counted(len(steps), 'command')} ({cut or 'none'} touch the management network), "
        f"{counted(len(report.notices), 'notice')}"
    )
    return "\n".join(lines)


def size(count: int) -> str:
    """A size for people: ``465.8 GiB``."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def _text(text: str, style: str = "") -> Text:
    """Filtered here already, as tables measure what they hold."""
    return Text(visible(text), style)


def _heading(report: Preview) -> str:
    host = "a fresh install of" if report.assumed else "the host of the inventory, with"
    count = len(report.plan.steps)
    return f"Plan for {host} ESXi {report.release}: " + (f"{counted(count, 'command')}." if count else "nothing to do.")


def _nics(nics: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name} = {vmnic}" if name else vmnic for name, vmnic in nics) or "no NIC"


def _network(report: Preview) -> RenderableType | None:
    if not report.network:
        return None
    table = Table(title="Network", title_justify="left")
    for column in ("NIC", "vSwitch", "port group", "VLAN", "vmk", "MTU", "address"):
        table.add_column(column, overflow="fold")
    last = ""
    for row in report.network:
        first = row.vswitch != last
        last = row.vswitch
        nics = "\n".join(
            f"{name} = {vmnic}" + (" (standby)" if vmnic in row.standby else "") for name, vmnic in row.nics
        )
        team = f"\n{row.balancing}" if len(row.nics) > 1 else ""
        table.add_row(
            _text(nics if first else ""),
            _text(f"{row.vswitch}{team}" if first else ""),
            _text(row.port_group),
            _text(str(row.vlan_id or "")),
            _text(row.vmk or "virtual machines"),
            _text(str(row.mtu)),
            _text("\n".join(row.addresses)),
        )
    for vmnic, name in report.free_nics:
        table.add_row(_text(f"{name} = {vmnic}" if name else vmnic), _text("free"), "", "", "", "", "", style="dim")
    return table


def _names(report: Preview) -> Text | None:
    lines = [f"route  {to} by {gateway}" for to, gateway in report.routes]
    if report.name_servers:
        lines.append(f"DNS    {', '.join(report.name_servers)}")
    if report.search_domains:
        lines.append(f"search {', '.join(report.search_domains)}")
    return _text("\n".join(lines)) if lines else None


def _storage(report: Preview) -> RenderableType | None:
    if not report.disks:
        return None
    table = Table(title="Storage", title_justify="left")
    for column in ("disk", "on ESXi", "partition", "size", "datastore"):
        table.add_column(column, overflow="fold")
    for disk in report.disks:
        for index, part in enumerate(disk.parts):
            label = part.datastore + ("" if part.head or not part.datastore else " (extent)")
            table.add_row(
                _text(_disk(disk) if index == 0 else ""),
                _text(disk.device if index == 0 else ""),
                _text(f"{part.number}: {part.kind}"),
                _text(size(part.size)),
                _text(label),
                style=None if part.datastore else "dim",
            )
        if not disk.parts:
            known = SIZE_UNKNOWN if disk.device and not disk.size else ""
            table.add_row(_text(_disk(disk)), _text(disk.device or "not found"), "", known, "")
    return table


def _disk(disk: DiskRow) -> str:
    return f"{disk.name} (boot)" if disk.boot else disk.name


def _commands(report: Preview) -> RenderableType | None:
    parts: list[RenderableType] = []
    phase = ""
    for step in report.plan.steps:
        if step.phase != phase:
            phase = step.phase
            parts.append(_text(f"# {_PHASES[phase]}", style="bold"))
        parts.append(_text(shlex.join(step.command)))
    return Group(*parts) if parts else None


def _notices(report: Preview) -> Text | None:
    return _text("\n".join(f"note: {notice}" for notice in report.notices)) if report.notices else None

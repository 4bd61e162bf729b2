"""A report as drawings: the network from NICs to addresses, and disks to scale. SVG, coloured by the page's CSS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby

from esxforge.preview.report import DiskRow, NetworkRow, NicRow, PartRow, Preview
from esxforge.preview.text import SIZE_UNKNOWN, size

WIDTH = 1120
ROW = 74
BOX = 44
NIC_BOX = 62
GAP = 26
# x and width of each column: NICs, vSwitch, port group, VMkernel interface.
NIC = (10, 220)
SWITCH = (310, 170)
GROUP = (560, 200)
KERNEL = (830, 280)
PIXELS_A_CHARACTER = 7.2
DISK_BAR = 46
SMALLEST_PART = 3.0


# Elements of the drawings, by the CSS classes of a part, for the legend. Wires are drawn as lines.
NETWORK_LEGEND = {
    "nic": "NIC with its MAC address",
    "nic free": "NIC that nothing uses",
    "wire active": "link in use",
    "wire standby": "link on standby",
    "switch": "vSwitch",
    "group": "port group",
    "vmk management": "VMkernel interface for management",
    "vmk": "VMkernel interface",
    "machines": "for virtual machines",
}
DISK_LEGEND = {
    "part store": "datastore that MAAS asks for",
    "part vmfs": "VMFS that MAAS does not ask for",
    "part osdata": "OSDATA",
    "part boot": "boot bank",
    "part efi": "EFI system partition",
    "part core": "core dump",
    "part other": "other partition",
    "disk": "unused space",
}


def legend(drawing: str, entries: Mapping[str, str]) -> str:
    """Return the parts that occur in a drawing, as a list with their colours."""
    used = [(kind, text) for kind, text in entries.items() if f'class="{kind}"' in drawing]
    items = "".join(f"<li>{_swatch(kind)}{escape(text)}</li>" for kind, text in used)
    return f'<ul class="legend">{items}</ul>'


def _swatch(kind: str) -> str:
    shape = (
        f'<path class="{kind}" d="M0 7H26"/>'
        if kind.startswith("wire ")
        else f'<rect class="{kind}" x="1.5" y="1.5" width="23" height="11" rx="3"/>'
    )
    return f'<svg class="swatch" viewBox="0 0 26 14" aria-hidden="true">{shape}</svg>'


def link(nic: NicRow) -> str:
    """Return the known facts of a NIC's link: ``10 Gbit/s``, ``no link``; empty if there are none."""
    if nic.link_connected is False:
        return "no link"
    if not nic.link_speed:
        return ""
    return f"{nic.link_speed / 1000:g} Gbit/s" if nic.link_speed >= 1000 else f"{nic.link_speed} Mbit/s"


def network_drawing(report: Preview) -> str:
    """Draw NICs, teams, vSwitches, port groups and VMkernel interfaces, left to right."""
    parts: list[str] = list(_headings(("NIC", NIC), ("vSwitch", SWITCH), ("port group", GROUP), ("host", KERNEL)))
    nics = {nic.vmnic: nic for nic in report.nics}
    top = 34
    for _, found in groupby(report.network, key=lambda row: row.vswitch):
        rows = list(found)
        height = max(len(rows), len(rows[0].nics), 1) * ROW
        parts += _switch(rows, nics, top, height)
        top += height + GAP
    for vmnic, name in report.free_nics:
        nic = nics.get(vmnic, NicRow(vmnic, name, ""))
        parts.append(_nic(nic, name or "not in MAAS", top + (ROW - NIC_BOX) / 2, "nic free"))
        top += ROW
    return _svg(top + 4, parts, "The host's network, from NICs on the left to addresses on the right")


def disk_drawing(report: Preview) -> str:
    """Draw each disk as a bar; all share one scale."""
    largest = max([disk.size for disk in report.disks] + [1])
    parts: list[str] = []
    top = 6
    for disk in report.disks:
        parts.append(_text(10, top + 14, disk.name + ("  boot disk" if disk.boot else ""), "label"))
        known = size(disk.size) if disk.size else SIZE_UNKNOWN * bool(disk.device)
        details = " · ".join(text for text in (disk.model, disk.device, known) if text)
        parts.append(_text(190, top + 14, details or "not found on the host", "small"))
        parts += _disk(disk, top + 24, (WIDTH - 20) * disk.size / largest)
        top += 24 + DISK_BAR + 24
    return _svg(top, parts, "The disks to scale, with their partitions and datastores")


def _disk(disk: DiskRow, top: float, width: float) -> Iterator[str]:
    width = max(width, 60)
    yield f'<rect class="disk" x="10" y="{top}" width="{width:.1f}" height="{DISK_BAR}" rx="6"/>'
    for part in disk.parts:
        x = 10 + width * part.offset / max(disk.size, 1)
        wide = max(width * part.size / max(disk.size, 1), SMALLEST_PART)
        wide = min(wide, 10 + width - x)
        kind = "store" if part.datastore else part.kind.split()[0].lower()
        yield (
            f'<g><title>{escape(_part_title(part))}</title><rect class="part {kind}" x="{x:.1f}" y="{top + 3}" '
            f'width="{max(wide - 1, 1):.1f}" height="{DISK_BAR - 6}" rx="3"/>'
        )
        label = part.datastore + ("" if part.head else " (extent)") if part.datastore else part.kind
        if wide > (len(label) + 2) * PIXELS_A_CHARACTER:
            yield _text(x + wide / 2, top + DISK_BAR / 2 - 1, label, "inside")
            yield _text(x + wide / 2, top + DISK_BAR / 2 + 13, size(part.size), "inside small")
        yield "</g>"


def _part_title(part: PartRow) -> str:
    extent = "" if part.head or not part.datastore else ", a further extent"
    return f"partition {part.number}: {part.kind}, {size(part.size)}" + (
        f", datastore {part.datastore}{extent}" if part.datastore else ""
    )


def _nic(nic: NicRow, name: str, top: float, kind: str, role: str = "") -> str:
    below = " · ".join(text for text in (link(nic), role) if text)
    return _box(NIC, top, kind, f"{nic.vmnic} · {name}" if name else nic.vmnic, nic.mac, below, height=NIC_BOX)


def _switch(rows: list[NetworkRow], nics: Mapping[str, NicRow], top: int, height: int) -> Iterator[str]:
    first = rows[0]
    middle_of = [top + height * (index + 0.5) / len(first.nics) for index in range(len(first.nics))]
    for (name, vmnic), middle in zip(first.nics, middle_of, strict=True):
        standby = vmnic in first.standby
        yield _line(NIC[0] + NIC[1], SWITCH[0], middle, "standby" if standby else "active")
        nic = nics.get(vmnic, NicRow(vmnic, name, ""))
        yield _nic(nic, name, middle - NIC_BOX / 2, "nic", "standby" if standby else "")
    x, wide = SWITCH
    yield f'<g><rect class="switch" x="{x}" y="{top + 4}" width="{wide}" height="{height - 8}" rx="8"/>'
    yield _text(x + wide / 2, top + height / 2 - 6, first.vswitch, "label middle")
    team = f"{first.balancing} · " if len(first.nics) > 1 else ""
    yield _text(x + wide / 2, top + height / 2 + 12, f"{team}MTU {first.vswitch_mtu}", "small middle") + "</g>"
    for index, row in enumerate(rows):
        middle = top + height * (index + 0.5) / len(rows)
        yield _line(SWITCH[0] + SWITCH[1], GROUP[0], middle, "active")
        vlan = f"VLAN {row.vlan_id}" if row.vlan_id else "no VLAN"
        yield _box(GROUP, middle - BOX / 2, "group", row.port_group, vlan)
        yield _line(GROUP[0] + GROUP[1], KERNEL[0], middle, "active")
        if row.vmk:
            role = " · management" if row.management else ""
            addresses = ", ".join(row.addresses) or "no address"
            kind = "vmk management" if row.management else "vmk"
            yield _box(KERNEL, middle - BOX / 2, kind, row.vmk + role, addresses)
        else:
            yield _box(KERNEL, middle - BOX / 2, "machines", "virtual machines", f"MTU {row.mtu}")


def _headings(*columns: tuple[str, tuple[int, int]]) -> Iterator[str]:
    for title, (x, wide) in columns:
        yield _text(x + wide / 2, 18, title, "heading middle")


def _box(column: tuple[int, int], top: float, kind: str, title: str, *below: str, height: float = BOX) -> str:
    x, wide = column
    room = int((wide - 16) / PIXELS_A_CHARACTER)
    lines = [line for line in below if line]
    first = top + (height - 17 * len(lines)) / 2 + 5
    return (
        f"<g><title>{escape(': '.join((title, *lines)))}</title>"
        f'<rect class="{kind}" x="{x}" y="{top:.1f}" width="{wide}" height="{height}" rx="7"/>'
        + _text(x + 10, first, _fitting(title, room), "label")
        + "".join(
            _text(x + 10, first + 17 * number, _fitting(line, room + 4), "small")
            for number, line in enumerate(lines, 1)
        )
        + "</g>"
    )


def _fitting(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _line(x1: float, x2: float, y: float, kind: str) -> str:
    return f'<path class="wire {kind}" d="M{x1} {y:.1f}H{x2}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(height: float, parts: list[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )

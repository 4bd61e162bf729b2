"""The page of ``esxforge plan --html`` in a real browser: it draws everything, needs nothing, and fits.

At the width of a desk and of a phone, light and dark, and on paper.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime, timezone
from html import escape, unescape
from importlib.resources import files
from pathlib import Path

import pytest

from esxforge.errors import OutputError
from esxforge.preview.html import page, write_html
from esxforge.preview.report import Preview, report_for

SAMPLES = Path(__file__).parents[2] / "data" / "curtin"
BOND = SAMPLES / "maas3.6.5-esxi8-vmfs7-bond-vlan-alias-ipv6.yaml"
BRIDGE = SAMPLES / "maas3.6.5-esxi8-bridge-not-refused.yaml"
# What a page must not do: draw outside of a view box, let a text run over its box, have text that nobody can read, be
# wider than its window, or hide that more can be scrolled to.
MEASURE = """
const wrong = [];
const d = window.document, inner = window;
const rgb = (text) => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
const light = (text) => {
  const [r, g, b] = rgb(text).map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const style = (element) => inner.getComputedStyle(element);
for (const svg of d.querySelectorAll("svg")) {
  const box = svg.viewBox.baseVal;
  for (const element of svg.querySelectorAll("rect, text")) {
    const b = element.getBBox();
    if (b.x < box.x - 1 || b.y < box.y - 1 || b.x + b.width > box.width + 1 || b.y + b.height > box.height + 1)
      wrong.push("outside: " + element.textContent + JSON.stringify([b.x, b.y, b.width, b.height]));
  }
  for (const group of svg.querySelectorAll("g")) {
    const rect = group.querySelector("rect"), r = rect.getBBox();
    for (const text of group.querySelectorAll("text")) {
      const b = text.getBBox();
      if (b.x < r.x || b.x + b.width > r.x + r.width || b.y < r.y || b.y + b.height > r.y + r.height)
        wrong.push("overrun: " + text.textContent);
      const ratio = contrast(style(text).fill, style(rect).fill);
      if (ratio < 4.5) wrong.push("unreadable: " + text.textContent + " " + ratio);
    }
  }
}
if (d.documentElement.scrollWidth > inner.innerWidth) wrong.push("the page is wider than the window");
let scrolling = 0;
for (const part of d.querySelectorAll(".scroll")) {
  if (part.scrollWidth <= part.clientWidth) continue;
  scrolling += 1;
  const hint = part.previousElementSibling;
  if (hint === null || hint.className !== "hint" || style(hint).display === "none")
    wrong.push("nothing says that this scrolls: " + part.getAttribute("aria-label"));
}
for (const hint of d.querySelectorAll(".hint")) {
  const part = hint.nextElementSibling;
  if (style(hint).display !== "none" && part.scrollWidth <= part.clientWidth) wrong.push("a hint, and nothing scrolls");
}
const found = { wrong, scrolling, paper: light(style(d.body).backgroundColor), ink: light(style(d.body).color) };
window.top.document.title = "found=" + JSON.stringify(found);
"""
DESK, PHONE, A4 = 1280, 390, 703  # CSS pixels; A4 without its margins


def _chromium(directory: Path, *arguments: str) -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium on this machine")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,2000",
        f"--user-data-dir={directory / 'profile'}",
    ]
    done = subprocess.run([program, *options, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(
    made: str, directory: Path, *, width: int = DESK, dark: bool = False, scrolls: bool = False, paper: bool = False
) -> dict[str, float]:
    """What the browser found on a page, with nothing wrong. A frame has any width; a window has not."""
    inside = escape(made.replace("</body>", f"<script>{MEASURE}</script></body>"), quote=True)
    path = directory / "frame.html"
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><title>none</title>'
        f'<iframe width="{width}" height="1600" style="border:0" srcdoc="{inside}"></iframe>',
        encoding="utf-8",
    )
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    title = re.search(r"<title>found=(.*?)</title>", _chromium(directory, scheme, "--dump-dom", path.as_uri()))
    assert title is not None
    found = json.loads(unescape(title.group(1)))
    assert found["wrong"] == []
    assert (found["scrolling"] > 0) == scrolls
    assert (found["paper"] < found["ink"]) == (dark and not paper)
    return dict(found)


def plan_of(name: str) -> Preview:
    (path,) = SAMPLES.glob(f"*{name}*")
    return report_for(path, None, "8.0.3")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["vmfs7-bond", "dhcp-only"])
def test_it_fits_and_can_be_read_at_every_width_light_and_dark(
    name: str, width: int, dark: bool, tmp_path: Path
) -> None:
    measured(page(_with_links(plan_of(name))), tmp_path, width=width, dark=dark, scrolls=width == PHONE)


def test_nics_with_long_names_fit(tmp_path: Path) -> None:
    report = plan_of("vmfs7-bond")
    long = [replace(nic, name="enp129s0f1np1dot1", vmnic=nic.vmnic) for nic in report.nics]
    measured(page(replace(report, nics=tuple(long))), tmp_path)


@pytest.mark.parametrize("name", ["simple-static", "esxi67"])
def test_other_configurations_fit(name: str, tmp_path: Path) -> None:
    measured(page(plan_of(name)), tmp_path)


def test_on_paper_all_of_it_is_light_and_nothing_is_cut_off(tmp_path: Path) -> None:
    made = page(_with_links(plan_of("vmfs7-bond")))
    assert "@media print" in made
    # As the printer sees it, on a dark screen: the rules for paper count, those for screens do not.
    paper = made.replace("@media screen", "@media speech").replace("@media print", "@media all")
    measured(paper, tmp_path, width=A4, dark=True, paper=True)


def test_it_prints(tmp_path: Path) -> None:
    path, paper = tmp_path / "plan.html", tmp_path / "plan.pdf"
    path.write_text(page(plan_of("vmfs7-bond")), encoding="utf-8")
    _chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", path.as_uri())
    printed = paper.read_bytes()
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) in range(1, 10)


def test_every_part_that_is_drawn_has_its_colour_and_its_place_in_the_legend() -> None:
    style = files("esxforge.preview").joinpath("page.css").read_text(encoding="utf-8")
    for name in ("vmfs7-bond", "dhcp-only", "simple-static", "esxi67"):
        made = page(plan_of(name))
        drawn = set(re.findall(r'<(?:rect|path) class="([^"]+)"', re.sub(r'<ul class="legend">.*?</ul>', "", made)))
        explained = set(re.findall(r'class="swatch".*?<(?:rect|path) class="([^"]+)"', made))
        assert drawn == explained
        for kind in drawn:
            assert any(f".{word} {{" in style or f".{word}," in style for word in kind.split()[::-1]), kind


def _with_links(report: Preview) -> Preview:
    speeds = (25_000, 10_000, 1_000, None)
    nics = [replace(nic, link_speed=speed) for nic, speed in zip(report.nics, speeds, strict=False)]
    return replace(report, nics=tuple(nics), machine="esx01.maas (rfuygq)")


def test_it_names_the_machine_the_time_and_each_nic_with_its_link() -> None:
    report = _with_links(plan_of("vmfs7-bond"))
    text = unescape(re.sub(r"<[^>]+>", "\n", page(report, datetime(2026, 11, 28, 16, 5, tzinfo=timezone.utc))))
    assert "esx01.maas (rfuygq)" in text
    assert "2026-11-28 16:05 UTC" in text
    for nic, speed in zip(report.nics, ("25 Gbit/s", "10 Gbit/s", "1 Gbit/s", ""), strict=False):
        assert len(re.findall(rf"^(?:.* · )?{nic.mac}(?: · {speed})?$", text, re.MULTILINE)) >= 2, nic
        assert f"{nic.name} · {nic.mac}" + (f" · {speed}" if speed else "") in text


def test_what_is_not_known_is_left_out() -> None:
    text = page(plan_of("vmfs7-bond"))
    assert "<h1>Plan</h1>" in text
    assert "UTC" not in text
    assert "bit/s" not in text
    assert "no link" not in text
    assert "None" not in text


def test_a_nic_without_a_link_has_no_speed() -> None:
    report = plan_of("dhcp-only")
    nics = tuple(replace(nic, link_speed=1000, link_connected=False) for nic in report.nics)
    text = page(replace(report, nics=nics))
    assert "no link" in text
    assert "bit/s" not in text


def test_everything_is_drawn(tmp_path: Path) -> None:
    for name in ("vmfs7-bond", "dhcp-only", "simple-static", "esxi67"):
        report = plan_of(name)
        text = unescape(re.sub(r"<[^>]+>", "\n", page(report)))
        for row in report.network:
            assert row.vswitch in text
            assert row.port_group in text
            for address in row.addresses:
                assert address in text
            for _, vmnic in row.nics:
                assert vmnic in text
        for step in report.plan.steps:
            assert step.changes in text


def test_refusals_are_drawn(tmp_path: Path) -> None:
    made = page(report_for(BRIDGE, None, "8.0.3"))
    measured(made, tmp_path)
    assert 'id="errors"' in made
    assert "ESXi has no bridges" in made
    assert "<svg" not in made


def test_the_page_needs_nothing_from_anywhere() -> None:
    text = page(report_for(BOND, None, "8.0.3"))
    assert not re.search(r"(?:src|href)=", text)
    assert set(re.findall(r"https?://[^\"'\s<]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "<script" not in text
    assert "prefers-color-scheme: dark" in text


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    text = BOND.read_text(encoding="utf-8").replace("datastore2", "<script>x</script>")
    path = tmp_path / "curtin.yaml"
    path.write_text(text.replace("/vmfs/volumes/<script>x</script>", "/x").replace("</script>", "&"), encoding="utf-8")
    made = page(report_for(path, None, "8.0.3"))
    assert "<script" not in made
    assert "&lt;script&gt;" in made


def test_disks_are_to_scale() -> None:
    made = page(report_for(BOND, None, "8.0.3"))
    widths = [float(width) for width in re.findall(r'<rect class="disk"[^>]* width="([0-9.]+)"', made)]
    # 100, 100 and 200 GiB
    assert widths[0] == pytest.approx(widths[1], rel=0.01)
    assert widths[2] == pytest.approx(2 * widths[1], rel=0.01)


def test_the_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    report = report_for(BOND, None, "8.0.3")
    with pytest.raises(OutputError):
        write_html(report, tmp_path / "nowhere" / "plan.html")
    write_html(report, tmp_path / "plan.html")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.html"]


def test_the_time_on_a_written_page_can_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_for(BOND, None, "8.0.3")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    write_html(report, tmp_path / "plan.html")
    assert "2023-11-14 22:13 UTC" in (tmp_path / "plan.html").read_text(encoding="utf-8")
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    before = datetime.now(timezone.utc)
    write_html(report, tmp_path / "now.html")
    shown = re.search(r"([0-9-]{10} [0-9:]{5}) UTC", (tmp_path / "now.html").read_text(encoding="utf-8"))
    assert shown is not None
    at = datetime.strptime(shown.group(1), "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc)
    assert before.replace(second=0, microsecond=0) <= at <= datetime.now(timezone.utc)

"""The page of ``esxforge plan --html`` in a real browser: it draws everything, needs nothing, and fits."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from esxforge.errors import OutputError
from esxforge.preview.html import page, write_html
from esxforge.preview.report import Preview, report_for

SAMPLES = Path(__file__).parents[2] / "data" / "curtin"
BOND = SAMPLES / "maas3.6.5-esxi8-vmfs7-bond-vlan-alias-ipv6.yaml"
BRIDGE = SAMPLES / "maas3.6.5-esxi8-bridge-not-refused.yaml"
# What a drawing must not do: stick out of its view box, or let a text run over its box.
MEASURE = """
<script>
const wrong = [];
for (const svg of document.querySelectorAll("svg")) {
  const box = svg.viewBox.baseVal;
  for (const element of svg.querySelectorAll("rect, text")) {
    const b = element.getBBox();
    if (b.x < box.x - 1 || b.y < box.y - 1 || b.x + b.width > box.width + 1 || b.y + b.height > box.height + 1)
      wrong.push("outside: " + element.textContent + JSON.stringify([b.x, b.y, b.width, b.height]));
  }
  for (const group of svg.querySelectorAll("g")) {
    const rect = group.querySelector("rect").getBBox();
    for (const text of group.querySelectorAll("text")) {
      const b = text.getBBox();
      if (b.x < rect.x || b.x + b.width > rect.x + rect.width) wrong.push("overrun: " + text.textContent);
    }
  }
}
if (document.documentElement.scrollWidth > innerWidth) wrong.push("the page is wider than the window");
document.title = "wrong=" + JSON.stringify(wrong);
</script>
"""


def browse(path: Path, directory: Path) -> str:
    """The page's DOM after a real browser laid it out."""
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
    ]
    done = subprocess.run(
        [program, *options, f"--user-data-dir={directory / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(report: Preview, tmp_path: Path) -> str:
    path = tmp_path / "plan.html"
    path.write_text(page(report).replace("</body>", MEASURE + "</body>"), encoding="utf-8")
    dom = browse(path, tmp_path)
    title = re.search(r"<title>wrong=(.*?)</title>", dom)
    assert title is not None
    assert unescape(title.group(1)) == "[]"
    return dom


@pytest.mark.parametrize("name", ["vmfs7-bond", "dhcp-only", "simple-static", "esxi67"])
def test_a_browser_draws_all_of_it_and_nothing_overlaps(name: str, tmp_path: Path) -> None:
    (path,) = SAMPLES.glob(f"*{name}*")
    report = report_for(path, None, "8.0.3")
    dom = measured(report, tmp_path)
    text = unescape(re.sub(r"<[^>]+>", "\n", dom))
    for row in report.network:
        assert row.vswitch in text
        assert row.port_group in text
        for address in row.addresses:
            assert address in text
        for _, vmnic in row.nics:
            assert vmnic in text
    for step in report.plan.steps:
        assert step.changes in text
    assert dom.count("<svg") == 2


def test_refusals_are_drawn(tmp_path: Path) -> None:
    dom = measured(report_for(BRIDGE, None, "8.0.3"), tmp_path)
    assert 'id="errors"' in dom
    assert "ESXi has no bridges" in dom
    assert "<svg" not in dom


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

"""The bar on a real pseudo-terminal, and quiet elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from esxforge.cli.progress import columns as progress_columns

_SCRIPT = """
import sys, time
from esxforge import events
from esxforge.cli.render import listener
with listener(verbose="-v" in sys.argv) as tell:
    tell(events.Decision("because of this"))
    tell(events.Notice("look out", warning=True))
    with events.step(tell, "writing the image", 64 << 20):
        for done in range(0, 65, 8):
            tell(events.BytesDone("writing the image", done << 20))
            time.sleep(0.1)
"""


def _on_terminal(*arguments: str, **environment: str) -> str:
    ours, theirs = pty.openpty()
    # Wide enough, and a terminal that knows colours, whatever the tests run in.
    told = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **environment}
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, *arguments], stdout=subprocess.DEVNULL, stderr=theirs, env=told
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 65536):
                seen += chunk
        except OSError:  # the other side is closed
            pass
        assert process.wait() == 0
    os.close(ours)
    return seen.decode()


def test_a_terminal_gets_a_bar_with_bytes_rate_and_time_left() -> None:
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", _on_terminal())
    assert re.search(r"writing the image .*/64\.0 MiB [\d.]+ [kMG]?i?B/s \d:\d\d:\d\d", text), text
    assert "warning: look out" in text
    assert "because of this" not in text


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("step", ["writing the image", "uploading esxi/8.0.3-with-a-long-name"])
def test_a_bar_has_one_line_of_any_width_and_its_numbers_are_whole(step: str, columns: int) -> None:
    console = Console(width=columns, color_system=None)
    progress = Progress(*progress_columns(columns), console=console, auto_refresh=False)
    progress.update(progress.add_task(step, total=1023 << 20), completed=1000 << 20)
    with console.capture() as captured:
        console.print(progress.get_renderable())
    (line,) = captured.get().splitlines()
    assert len(line) <= columns
    assert "1,000.0/1,023.0 MiB" in line
    assert line.rstrip().endswith("-:--:--")
    assert line.startswith(step[:6])
    assert columns < 60 or line.startswith(step[:17])


def test_no_color_leaves_the_bar_without_colours() -> None:
    colours = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m|\x1b\[9[0-9]m")
    assert colours.search(_on_terminal(NO_COLOR="")) or colours.search(_on_terminal())
    assert not colours.search(_on_terminal(NO_COLOR="1"))


@pytest.mark.parametrize("verbose", [False, True])
def test_elsewhere_there_are_lines_of_text_alone(verbose: bool, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        arguments = ["-v"] if verbose else []
        subprocess.run([sys.executable, "-c", _SCRIPT, *arguments], stderr=log, check=True)
    expected = ["warning: look out"]
    if verbose:
        expected = ["because of this", "warning: look out", "writing the image: done"]
    assert (tmp_path / "log").read_text().splitlines() == expected

"""Nothing from outside drives the terminal: one filter at the edge, on a terminal and off it."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from esxforge import events
from esxforge.cli.console import FilteredConsole
from esxforge.cli.progress import ProgressDisplay
from esxforge.cli.terminal import filtered_streams, unfiltered

HOSTILE = Path(__file__).parents[2] / "data" / "hostile"
CURTIN = Path(__file__).parents[2] / "data" / "curtin" / "maas3.6.5-esxi8-vmfs7-simple-static.yaml"
EVIL = "a\x1b]0;owned\x07\x1b[31m\x9b2J\rb\u202ec"
SHOWN = "a\\x1b]0;owned\\x07\\x1b[31m\\x9b2J\\rb\\u202ec"
RUNS = [
    ["recipe", "check", HOSTILE / "recipe" / "ansi.toml"],
    ["recipe", "check", HOSTILE / "recipe" / "ansi2.toml"],
    ["plan", "--curtin-config", CURTIN, "--inventory", HOSTILE / "inventory" / "ansi.json"],
    ["verify", EVIL],
    ["nonsense\x1b[31m"],
    ["recipe", "check", "x", f"--{EVIL}"],
]


@pytest.mark.parametrize("arguments", RUNS, ids=lambda arguments: f"{arguments[0]} {str(arguments[-1])[-12:]!a}")
@pytest.mark.parametrize("locale", ["C.UTF-8", "POSIX"])
def test_no_escape_sequence_comes_out(arguments: list[object], locale: str) -> None:
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [os.fsencode(part) if isinstance(part, Path) else str(part).encode() for part in arguments]
    done = subprocess.run([sys.executable, "-m", "esxforge", *words], capture_output=True, check=False, env=environment)
    assert done.returncode in (1, 2)
    assert done.stderr
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]", done.stdout + done.stderr)
    assert b"Traceback" not in done.stderr
    assert b"x1b" in done.stderr


def test_on_a_terminal_too() -> None:
    controller, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "esxforge", "verify", EVIL], stdout=terminal, stderr=terminal, check=False
        )
        os.close(terminal)
        written = os.read(controller, 1 << 16)
    finally:
        os.close(controller)
    assert done.returncode == 1
    assert b"owned" in written
    assert b"\x1b" not in re.sub(rb"\x1b\[(\?25[lh]|2K)", b"", written)  # rich hides the cursor, and clears its bar


def test_notices_beside_a_bar_are_filtered_and_the_bar_keeps_its_own_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    display = ProgressDisplay(verbose=False, quiet=False)
    with display:
        display.on_event(events.StepStarted(f"[link=http://x]{EVIL}", 10))
        display.on_event(events.Notice(EVIL))
    text = stream.getvalue()
    assert f"note: {SHOWN}" in text
    assert "[link=http://x]" in text
    assert "\x1b[" in text
    assert "owned\x07" not in text
    assert "\u202e" not in text


def test_cells_of_tables_are_filtered() -> None:
    stream = io.StringIO()
    table = Table("head")
    table.add_row(Text(EVIL))
    FilteredConsole(stream, width=80).print(table)
    assert "a\\x1b]0;owned" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()


def test_a_plan_shows_names_in_full(tmp_path: Path) -> None:
    config = tmp_path / "curtin.yaml"
    config.write_text(CURTIN.read_text().replace("    name: sda\n", '    name: "s\\e]0;owned\\a\\u202e"\n'))
    arguments = [sys.executable, "-m", "esxforge", "plan", "--curtin-config", str(config)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "s\\x1b]0;owned\\x07\\u202e (boot)" in done.stdout
    assert "\x1b" not in done.stdout


def test_streams_are_filtered_within_the_block_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with filtered_streams():
        print(EVIL)
        sys.stderr.writelines([EVIL, "\n"])
        assert unfiltered(sys.stdout) is before
        assert not hasattr(sys.stdout, "buffer")
    assert sys.stdout is before
    out, err = capsys.readouterr()
    assert out == err == SHOWN + "\n"

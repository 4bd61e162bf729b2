"""The small programs of the Makefile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def timed(file: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "tools" / "timed", file, *command], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_timed_command_says_first_how_long_it_took_the_last_time(tmp_path: Path) -> None:
    file = tmp_path / "stamps" / "seconds"
    first = timed(file, "true")
    assert "Not timed here yet" in first.stderr
    assert file.read_text(encoding="ascii").strip().isdecimal()
    file.write_text("754\n", encoding="ascii")
    assert "12 min 34 s" in timed(file, "true").stderr


def test_a_failed_command_keeps_its_status_and_the_last_good_time(tmp_path: Path) -> None:
    file = tmp_path / "seconds"
    file.write_text("754\n", encoding="ascii")
    assert timed(file, "sh", "-c", "exit 3").returncode == 3
    assert file.read_text(encoding="ascii") == "754\n"


def test_the_readmes_pictures_are_what_the_program_draws_today(tmp_path: Path) -> None:
    """`make pictures` renews them."""
    code = (
        "import runpy, sys\n"
        "made = runpy.run_path(sys.argv[1])['pictures']()\n"
        "read = lambda name: open(f'docs/pictures/{name}', encoding='utf-8').read()\n"
        "stale = [name for name, text in made.items() if read(name) != text]\n"
        "sys.exit(f'{stale}: make pictures' if stale else 0)\n"
    )
    command = [sys.executable, "-c", code, str(ROOT / "tools" / "pictures.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr

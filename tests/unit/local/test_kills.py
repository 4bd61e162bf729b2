"""A process that is killed at any call leaves old or new files, and the next run works. ``make kills``: with builds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unit.local.kills import Program, can_trace, kill_everywhere
from unit.local.set_writer import KINDS, complete, contents, write_set


@pytest.mark.slow
@pytest.mark.skipif(not can_trace(), reason="strace is not installed, or may not trace here")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["free", "force"])
def test_a_kill_at_any_call_does_no_harm(kind: str, how: str) -> None:
    def prepare(directory: Path) -> None:
        if how == "force":
            write_set(directory, "old")

    def check(directory: Path, state: str) -> None:
        found = {name: content for name, content in contents(directory).items() if not name.startswith(".")}
        if "image" in found:
            text = found["image"].decode().removeprefix(" of ")
            assert all(complete(text)[name] == content for name, content in found.items())
        if state == "finished":
            assert found["image"] == b" of new"
            assert contents(directory) == found
            assert kind == "no-hard-links" or found == complete("new")
        elif how == "force":
            assert "image" in found

    def command(directory: Path) -> list[str]:
        return [sys.executable, "-m", "unit.local.set_writer", str(directory), "new", how, kind]

    kills = list(kill_everywhere(Program("set", command, prepare, check)))
    assert {"openat", "unlinkat", "fsync"} <= {call for call, _ in kills}
    assert len(kills) > 20

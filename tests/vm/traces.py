"""What a virtual machine might leave behind: processes and open descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def processes_naming(text: str) -> list[int]:
    """The ids of QEMU processes whose command line holds ``text``; those that only wait to be reaped do not count."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes()
            state = (directory / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if command.startswith(b"qemu-system") and text.encode() in command and state != "Z":
            found.append(int(directory.name))
    return found


@contextmanager
def nothing_left(directory: Path) -> Iterator[None]:
    """Fail unless every QEMU that names ``directory`` is gone afterwards, and every descriptor closed."""
    before = _descriptors()
    yield
    assert processes_naming(str(directory)) == []
    assert _descriptors() == before


def _descriptors() -> list[str]:
    targets = (_target(entry) for entry in Path("/proc/self/fd").iterdir())
    return sorted(target for target in targets if target and not target.endswith("/fd"))


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink()).split(":")[0]
    except FileNotFoundError:  # the one that lists
        return ""

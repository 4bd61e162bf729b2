"""A power cut at any moment: what a file system may have kept is old or new, and the next run puts it right.

The calls that change names are recorded while a set of files is written. A file system keeps what was synced; of what
came after the last sync it may have kept any part (a data block, a name, both or neither). Every such state is made in
a directory, looked at, and written over by another run.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from unit.local.set_writer import KINDS, complete, contents, limit, write_set

GARBAGE = b"what the disk held before"


@dataclass
class Recorder:
    """Calls as (call, file number or name, name), in order; ``data`` is what the files held in the end."""

    calls: list[tuple[str, Any, str]] = field(default_factory=list)
    data: dict[int, bytes] = field(default_factory=dict)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opens, links, replaces, unlinks, syncs = os.open, os.link, os.replace, os.unlink, os.fsync

        def opened(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            descriptor = opens(path, flags, mode, dir_fd=dir_fd)
            if flags & os.O_CREAT and str(path).startswith("."):
                self.calls.append(("link", os.fstat(descriptor).st_ino, path))
            return descriptor

        def link(source: str, target: str, **more: Any) -> None:
            links(source, target, **more)
            self.calls.append(("link", os.stat(target, dir_fd=more["dst_dir_fd"]).st_ino, target))

        def replace(source: str, target: str, **more: Any) -> None:
            replaces(source, target, **more)
            self.calls.append(("rename", source, target))

        def unlink(name: str, **more: Any) -> None:
            unlinks(name, **more)
            self.calls.append(("unlink", name, ""))

        def fsync(descriptor: int) -> None:
            syncs(descriptor)
            status = os.fstat(descriptor)
            if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
                self.calls.append(("sync names", 0, ""))
            else:
                self.data[status.st_ino] = os.pread(descriptor, status.st_size, 0)
                self.calls.append(("sync data", status.st_ino, ""))

        # os.link is refused by one of the kinds of file systems: what is refused is not recorded.
        for name, recording in (("open", opened), ("link", link), ("replace", replace), ("unlink", unlink)):
            monkeypatch.setattr(os, name, recording)
        monkeypatch.setattr(os, "fsync", fsync)


def states(recorder: Recorder, before: dict[str, int], old: dict[int, bytes]) -> Iterator[dict[str, tuple[int, bytes]]]:
    """Every state in which a power cut can leave the directory: names with their file's number and content."""
    kept, safe = dict(before), set(old)
    pending: list[tuple[str, Any, str]] = []
    for call in [*recorder.calls, ("end", 0, "")]:
        for count in range(len(pending) + 1):
            for chosen in itertools.combinations(pending, count):
                names = _applied(kept, chosen)
                if names is not None:
                    known = {**old, **recorder.data}
                    yield {
                        name: (number, known.get(number, b"") if number in safe else GARBAGE)
                        for name, number in names.items()
                    }
        if call[0] == "sync data":
            safe.add(call[1])
        elif call[0] == "sync names":
            done = _applied(kept, tuple(pending))
            assert done is not None
            kept, pending = done, []
        else:
            pending.append(call)


def _applied(names: dict[str, int], calls: tuple[tuple[str, Any, str], ...]) -> dict[str, int] | None:
    """The names after these calls; None where one depends on a call that was lost."""
    names = dict(names)
    for call, what, name in calls:
        if call == "link":
            names[name] = what
        elif what not in names:
            return None
        elif call == "rename":
            names[name] = names.pop(what)
        else:
            del names[what]
    return names


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", ["new", "over an old one", "over an old one, without SBOM", "over old companions"])
def test_a_power_cut_leaves_old_or_new_and_the_next_run_works(
    kind: str, scenario: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    if scenario != "new":
        write_set(work, "old")
    if scenario == "over old companions":
        (work / "image").unlink()
    numbers = {path.name: path.stat().st_ino for path in work.iterdir()}
    old = {path.stat().st_ino: path.read_bytes() for path in work.iterdir()}
    first = contents(work)
    recorder = Recorder()
    with monkeypatch.context() as patched:
        limit(kind, patched.setattr)
        recorder.install(patched)
        write_set(work, "new", overwrite=scenario != "new", sbom="without" not in scenario)
    seen = set()
    for number, state in enumerate(states(recorder, numbers, old)):
        found = {name: content for name, (_, content) in state.items() if not name.startswith(".")}
        key = str(sorted((name, file) for name, file in state.items()))
        if key in seen:
            continue
        seen.add(key)
        _check(found, scenario, kind)
        place = tmp_path / str(number)
        place.mkdir()
        _make(place, state)
        _check_next_run(place, found, scenario, first, kind)
    assert len(seen) > 10


def _check(found: dict[str, bytes], scenario: str, kind: str) -> None:
    """What is visible belongs together, and is old or new."""
    if "image" in found:
        text = found["image"].decode().removeprefix(" of ")
        assert text in ("old", "new")
        assert all(complete(text)[name] == content for name, content in found.items())
        if scenario == "new" and kind != "no-hard-links":
            assert set(found) == set(complete("new"))
    else:
        assert scenario in ("new", "over old companions")
        assert all(content in (complete("old")[name], complete("new")[name]) for name, content in found.items())


def _make(place: Path, state: dict[str, tuple[int, bytes]]) -> None:
    made: dict[int, Path] = {}
    for name, (number, content) in state.items():
        if number in made:
            (place / name).hardlink_to(made[number])
        else:
            (place / name).write_bytes(content)
            made[number] = place / name


def _check_next_run(place: Path, found: dict[str, bytes], scenario: str, first: dict[str, bytes], kind: str) -> None:
    """The same command again makes a complete set; before that, a run that fails brings the old companions back."""
    with pytest.MonkeyPatch.context() as patched:
        limit(kind, patched.setattr)
        overwrite = scenario != "new" or "image" in found
        with pytest.raises(RuntimeError):
            _fail(place, overwrite=overwrite)
        visible = contents(place)
        assert not [name for name in visible if re.search(r"\.(partial|ready|old|lock)$", name)]
        if "image" not in found and scenario == "new":
            assert visible == {}
        if found.get("image") == b" of old" or ("image" not in found and scenario != "new"):
            assert visible == first
        write_set(place, "next", overwrite=overwrite)
    assert contents(place) == complete("next")


def _fail(place: Path, *, overwrite: bool) -> None:
    from esxforge.local.output import reserve

    companions = (place / "image.manifest", place / "image.sbom")
    with reserve(place / "image", companions, overwrite=overwrite):
        raise RuntimeError

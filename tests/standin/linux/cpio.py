"""Archives that Linux unpacks into its first RAM file system: the “newc” form of cpio.

Facts: Linux, Documentation/driver-api/early-userspace/buffer-format.rst: a header of 110 bytes in hexadecimal, the name
and a zero byte, the data; name and data each padded to 4 bytes; the entry ``TRAILER!!!`` ends the archive. Equal
contents give equal bytes: entries are sorted, and all belong to root and are of the same time.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

TIME = 1_600_000_000  # seconds since 1970; anything but now
_MAGIC = "070701"
_NAME_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: int
    content: bytes | Path = b""
    device: tuple[int, int] = (0, 0)


class Archive:
    """Entries by their path in the guest; directories above them are added by themselves, a later entry replaces
    one."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def __contains__(self, path: str) -> bool:
        return _normal(path) in self._entries

    @property
    def paths(self) -> list[str]:
        """All paths, without a leading slash, sorted."""
        return sorted(self._entries)

    def add(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        """A file with this content."""
        data = content.encode() if isinstance(content, str) else content
        self._put(path, _Entry(stat.S_IFREG | mode, data))

    def add_file(self, path: str, source: Path, mode: int | None = None) -> None:
        """A file of this computer, links followed; ``mode`` None keeps its permissions."""
        permissions = stat.S_IMODE(source.stat().st_mode) if mode is None else mode
        self._put(path, _Entry(stat.S_IFREG | permissions, source))

    def add_directory(self, path: str, mode: int = 0o755) -> None:
        """An empty directory."""
        self._put(path, _Entry(stat.S_IFDIR | mode))

    def add_link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self._put(path, _Entry(stat.S_IFLNK | 0o777, target.encode()))

    def add_character_device(self, path: str, major: int, minor: int, mode: int = 0o600) -> None:
        """A device node."""
        self._put(path, _Entry(stat.S_IFCHR | mode, device=(major, minor)))

    def add_tree(self, path: str, source: Path, keep: Callable[[PurePosixPath], bool] = lambda _: True) -> None:
        """All of a directory of this computer: directories, files and links, those for which ``keep`` says yes.

        ``keep`` gets the path below ``source``; a directory that is not kept is not entered.
        """
        self.add_directory(path)
        for entry in sorted(source.iterdir()):
            self._add_below(path, source, entry, keep)

    def write(self, out: BinaryIO) -> None:
        """Write the archive; files are read now."""
        for number, (name, entry) in enumerate(sorted(self._entries.items()), start=1):
            data = entry.content.read_bytes() if isinstance(entry.content, Path) else entry.content
            out.write(_record(number, name, entry, data))
        out.write(_record(0, "TRAILER!!!", _Entry(0), b""))

    def _add_below(self, path: str, top: Path, entry: Path, keep: Callable[[PurePosixPath], bool]) -> None:
        below = PurePosixPath(entry.relative_to(top).as_posix())
        if not keep(below):
            return
        inside = f"{path}/{below}"
        if entry.is_symlink():
            self.add_link(inside, str(entry.readlink()))
        elif entry.is_dir():
            self.add_directory(inside)
            for child in sorted(entry.iterdir()):
                self._add_below(path, top, child, keep)
        elif entry.is_file():
            self.add_file(inside, entry)

    def _put(self, path: str, entry: _Entry) -> None:
        name = _normal(path)
        for directory in _directories_above(name):
            self._entries.setdefault(directory, _Entry(stat.S_IFDIR | 0o755))
        is_directory = stat.S_ISDIR(entry.mode)
        if not is_directory and any(other.startswith(name + "/") for other in self._entries):
            raise ValueError(f"{name} is a directory already")
        self._entries[name] = entry


def _normal(path: str) -> str:
    name = str(PurePosixPath("/") / path).lstrip("/")
    if not name or ".." in PurePosixPath(name).parts or len(name.encode()) >= _NAME_LIMIT:
        raise ValueError(f"{path!r} cannot be the path of an entry")
    return name


def _directories_above(name: str) -> Iterator[str]:
    for directory in reversed(PurePosixPath(name).parents):
        if str(directory) != ".":
            yield str(directory)


def _record(number: int, name: str, entry: _Entry, data: bytes) -> bytes:
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    encoded = name.encode() + b"\0"
    fields = (number, entry.mode, 0, 0, links, TIME, len(data), 0, 0, *entry.device, len(encoded), 0)
    header = (_MAGIC + "".join(f"{field:08X}" for field in fields)).encode()
    head = header + encoded
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)

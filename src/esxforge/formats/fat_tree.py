"""The directories of a FAT volume to be: from a flat list of paths to slots, deterministically."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from esxforge_target.formats.fat_directory import (
    ARCHIVE,
    DIRECTORY,
    MOST_SLOTS,
    VOLUME_LABEL,
    dos_time,
    dot_slots,
    named_slots,
    packed_slot,
)
from esxforge_target.formats.fat_names import (
    SLOT_BYTES,
    ShortNames,
    check_name,
    folded,
    is_plain,
    long_slots,
    packed_short,
)
from esxforge_target.runtime.errors import FormatError

LARGEST_FILE = 0xFFFFFFFF


@dataclass(slots=True)
class Node:
    """A file or directory. ``size`` in bytes; ``cluster`` is set once its place is known (0: it has none)."""

    path: str
    name: str
    is_directory: bool
    size: int = 0
    cluster: int = 0
    short_name: str = ""
    children: dict[str, Node] = field(default_factory=dict)  # by folded name, in the order given

    def directories(self) -> Iterator[Node]:
        """This directory and all below it, parents first."""
        waiting = [self]  # a list, not recursion: paths may be deeper than Python's stack
        while waiting:
            directory = waiting.pop()
            yield directory
            waiting.extend(child for child in reversed(directory.children.values()) if child.is_directory)


def build_tree(files: Sequence[tuple[str, int]], directories: Sequence[str] = ()) -> tuple[Node, dict[str, Node]]:
    """The root, and the files by path, of ``(path, size in bytes)`` pairs and of directories that may be empty.

    Paths are relative or absolute, with "/" between their parts. Raises FormatError for names that FAT cannot hold, two
    names that differ in case alone, files of 4 GiB and more, and directories with too many entries.
    """
    root = Node("", "", is_directory=True)
    by_path: dict[str, Node] = {}
    for path in directories:
        _enter_directory(root, _parts(path), path)
    for path, size in files:
        if size > LARGEST_FILE:
            raise FormatError(
                f"{path} is {size} bytes long: FAT cannot hold a file of 4 GiB or more.", "Leave this file out."
            )
        parts = _parts(path)
        directory = _enter_directory(root, parts[:-1], path)
        node = _add(directory, Node("/".join(parts), parts[-1], is_directory=False, size=size), path)
        by_path[path] = node
    for directory in root.directories():
        _give_short_names(directory)
        if slot_count(directory) > MOST_SLOTS:
            raise FormatError(f"The directory /{directory.path} has too many files for FAT: {len(directory.children)}.")
    return root, by_path


def _parts(path: str) -> list[str]:
    parts = path.strip("/").split("/")
    for part in parts:
        check_name(part)
    return parts


def _enter_directory(root: Node, parts: Sequence[str], desired_by: str) -> Node:
    directory = root
    for depth, part in enumerate(parts):
        known = directory.children.get(folded(part))
        if known is None or known.name != part or not known.is_directory:
            known = _add(directory, Node("/".join(parts[: depth + 1]), part, is_directory=True), desired_by)
        directory = known
    return directory


def _add(directory: Node, node: Node, desired_by: str) -> Node:
    key = folded(node.name)
    known = directory.children.setdefault(key, node)
    if known is not node:
        raise FormatError(
            f"/{known.path} and /{node.path} are one name on FAT (desired by {desired_by!r}).",
            "FAT does not tell upper case from lower case: rename one of them, or leave it out.",
        )
    return node


def _give_short_names(directory: Node) -> None:
    """Plain names keep theirs, then come those that only differ in case, then those that need a numeric tail."""
    short_names = ShortNames({name.name for name in directory.children.values() if is_plain(name.name)})
    rest = []
    for child in directory.children.values():
        if is_plain(child.name):
            child.short_name = child.name
            continue
        child.short_name = short_names.take_lossless(child.name)
        if not child.short_name:
            rest.append(child)
    for child in rest:
        child.short_name = short_names.take(child.name)


def slot_count(directory: Node) -> int:
    """Slots that a directory takes, "." and ".." (not in the root) or a volume label (there) not counted."""
    count = 0
    for child in directory.children.values():
        count += 1
        if child.name != child.short_name:
            count += len(long_slots(child.name, packed_short(child.short_name))) // SLOT_BYTES
    return count


def directory_bytes(directory: Node, parent: Node | None, when: datetime.datetime, label: bytes = b"") -> bytes:
    """The slots of a directory whose clusters, and those of its children, are known; ``label`` (11 bytes) in the
    root."""
    date, time = dos_time(when)
    parts = []
    if label:
        parts.append(packed_slot(label, VOLUME_LABEL, 0, 0, date, time))
    if parent is not None:
        parent_cluster = 0 if not parent.path else parent.cluster
        parts.append(dot_slots(directory.cluster, parent_cluster, date, time))
    for child in directory.children.values():
        attributes = DIRECTORY if child.is_directory else ARCHIVE
        own = packed_slot(packed_short(child.short_name), attributes, child.cluster, child.size, date, time)
        parts.append(named_slots(child.name, child.short_name, own))
    return b"".join(parts)

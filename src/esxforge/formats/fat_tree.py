"""The folders of a FAT volume to be: from a flat list of paths to slots, deterministically."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from esxforge_target.errors import FormatError
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

LARGEST_FILE = 0xFFFFFFFF


@dataclass(slots=True)
class Node:
    """A file or folder. ``size`` in bytes; ``cluster`` is set once its place is known (0: it has none)."""

    path: str
    name: str
    is_folder: bool
    size: int = 0
    cluster: int = 0
    short_name: str = ""
    children: dict[str, Node] = field(default_factory=dict)  # by folded name, in the order given

    def folders(self) -> Iterator[Node]:
        """This folder and all below it, parents first."""
        waiting = [self]  # a list, not recursion: paths may be deeper than Python's stack
        while waiting:
            folder = waiting.pop()
            yield folder
            waiting.extend(child for child in reversed(folder.children.values()) if child.is_folder)


def build_tree(files: Sequence[tuple[str, int]], folders: Sequence[str] = ()) -> tuple[Node, dict[str, Node]]:
    """The root, and the files by path, of ``(path, size in bytes)`` pairs and of folders that may be empty.

    Paths are relative or absolute, with "/" between their parts. Raises FormatError for names that FAT cannot hold, two
    names that differ in case alone, files of 4 GiB and more, and folders with too many entries.
    """
    root = Node("", "", is_folder=True)
    by_path: dict[str, Node] = {}
    for path in folders:
        _enter_folder(root, _parts(path), path)
    for path, size in files:
        if size > LARGEST_FILE:
            raise FormatError(
                f"{path} is {size} bytes long: FAT cannot hold a file of 4 GiB or more.", "Leave this file out."
            )
        parts = _parts(path)
        folder = _enter_folder(root, parts[:-1], path)
        node = _add(folder, Node("/".join(parts), parts[-1], is_folder=False, size=size), path)
        by_path[path] = node
    for folder in root.folders():
        _give_short_names(folder)
        if slot_count(folder) > MOST_SLOTS:
            raise FormatError(f"The folder /{folder.path} has too many files for FAT: {len(folder.children)}.")
    return root, by_path


def _parts(path: str) -> list[str]:
    parts = path.strip("/").split("/")
    for part in parts:
        check_name(part)
    return parts


def _enter_folder(root: Node, parts: Sequence[str], wanted_by: str) -> Node:
    folder = root
    for depth, part in enumerate(parts):
        known = folder.children.get(folded(part))
        if known is None or known.name != part or not known.is_folder:
            known = _add(folder, Node("/".join(parts[: depth + 1]), part, is_folder=True), wanted_by)
        folder = known
    return folder


def _add(folder: Node, node: Node, wanted_by: str) -> Node:
    key = folded(node.name)
    known = folder.children.setdefault(key, node)
    if known is not node:
        raise FormatError(
            f"/{known.path} and /{node.path} are one name on FAT (wanted by {wanted_by!r}).",
            "FAT does not tell upper case from lower case: rename one of them, or leave it out.",
        )
    return node


def _give_short_names(folder: Node) -> None:
    """Plain names keep theirs, then come those that only differ in case, then those that need a numeric tail."""
    short_names = ShortNames({name.name for name in folder.children.values() if is_plain(name.name)})
    rest = []
    for child in folder.children.values():
        if is_plain(child.name):
            child.short_name = child.name
            continue
        child.short_name = short_names.take_lossless(child.name)
        if not child.short_name:
            rest.append(child)
    for child in rest:
        child.short_name = short_names.take(child.name)


def slot_count(folder: Node) -> int:
    """Slots that a folder takes, "." and ".." (not in the root) or a volume label (there) not counted."""
    count = 0
    for child in folder.children.values():
        count += 1
        if child.name != child.short_name:
            count += len(long_slots(child.name, packed_short(child.short_name))) // SLOT_BYTES
    return count


def folder_bytes(folder: Node, parent: Node | None, when: datetime.datetime, label: bytes = b"") -> bytes:
    """The slots of a folder whose clusters, and those of its children, are known; ``label`` (11 bytes) in the root."""
    date, time = dos_time(when)
    parts = []
    if label:
        parts.append(packed_slot(label, VOLUME_LABEL, 0, 0, date, time))
    if parent is not None:
        parent_cluster = 0 if not parent.path else parent.cluster
        parts.append(dot_slots(folder.cluster, parent_cluster, date, time))
    for child in folder.children.values():
        attributes = DIRECTORY if child.is_folder else ARCHIVE
        own = packed_slot(packed_short(child.short_name), attributes, child.cluster, child.size, date, time)
        parts.append(named_slots(child.name, child.short_name, own))
    return b"".join(parts)

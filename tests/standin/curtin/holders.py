"""Layers on disks (partitions, RAID, LVM, encryption) as Linux shows them in /sys, and the order to take them down.

Facts from canonical/curtin 23.1.1 (``block/clear_holders.py``). bcache and ZFS are left out: no test has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Of two layers at one level the later kind goes first.
_KINDS = ("disk", "partition", "lvm", "raid", "crypt")


@dataclass(frozen=True)
class Layer:
    """A block device and what lies on it; ``kind`` is one of disk, partition, lvm, raid and crypt."""

    name: str
    kind: str
    above: tuple[Layer, ...] = ()


def layer_of(name: str, sys: Path = Path("/sys")) -> Layer:
    """The block device ``name`` with everything on it."""
    node = (sys / "class/block" / name).resolve()
    holders = sorted(path.name for path in (node / "holders").iterdir()) if (node / "holders").is_dir() else []
    partitions = sorted(path.name for path in node.iterdir() if (path / "partition").exists())
    return Layer(name, kind_of(node), tuple(layer_of(one, sys) for one in [*holders, *partitions]))


def kind_of(node: Path) -> str:
    """The kind of a block device by its directory in /sys."""
    if (node / "partition").exists():
        return "partition"
    mapper = node / "dm/uuid"
    uuid = mapper.read_text().strip() if mapper.exists() else ""
    if uuid.startswith("part") and "-mpath-" in uuid:
        return "partition"
    if uuid.startswith("LVM"):
        return "lvm"
    if uuid.startswith("CRYPT"):
        return "crypt"
    return "raid" if node.name.startswith("md") else "disk"


def teardown_order(layers: Iterable[Layer]) -> list[Layer]:
    """All layers, each once, those on top first."""
    levels: dict[str, int] = {}
    known: dict[str, Layer] = {}

    def place(layer: Layer, level: int) -> None:
        before = levels.get(layer.name)
        level = max(_height(layer), level) if before is None else max(before, level) + 1
        levels[layer.name], known[layer.name] = level, layer
        for one in layer.above:
            place(one, level + 1)

    for tree in sorted(layers, key=lambda one: one.name):
        place(tree, 0)
    return sorted(known.values(), key=lambda one: (levels[one.name], _KINDS.index(one.kind)), reverse=True)


def _height(layer: Layer) -> int:
    return 1 + sum(map(_height, layer.above)) if layer.above else 0


def drawn(layers: Iterable[Layer], indent: str = "") -> list[str]:
    """The trees, a line for each layer."""
    found = []
    for layer in layers:
        found += [f"{indent}{layer.name} ({layer.kind})", *drawn(layer.above, indent + "  ")]
    return found

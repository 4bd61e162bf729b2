"""How much of the boot disk ESXi keeps: the largest size that leaves the datastore asked for, told with its figures."""

from __future__ import annotations

import pytest

from esxforge_target.esxi.media_size import choose
from esxforge_target.esxi.release import Release
from esxforge_target.runtime.errors import ForgeError

GIB = 1 << 30
MAAS_LEAVES_OUT = 34_355_527_168  # vmfs7's layout asks for the disk without these bytes


def release(text: str, build: str = "") -> Release:
    return Release.parse(text, build)


@pytest.mark.parametrize(
    ("disk", "datastore", "name"),
    [
        (300, None, "default"),
        (300, 162, "default"),
        (300, 163, "small"),
        (300, 231, "small"),
        (300, 232, "min"),
        (300, 269, "min"),
        (100, 60, "min"),
    ],
)
def test_the_largest_size_is_taken_that_leaves_the_datastore(disk: int, datastore: int | None, name: str) -> None:
    size = choose("auto", release("8.0.3"), disk * GIB, None if datastore is None else datastore * GIB)
    assert size.name == name
    assert size.options == ([] if name == "default" else ["systemMediaSize=" + name])


@pytest.mark.parametrize("disk", [64 * GIB, 120 * 10**9, 480 * 10**9, 4 * 10**12])
def test_what_maas_asks_for_by_its_own_guess_is_taken_on_every_disk(disk: int) -> None:
    assert choose("auto", release("8.0.3"), disk, disk - MAAS_LEAVES_OUT).options == ["systemMediaSize=min"]


def test_more_than_2_gib_too_little_is_refused_with_the_figures() -> None:
    assert choose("auto", release("8.0.3"), 100 * GIB, 69 * GIB).name == "min"
    with pytest.raises(ForgeError) as caught:
        choose("auto", release("8.0.3"), 100 * GIB, 69 * GIB + 1)
    for figure in (100 * GIB, 33 * GIB, 67 * GIB, 69 * GIB + 1):
        assert str(figure) in caught.value.message
    assert "smaller in MAAS" in caught.value.hint


def test_the_recipes_size_is_taken_and_refused_where_nothing_is_left() -> None:
    assert choose("small", release("8.0.3"), 300 * GIB, 200 * GIB).options == ["systemMediaSize=small"]
    assert choose("max", release("8.0.3"), 300 * GIB, None).options == ["systemMediaSize=max"]
    with pytest.raises(ForgeError, match=r"systemMediaSize=max.*0 are left"):
        choose("max", release("8.0.3"), 300 * GIB, 10 * GIB)


@pytest.mark.parametrize(
    ("version", "build", "options"),
    [
        ("7.0.0", "7.0.0-1.0.15843807", ["autoPartitionOSDataSize=25500"]),
        ("7.0.1", "7.0.1-0.0.16850804", ["autoPartitionOSDataSize=25500"]),  # Update 1
        ("7.0.1", "7.0.1-0.15.17168206", ["autoPartitionOSDataSize=25500"]),  # Update 1b
        ("7.0.1", "7.0.1-0.25.17325551", ["systemMediaSize=min"]),  # Update 1c
        ("7.0.1", "", ["systemMediaSize=min", "autoPartitionOSDataSize=25500"]),  # either: both, each ignores one
        ("7.0.2", "", ["systemMediaSize=min"]),
        ("7.0.3", "7.0.3-0.55.20328353", ["systemMediaSize=min"]),
        ("9.0.0", "", ["systemMediaSize=min"]),
    ],
)
def test_each_release_gets_the_option_that_it_knows(version: str, build: str, options: list[str]) -> None:
    assert choose("auto", release(version, build), 100 * GIB, 65 * GIB).options == options


def test_6_x_keeps_what_it_keeps() -> None:
    assert choose("auto", release("6.7.0"), 100 * GIB, 92 * GIB).options == []
    with pytest.raises(ForgeError, match=str(100 * GIB)):
        choose("auto", release("6.7.0"), 100 * GIB, 95 * GIB)

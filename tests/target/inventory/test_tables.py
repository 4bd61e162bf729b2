"""partedUtil's tables, as real hosts printed them."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge_target.inventory.storage import parse_table

SAMPLES = Path(__file__).parents[2] / "data" / "esxi" / "partedUtil-getptbl.txt"
VMFS = "AA31E02A400F11DB9590000C2911D1B8"


def sample(letter: str) -> str:
    text = SAMPLES.read_text(encoding="utf-8")
    return text.split(f"## {letter}.")[1].split("## ")[0].split("[root@localhost:~] partedUtil getUsable")[0]


@pytest.mark.parametrize(
    ("letter", "number", "first", "last"),
    [("A", 3, 15472640, 33554398), ("D", 8, 20973535, 209715166)],
)
def test_real_tables_are_read(letter: str, number: int, first: int, last: int) -> None:
    table = parse_table(sample(letter), "", 0)
    assert table is not None
    entry = table.partition(number)
    assert entry is not None
    assert (entry.first, entry.last, entry.type_guid) == (first, last, VMFS)
    assert table.sector_size == 512
    # What getUsableSectors says of the 1.2 TB disk: all but 34 sectors at the end.
    assert table.last_usable == table.sectors - 34


def test_usable_sectors_come_from_partedutil_where_it_answers() -> None:
    table = parse_table(sample("C"), "34 2343043038\n", 2343043072 * 512)
    assert table is not None
    assert table.last_usable == 2343043038


def test_a_table_of_4k_sectors_is_known_by_the_size_of_the_disk() -> None:
    table = parse_table("gpt\n1 255 63 1000000\n", "", 1000000 * 4096)
    assert table is not None
    assert table.sector_size == 4096


@pytest.mark.parametrize("text", ["", "Error: Can't have a partition outside the disk!", "gpt", "gpt\n1 2 3\n"])
def test_what_is_no_table_is_none(text: str) -> None:
    assert parse_table(text, "", 0) is None

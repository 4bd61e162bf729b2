"""The first sector's GUID follows the partition that it names, and nothing else of the sector changes."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from esxforge_target.formats.boot_code import GUID_OFFSET, has_boot_code, named_partition, renewed_sector
from esxforge_target.formats.gpt import EFI_SYSTEM, GptPartition, Table
from esxforge_target.formats.gpt_disk import first_sector, write_table
from esxforge_target.runtime.blocks import MemoryBlocks

GUIDS = st.uuids()


def table_of(guids: dict[int, uuid.UUID]) -> Table:
    table = Table.empty(uuid.UUID(int=99), 512, 4096)
    for number, guid in guids.items():
        first = 64 + 8 * number
        table = table.with_partition(number, GptPartition(EFI_SYSTEM, guid, first, first + 7))
    return table


TABLES = st.dictionaries(st.integers(1, 8), GUIDS, max_size=4)


@given(before=TABLES, after=TABLES, code=st.binary(min_size=512, max_size=512), data=st.data())
def test_only_a_guid_that_names_a_partition_is_renewed(
    before: dict[int, uuid.UUID], after: dict[int, uuid.UUID], code: bytes, data: st.DataObject
) -> None:
    named = data.draw(st.sampled_from([*before.values(), uuid.UUID(int=7)]))
    sector = code[:GUID_OFFSET] + named.bytes_le + code[GUID_OFFSET + 16 :]
    old, new = table_of(before), table_of(after)
    found = renewed_sector(sector, old, new)
    number = named_partition(sector, old)
    assert number == next((number for number, guid in sorted(before.items()) if guid == named), None)
    expected = after.get(number, named) if number else named
    assert found == sector[:GUID_OFFSET] + expected.bytes_le + sector[GUID_OFFSET + 16 :]
    assert renewed_sector(sector, None, new) == sector


def test_a_table_is_written_together_with_the_sector_that_names_its_partition() -> None:
    disk = MemoryBlocks(bytes(4096 * 512))
    write_table(disk, table_of({1: uuid.UUID(int=1)}))
    sector = bytearray(disk.read_at(0, 512))
    sector[:4], sector[GUID_OFFSET : GUID_OFFSET + 16] = b"code", uuid.UUID(int=1).bytes_le
    disk.write_at(0, bytes(sector))
    disk.write_at(512, b"\0" * 512)  # the primary is damaged: the backup knows which partition was named
    renewed = table_of({1: uuid.UUID(int=2)})
    expected = first_sector(disk, renewed)
    write_table(disk, renewed)
    assert disk.read_at(0, 512) == expected
    assert named_partition(expected, renewed) == 1
    assert expected.startswith(b"code")


def test_boot_code_needs_code_and_the_signature() -> None:
    assert has_boot_code(b"\xeb" + bytes(509) + b"\x55\xaa")
    assert not has_boot_code(b"\xeb" + bytes(511))
    assert not has_boot_code(bytes(GUID_OFFSET) + b"\1" * 16 + bytes(70) + b"\x55\xaa"), "a GUID is no code"

"""GUID partition tables: what we write, sgdisk accepts; what is damaged, we say so."""

from __future__ import annotations

import contextlib
import struct
import uuid
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.errors import FormatError
from esxforge_target.formats.gpt import EFI_SYSTEM, VMFS, VMFS_L, GptPartition, Table, protective_mbr
from esxforge_target.formats.gpt_disk import disk_identities, read_table, sector_size_of, write_table
from esxforge_target.runtime.blocks import FileBlocks, MemoryBlocks, Window
from unit.formats.disk.disk_oracles import RecordingDisk, must

DISK = uuid.UUID("11111111-2222-4333-8444-555555555555")
SECTORS = 4096


def guid(number: int) -> uuid.UUID:
    return uuid.UUID(int=number + 1)


def esxi_table(sector_size: int = 512, sectors: int = SECTORS) -> Table:
    """Numbers with gaps, as ESXi's installer leaves them."""
    table = Table.empty(DISK, sector_size, sectors)
    for number, first in ((1, 64), (5, 256), (6, 512), (7, 1024)):
        kind = EFI_SYSTEM if number == 1 else VMFS_L if number == 7 else VMFS
        table = table.with_partition(
            number, GptPartition(kind, guid(number), first, first + 127, f"p{number} ü", 1 << 60)
        )
    return table


def disk_with(table: Table) -> MemoryBlocks:
    disk = MemoryBlocks(bytes(table.total_sectors * table.sector_size), table.sector_size)
    write_table(disk, table)
    return disk


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_what_is_written_is_read_back_from_either_copy(sector_size: int) -> None:
    table = esxi_table(sector_size)
    disk = disk_with(table)
    assert read_table(disk) == read_table(disk, sector_size)
    assert (read_table(disk).table, read_table(disk).source, read_table(disk).problems) == (table, "primary", ())

    disk.write_at(sector_size + 60, b"\xff")
    reading = read_table(disk)
    assert (reading.table, reading.source) == (table, "backup")
    assert "primary GPT header at LBA 1 is invalid: its CRC-32 is" in reading.problems[0]


def test_sgdisk_finds_no_problem_and_the_same_partitions(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    with image.open("wb") as out:
        out.truncate(SECTORS * 512)
    with FileBlocks(str(image), writable=True) as disk:
        write_table(disk, esxi_table())
    said = must("sgdisk", "-v", image).decode()
    assert "No problems found" in said
    assert "problem" not in said.replace("No problems found", "").replace("result in problems with", "")
    details = must("sgdisk", "-i", "7", image).decode()
    assert str(VMFS_L).upper() in details
    assert str(guid(7)).upper() in details
    assert "First sector: 1024" in details
    assert "Last sector: 1151" in details
    assert "Attribute flags: 1000000000000000" in details
    assert "p7 ü" in details
    assert str(DISK).upper() in must("sgdisk", "-p", image).decode()


def test_a_table_that_sgdisk_wrote_is_read(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    with image.open("wb") as out:
        out.truncate(8 << 20)
    must("sgdisk", "-n", "1:2048:4095", "-t", "1:EF00", "-n", "8:4096:8191", "-c", "8:data", "-U", str(DISK), image)
    with FileBlocks(str(image)) as disk:
        reading = read_table(disk)
    assert reading.problems == ()
    assert reading.table.disk_guid == DISK
    assert reading.table.partition(1).type_guid == EFI_SYSTEM
    assert reading.table.byte_range(8) == (4096 * 512, 4096 * 512)
    assert [number for number, _ in reading.table.partitions] == [1, 8]


def test_with_sectors_of_4096_every_field_stands_where_the_specification_puts_it() -> None:
    """Read here with nothing of ours: UEFI 2.10, tables 5.4 to 5.6; sgdisk takes files for disks of 512."""
    disk = disk_with(esxi_table(4096)).data
    assert disk[510:512] == b"\x55\xaa"
    assert (disk[450], struct.unpack_from("<II", disk, 454)) == (0xEE, (1, SECTORS - 1))
    for lba, other in ((1, SECTORS - 1), (SECTORS - 1, 1)):
        header = bytes(disk[lba * 4096 : lba * 4096 + 92])
        assert header[:16] == b"EFI PART\0\0\1\0\x5c\0\0\0"
        (crc,) = struct.unpack_from("<I", header, 16)
        assert zlib.crc32(header[:16] + bytes(4) + header[20:]) == crc
        assert struct.unpack_from("<QQQQ", header, 24) == (lba, other, 6, SECTORS - 6)
        assert header[56:72] == DISK.bytes_le
        entries_lba, count, size, entries_crc = struct.unpack_from("<QIII", header, 72)
        assert (entries_lba, count, size) == (2 if lba == 1 else SECTORS - 5, 128, 128)
        entries = bytes(disk[entries_lba * 4096 : entries_lba * 4096 + 128 * 128])
        assert zlib.crc32(entries) == entries_crc
        assert struct.unpack_from("<QQQ", entries, 6 * 128 + 32) == (1024, 1151, 1 << 60)
        assert entries[7 * 128 :] == bytes(121 * 128)


def test_an_image_on_a_larger_disk_is_noticed_and_grown(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    image.write_bytes(disk_with(esxi_table()).data)
    with image.open("r+b") as out:
        out.truncate(SECTORS * 512 * 3)
    with FileBlocks(str(image), writable=True) as disk:
        reading = read_table(disk)
        assert reading.problems == (f"The backup GPT is at LBA {SECTORS - 1}, the disk ends at LBA {SECTORS * 3 - 1}.",)
        write_table(disk, reading.table.grown_to(SECTORS * 3).with_new_guids(uuid.uuid4))
        again = read_table(disk)
    assert again.problems == ()
    assert again.table.disk_guid != DISK
    assert again.table.last_usable_lba == SECTORS * 3 - 34
    assert again.table.partition(5).first_lba == 256
    assert "No problems found" in must("sgdisk", "-v", image).decode()


def test_the_backup_is_found_on_a_larger_disk_when_only_the_entries_are_damaged() -> None:
    small = disk_with(esxi_table())
    disk = MemoryBlocks(bytes(small.data) + bytes(1 << 20))
    disk.write_at(1024, b"\xff")
    reading = read_table(disk)
    assert reading.source == "backup"
    assert reading.table == esxi_table()


def test_boot_code_and_flags_of_a_protective_mbr_stay_when_a_table_is_written() -> None:
    table = esxi_table()
    disk = disk_with(table)
    disk.write_at(0, b"\xfa\xeb boot code")
    disk.write_at(446, b"\x80")
    bigger = MemoryBlocks(bytes(disk.data) + bytes(512))
    write_table(bigger, table.grown_to(SECTORS + 1))
    assert bigger.read_at(0, 12) == b"\xfa\xeb boot code"
    assert bigger.read_at(446, 1) == b"\x80"
    assert struct.unpack("<I", bigger.read_at(458, 4)) == (SECTORS,)
    assert len(protective_mbr(1 << 40, 4096)) == 4096
    assert protective_mbr(1 << 40, 512)[458:462] == b"\xff\xff\xff\xff"


def test_a_power_cut_while_writing_leaves_the_old_or_the_new_table() -> None:
    old = esxi_table()
    new = old.with_new_guids(uuid.uuid4).without_partition(6)
    for damage in (None, 512, SECTORS * 512 - 512):
        start = disk_with(old)
        if damage is not None:
            start.write_at(damage, b"damaged!")
        disk = RecordingDisk(bytes(start.data))
        write_table(disk, new)
        states = [read_table(MemoryBlocks(state)).table for state in disk.cut_everywhere()]
        assert states[0] == old
        assert states[-1] == new
        assert all(state in (old, new) for state in states)


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_a_stamp_is_found_in_the_first_bytes_alone(sector_size: int) -> None:
    disk = disk_with(esxi_table(sector_size))
    first = bytes(disk.data[: 64 << 10])
    (stamp,) = disk_identities(first)
    assert (stamp.disk_guid, stamp.sector_size) == (DISK, sector_size)
    assert stamp.header_crc == struct.unpack_from("<I", first, sector_size + 16)[0]
    damaged_entries = first[: 2 * sector_size] + b"\xff" * 100 + first[2 * sector_size + 100 :]
    assert disk_identities(damaged_entries) == (stamp,)
    assert disk_identities(first[: sector_size + 40]) == ()
    assert disk_identities(bytes(8192)) == ()
    assert sector_size_of(MemoryBlocks(bytes(disk.data))) == sector_size


def test_numbers_and_changes() -> None:
    table = esxi_table()
    assert sorted(table.by_number()) == [1, 5, 6, 7]
    assert sorted(table.without_partition(5).by_number()) == [1, 6, 7]
    with pytest.raises(FormatError, match=r"no partition 2 \(it has: 1, 5, 6, 7\)"):
        table.partition(2)
    with pytest.raises(FormatError, match=r"Partition 7 goes from LBA 1024 to 1151"):
        table.grown_to(1100)


@pytest.mark.parametrize(
    ("number", "partition", "message"),
    [
        (2, GptPartition(VMFS, guid(2), 100, 300), "Partitions 1 .* and 2 .* overlap"),
        (2, GptPartition(VMFS, guid(2), 10, 20), "the usable ones are 34 to"),
        (2, GptPartition(VMFS, guid(2), 2000, 1999), "goes from LBA 2000 to 1999"),
        (129, GptPartition(VMFS, guid(2), 2000, 2100), "number 129"),
        (0, GptPartition(VMFS, guid(2), 2000, 2100), "number 0"),
        (2, GptPartition(VMFS, guid(2), 2000, 2100, "x" * 37), "does not fit"),
        (2, GptPartition(uuid.UUID(int=0), guid(2), 2000, 2100), "no type"),
    ],
)
def test_impossible_partitions_are_refused(number: int, partition: GptPartition, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        esxi_table().with_partition(number, partition)


def rewritten_header(disk: MemoryBlocks, offset: int, form: str, value: int) -> None:
    """Change a field of the primary header and give it a right CRC; the backup is wiped."""
    header = bytearray(disk.read_at(512, 92))
    struct.pack_into(form, header, offset, value)
    header[16:20] = bytes(4)
    struct.pack_into("<I", header, 16, zlib.crc32(header))
    disk.write_at(512, bytes(header))
    disk.write_at(disk.size - 33 * 512, bytes(33 * 512))


@pytest.mark.parametrize(
    ("offset", "form", "value", "message"),
    [
        (8, "<I", 0x20000, "revision is 0x20000"),
        (12, "<I", 4000, "4000 bytes long"),
        (24, "<Q", 7, "it is at LBA 7"),
        (32, "<Q", 1, "the other header is at LBA 1 too"),
        (32, "<Q", 1 << 62, "the disk ends|for a disk of|cannot be"),
        (40, "<Q", 1, "LBA 1 to .* cannot be the usable ones"),
        (48, "<Q", SECTORS, "cannot be the usable ones"),
        (72, "<Q", 1 << 40, "puts its entries at LBA 1099511627776"),
        (80, "<I", 0xFFFFFFFF, "4294967295 entries"),
        (84, "<I", 256, "256 bytes each"),
        (88, "<I", 1, "says 00000001"),
    ],
)
def test_a_header_that_cannot_be_true_is_named_with_its_place(offset: int, form: str, value: int, message: str) -> None:
    disk = disk_with(esxi_table())
    rewritten_header(disk, offset, form, value)
    with pytest.raises(FormatError, match=message):
        read_table(disk)


def test_no_table_at_all_says_what_was_found() -> None:
    with pytest.raises(
        FormatError, match=r"primary GPT header at LBA 1 .* does not begin with “EFI PART”.*backup GPT header at LBA"
    ):
        read_table(MemoryBlocks(bytes(1 << 20)))
    with pytest.raises(FormatError):
        read_table(MemoryBlocks(b""))


def test_a_disk_smaller_than_its_table_says_is_refused() -> None:
    disk = disk_with(esxi_table())
    with pytest.raises(FormatError, match="there are only 4000"):
        read_table(MemoryBlocks(bytes(disk.data[: 4000 * 512])))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 128), st.integers(0, 39), st.text(max_size=36)), max_size=12),
    st.sampled_from([512, 4096]),
)
def test_any_table_survives_the_disk(desired: list[tuple[int, int, str]], sector_size: int) -> None:
    table = Table.empty(DISK, sector_size, 5000)
    used: set[int] = set()
    for number, place, name in desired:
        text = name.replace("\0", "")
        if place in used or number in table.by_number() or len(text.encode("utf-16-le", "surrogatepass")) > 72:
            continue
        used.add(place)
        table = table.with_partition(
            number, GptPartition(VMFS, guid(number), 100 + place * 100, 199 + place * 100, text)
        )
    assert read_table(disk_with(table)).table == table


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 34 * 512 - 1), st.integers(0, 255)), min_size=1, max_size=8), st.booleans())
def test_damage_anywhere_is_an_error_or_the_right_table(changes: list[tuple[int, int]], both: bool) -> None:
    disk = disk_with(esxi_table())
    for offset, value in changes:
        disk.data[offset] = value
        if both:
            disk.data[-offset - 1] = value
    disk_identities(bytes(disk.data[: 64 << 10]))
    if not both:
        assert read_table(disk).table == esxi_table()
        return
    with contextlib.suppress(FormatError):
        assert read_table(disk).table == esxi_table()


@settings(deadline=None)
@given(st.binary(max_size=9000))
def test_garbage_is_a_format_error(data: bytes) -> None:
    disk_identities(data)
    with pytest.raises(FormatError):
        read_table(MemoryBlocks(data))


def test_a_partition_is_a_window_that_nothing_leaves() -> None:
    table = esxi_table()
    disk = disk_with(table)
    window = Window(disk, *table.byte_range(5))
    window.write_at(0, b"x" * 128 * 512)
    assert disk.read_at(256 * 512 - 1, 2) == b"\0x"
    assert disk.read_at(384 * 512 - 1, 2) == b"x\0"

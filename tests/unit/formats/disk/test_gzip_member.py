"""One gzip member that every reader reads, whichever backend made it, and zeros that cost nothing."""

from __future__ import annotations

import gzip
import io
import random
import tracemalloc
import zlib
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.formats.gzip_member import GzipMember, backend_name, crc32_combine, crc32_with_zeros
from unit.formats.disk.disk_oracles import must

MIB = 1 << 20


def backends() -> list[ModuleType]:
    try:
        from isal import isal_zlib
    except ImportError:
        return [zlib]
    return [zlib, isal_zlib]


BACKENDS = pytest.mark.parametrize("module", backends(), ids=lambda module: module.__name__)


def packed(parts: list[bytes | int], module: ModuleType | None, level: int = 1) -> bytes:
    """A gzip of bytes, and of zeros where a number stands."""
    member = GzipMember(level, module)
    out: list[bytes] = []
    for part in parts:
        if isinstance(part, int):
            out.extend(member.zeros(part))
        else:
            out.append(member.data(part))
    out.append(member.finish())
    return b"".join(out)


def plain(parts: list[bytes | int]) -> bytes:
    return b"".join(bytes(part) for part in parts)


noise = random.Random(3).randbytes(200_000)  # noqa: S311  filler, the same every time
MIXED: list[bytes | int] = [
    b"head" + noise,
    40 * MIB + 12_345,
    noise[:70_000] * 3,
    1,
    0,
    b"",
    131_072,
    b"tail",
    300_000,
]


@BACKENDS
@pytest.mark.parametrize("level", [1, 2])
def test_every_reader_reads_it_alike(tmp_path: Path, module: ModuleType, level: int) -> None:
    raw = plain(MIXED)
    file = tmp_path / "disk.gz"
    file.write_bytes(packed(MIXED, module, level))
    assert len(file.read_bytes()) < len(noise) * 3
    must("gzip", "-t", file)
    counts = must("gzip", "-l", file).decode().splitlines()[1].split()
    assert counts[:2] == [str(file.stat().st_size), str(len(raw))]
    for reader in (["gunzip", "-c"], ["zcat"], ["pigz", "-dc"], ["busybox", "gunzip", "-c"]):
        assert must(*reader, file) == raw, reader
    assert must("pigz", "-t", file) == b""
    assert gzip.decompress(file.read_bytes()) == raw
    inflater = zlib.decompressobj(31)
    assert inflater.decompress(file.read_bytes()) == raw
    assert inflater.eof
    assert inflater.unused_data == b""  # one member, no more


@BACKENDS
def test_the_same_input_gives_the_same_bytes_with_nothing_of_time_or_name(module: ModuleType) -> None:
    one = packed(MIXED, module)
    assert one == packed(MIXED, module)
    assert one[:10] == bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 255))


@BACKENDS
def test_nothing_and_zeros_alone_are_whole_too(module: ModuleType) -> None:
    assert gzip.decompress(packed([], module)) == b""
    assert gzip.decompress(packed([0], module)) == b""
    assert gzip.decompress(packed([131_072], module)) == bytes(131_072)


@BACKENDS
@settings(deadline=None, max_examples=60)
@given(
    parts=st.lists(
        st.one_of(
            st.binary(max_size=5000),
            st.sampled_from([0, 1, 65_535, 65_536, 131_071, 131_072, 131_073, 200_000, 16 * MIB + 70_000]),
        ),
        max_size=8,
    )
)
def test_any_mixture_comes_back(module: ModuleType, parts: list[bytes | int]) -> None:
    assert gzip.decompress(packed(parts, module)) == plain(parts)


def test_a_hole_larger_than_four_gib_keeps_check_sum_and_length() -> None:
    hole = 5 * 1024 * MIB + 77
    data = packed([b"begin", hole, b"end"], None)
    assert len(data) < 6 * MIB
    assert int.from_bytes(data[-4:], "little") == (hole + 8) % (1 << 32)
    expected = zlib.crc32(b"end", crc32_with_zeros(zlib.crc32(b"begin"), hole))
    assert int.from_bytes(data[-8:-4], "little") == expected


def test_the_check_sum_of_many_zeros_is_zlibs() -> None:
    begin = zlib.crc32(b"begin")
    expected = begin
    for _ in range(8):
        expected = zlib.crc32(bytes(32 * MIB), expected)
    assert crc32_with_zeros(begin, 256 * MIB) == expected
    assert crc32_combine(begin, crc32_with_zeros(0, 256 * MIB), 256 * MIB) == expected
    # Steps of any size end at the same place, far past what can be counted by hand.
    assert crc32_with_zeros(crc32_with_zeros(begin, 1 << 35), 3) == crc32_with_zeros(begin, (1 << 35) + 3)


def test_memory_does_not_grow_with_the_hole() -> None:
    member = GzipMember()
    written = 0
    list(member.zeros(64 * MIB))  # the blocks that are kept
    tracemalloc.start()
    for chunk in member.zeros(1 << 40):
        written += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MIB
    assert written < (1 << 40) // 1000


@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_check_sums_of_parts_combine(first: bytes, second: bytes) -> None:
    whole = zlib.crc32(first + second)
    assert crc32_combine(zlib.crc32(first), zlib.crc32(second), len(second)) == whole
    assert crc32_with_zeros(zlib.crc32(first), len(second)) == zlib.crc32(first + bytes(len(second)))


text = b"".join(b"line %d of a file that shrinks\n" % number for number in range(60_000))
megabyte = random.Random(4).randbytes(MIB)  # noqa: S311  filler, the same every time


@BACKENDS
def test_what_does_not_shrink_is_stored_and_every_reader_reads_it(tmp_path: Path, module: ModuleType) -> None:
    parts: list[bytes | int] = [text[:MIB], megabyte, megabyte, 300_000, megabyte, text[:MIB], b"tail", megabyte, 5]
    file = tmp_path / "disk.gz"
    file.write_bytes(packed(parts, module))
    # Stored means five bytes a block of 64 KiB, and nothing that looks back: both copies are there.
    assert 4 * MIB < file.stat().st_size < 4 * MIB + MIB
    assert file.read_bytes().count(megabyte[:60_000]) == 4
    for reader in (["gunzip", "-c"], ["zcat"], ["pigz", "-dc"], ["busybox", "gunzip", "-c"]):
        assert must(*reader, file) == plain(parts), reader


@BACKENDS
@settings(deadline=None, max_examples=40)
@given(
    order=st.lists(
        st.sampled_from([megabyte, megabyte[:300_001], text[:MIB], noise, b"short", 1, 200_000]), min_size=1, max_size=9
    )
)
def test_stored_packed_and_zeros_in_any_order_come_back(module: ModuleType, order: list[bytes | int]) -> None:
    assert gzip.decompress(packed(order, module)) == plain(order)


@BACKENDS
def test_a_chunk_of_which_an_eighth_shrinks_is_packed(module: ModuleType) -> None:
    chunk = megabyte[: 7 * MIB // 8] + text[: MIB // 8]
    assert len(packed([chunk], module)) < len(chunk) - MIB // 20


def test_the_backend_says_its_name_and_version() -> None:
    assert backend_name().split()[0] in ("isal", "zlib")
    assert backend_name().split()[1][0].isdigit()


def test_python_reads_it_in_a_stream() -> None:
    with gzip.open(io.BytesIO(packed(MIXED, None))) as reader:
        assert reader.read(4) == b"head"

"""A raw disk as segments, with its holes and without."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esxforge.errors import InputError
from esxforge.formats.segments import FileRange, Segment, Zeros
from esxforge.image.sparse import segments_of_file

MIB = 1 << 20


def content(segments: list[Segment]) -> bytes:
    parts = []
    for segment in segments:
        if isinstance(segment, FileRange):
            with segment.path.open("rb") as reader:
                reader.seek(segment.offset)
                parts.append(reader.read(segment.length))
        else:
            parts.append(bytes(segment.length))
    return b"".join(parts)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 4 * MIB), st.binary(min_size=1, max_size=9000)), max_size=6),
    st.integers(0, 5 * MIB),
)
def test_any_sparse_file_comes_back(tmp_path: Path, writes: list[tuple[int, bytes]], size: int) -> None:
    path = tmp_path / "raw"
    with path.open("wb") as out:
        for offset, data in writes:
            out.seek(offset)
            out.write(data)
        out.truncate(size)
    segments = segments_of_file(path)
    assert content(segments) == path.read_bytes()
    assert all(segment.length > 0 for segment in segments)


def test_holes_become_zeros_where_the_file_system_has_them(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    with path.open("wb") as out:
        out.seek(8 * MIB)
        out.write(b"x" * MIB)
        out.truncate(1 << 35)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        has_holes = os.lseek(descriptor, 0, os.SEEK_DATA) > 0
    finally:
        os.close(descriptor)
    if not has_holes:
        pytest.skip("this file system has no holes")
    assert segments_of_file(path) == [Zeros(8 * MIB), FileRange(path, 8 * MIB, MIB), Zeros((1 << 35) - 9 * MIB)]


@pytest.mark.parametrize("answer", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_without_holes_gives_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    path = tmp_path / "raw"
    path.write_bytes(b"abc" * 1000)
    seek = os.lseek

    def without_holes(descriptor: int, position: int, whence: int) -> int:
        if whence in (os.SEEK_DATA, os.SEEK_HOLE):
            raise OSError(answer, os.strerror(answer))
        return seek(descriptor, position, whence)

    monkeypatch.setattr(os, "lseek", without_holes)
    assert segments_of_file(path) == [FileRange(path, 0, 3000)]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*nothing"):
        segments_of_file(tmp_path / "nothing")
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    assert segments_of_file(empty) == []
